"""The reverse proxy for MCP servers that nobody can change."""
