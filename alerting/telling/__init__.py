"""What of a change is sent, at which cost, and what waits for a bundle."""
