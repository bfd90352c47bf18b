"""What becomes of each field before an event is stored."""
