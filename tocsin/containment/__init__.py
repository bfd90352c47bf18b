"""Refusing callers: as configured, as asked for, as told to those who refuse."""
