"""Trying things on samples: formats, inspection and ownership rules, before they are configured."""
