"""What runs inside an MCP server: audit events and the middleware that ships them to Tocsin."""

from tocsin_audit.event import AuditEvent
from tocsin_audit.middleware import AuditMiddleware

__all__ = ["AuditEvent", "AuditMiddleware"]
