"""Who called: tokens, claims, and the keys that prove them."""
