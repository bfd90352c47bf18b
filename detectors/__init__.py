"""Folds of events into findings: one file a detector, an engine that owns their state."""
