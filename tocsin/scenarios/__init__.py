"""A small world with a real MCP server, who works with it, and who attacks it: one file a scenario."""
