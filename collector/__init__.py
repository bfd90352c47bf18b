"""Turns what MCP servers do, or what others logged about it, into audit events in the stream."""
