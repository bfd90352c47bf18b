"""Formats that are described in YAML instead of code."""
