"""What runs inside an MCP server: audit events and the middleware that ships them to Tocsin."""
