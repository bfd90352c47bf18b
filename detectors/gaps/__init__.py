"""What `audit_gap` is made of: producers, their numbers and rhythms, servers, and what is told of them."""
