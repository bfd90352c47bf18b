"""The index of the log: what frames can be looked up by."""
