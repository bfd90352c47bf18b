"""Onlookers: what a proxy adds to the events of the exchanges that it watches."""

from collections.abc import Mapping
from typing import Any, Protocol

from tocsin_audit.event import AuditEvent


class Onlooker(Protocol):
    """Looks at what the middleware itself does not look into; called by the recorder's thread, one call at a time."""

    def claims(self, token: str, server: str, now: float) -> Mapping[str, Any] | None:
        """The claims of a token that was checked; null where it could not be, or does not hold."""
        ...

    def look(self, event: AuditEvent, arguments: Any, result: Mapping[str, Any] | None) -> None:
        """Add to an event what its content says."""
        ...
