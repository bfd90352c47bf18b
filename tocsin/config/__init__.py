"""`tocsin.yaml`: its model, one file a section, validated whole before anything starts."""
