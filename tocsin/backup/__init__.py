"""Backups: their form, making one of what is in use, and restoring it whole or not at all."""
