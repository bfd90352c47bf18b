"""Encryption at rest: data keys, and what they encrypt."""
