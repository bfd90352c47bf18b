"""The inputs that others send to over HTTP: always there, and open to whoever holds a collector key."""
