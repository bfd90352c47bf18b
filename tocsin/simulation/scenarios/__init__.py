"""What is staged in a simulated world: attacks of every core class, and decoys that look like them."""
