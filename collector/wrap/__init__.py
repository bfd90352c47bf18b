"""The wrapper around MCP servers over stdio."""
