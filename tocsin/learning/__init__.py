"""What detectors are told beside events: models, modes, what to leave out."""
