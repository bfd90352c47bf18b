"""What `cross_tenant` is made of: accesses, claims that are learned, handles, and leaks of servers."""
