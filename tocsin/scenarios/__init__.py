"""A small world with a real MCP server, the people and agents who use it, and those who attack it: one file a scenario."""
