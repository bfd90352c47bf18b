"""Incidents on a terminal: shown, and rehearsed."""
