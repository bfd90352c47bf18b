"""What takes events in, as the configuration wants it."""
