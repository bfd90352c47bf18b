"""Whose an event's content is: the directory's ownership rules, compiled for each server."""

from collections.abc import Callable
from typing import Final

import msgspec

from collector.inspection.carried import Carried, payload
from stream.directory import Directory
from tocsin_audit.event import AuditEvent
from tocsin_audit.identity import TENANT_CLAIMS
from tocsin_audit.ownership import Ownership

MOST: Final = 10_000
"""Servers whose compiled rules are kept."""


class Owned:
    """Reads owners by the directory of the moment; used by one thread or one event loop."""

    def __init__(self, directory: Callable[[], Directory]) -> None:
        self._directory = directory
        self._of: Directory | None = None
        self._rules: dict[str, Ownership] = {}

    def rules(self, server: str) -> Ownership:
        """The rules of a server."""
        directory = self._directory()
        if directory is not self._of or len(self._rules) > MOST:
            self._of, self._rules = directory, {}
        known = self._rules.get(server)
        if known is None:
            rules = [msgspec.to_builtins(rule) for rule in directory.ownership]
            known = self._rules[server] = Ownership(rules, server)
        return known

    def owners(self, event: AuditEvent, held: Carried) -> tuple[str, ...]:
        """The owners of what was asked for and returned, in order; those that the event names already stay."""
        rules = self.rules(event.server)
        found = set(event.resource_tenants)
        found |= rules.asked(event.target, held.content.arguments, held.headers)
        if held.content.result is not None and rules.reads_results:
            found |= rules.returned(payload(held.content.result))
        return tuple(sorted(found))

    def tenant_claims(self, server: str) -> tuple[str, ...]:
        """The claims in which the caller's tenant stands: the server's, the general ones, else the usual ones."""
        directory = self._directory()
        own = [claim.claim for claim in directory.identity if claim.server == server]
        return tuple(own + [claim.claim for claim in directory.identity if claim.server is None]) or TENANT_CLAIMS
