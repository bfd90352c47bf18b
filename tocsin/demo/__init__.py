"""The demo: real servers, real clients and real attacks on the embedded form."""
