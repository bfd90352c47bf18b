"""Facts: the directory compiled for look-ups inside a decision, with the log's clock."""

import re
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from stream.control import Model, PeerSummary
from stream.directory import EMPTY, Directory, Grant, Principal, Server, Window
from tocsin_audit.event import AuditEvent

PUBLIC: Final = "public"
"""The owner name that means everybody's."""
MODELS: Final = 2_048
"""Detectors' tenants whose models are kept: whoever comes after them has none."""
KEPT: Final = 16
"""Peer summaries of one detector, group and length of cell that are kept, the newest first."""


@lru_cache(maxsize=65_536)
def group_id(key: str) -> int:
    """The key of a group as 64 bits, small enough for every member's state to hold."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class Facts:
    """What is known at one place in the log: a pure function of the records before it.

    `clock` is the running maximum of `received` in seconds since the epoch.
    """

    def __init__(
        self,
        directory: Directory = EMPTY,
        clock: float = 0.0,
        summaries: Iterable[PeerSummary] = (),
        models: Iterable[Model] = (),
    ) -> None:
        self.clock = clock
        self._models: dict[tuple[str, str], tuple[Model, ...]] = {}
        for model in models:
            self.adopt(model)
        self._peers: dict[tuple[str, int, int], dict[int, PeerSummary]] = {}
        for summary in summaries:
            self.learn(summary)
        self.directory = directory
        self._principals: dict[tuple[str, str], Principal] = {}
        for principal in directory.principals:
            for field in ("user", "client", "agent"):
                if (name := getattr(principal, field)) is not None:
                    self._principals[(field, name)] = principal
        self._servers = {server.name: server for server in directory.servers}
        self._canaries = {(canary.server, canary.target) for canary in directory.canaries}
        self._grants: dict[tuple[str, str], list[Grant]] = {}
        for grant in directory.grants:
            for field in ("user", "client", "agent", "role"):
                if (name := getattr(grant, field)) is not None:
                    self._grants.setdefault((field, name), []).append(grant)
        self._uri_rules = [
            (rule.server, _uri_pattern(rule.uri)) for rule in directory.ownership if rule.uri is not None
        ]
        self._owner = lru_cache(maxsize=65_536)(self._owner_of_target)

    def learn(self, summary: PeerSummary) -> None:
        """Take in what a detector says of a group; the oldest of more than `KEPT` are forgotten."""
        known = self._peers.setdefault((summary.detector, group_id(summary.group), summary.seconds), {})
        known[summary.start] = summary
        if len(known) > KEPT:
            del known[min(known)]

    def peers(self, detector: str, group: int, seconds: int, at: int) -> PeerSummary | None:
        """The summary of the newest cell of this length that starts at or before a moment; `group` is a `group_id`."""
        known = self._peers.get((detector, group, seconds))
        if known is None:
            return None
        exact = known.get(at)
        if exact is not None:
            return exact
        start = max((start for start in known if start <= at), default=None)
        return known[start] if start is not None else None

    def summaries(self) -> list[PeerSummary]:
        """All peer summaries that are kept, in a stable order: for a snapshot, or for the facts of a new directory."""
        return [self._peers[key][start] for key in sorted(self._peers) for start in sorted(self._peers[key])]

    def adopt(self, model: Model) -> None:
        """Take in a model; it and the one before it are kept, since open hours may be older than the new one."""
        place = (model.detector, model.tenant)
        known = self._models.get(place, ())
        if known or len(self._models) < MODELS:
            self._models[place] = (*[one for one in known if one.since < model.since][-1:], model)

    def model(self, detector: str, tenant: str | None, at: float) -> Model | None:
        """The model of a tenant that counts at an event time."""
        known = self._models.get((detector, tenant)) if self._models and tenant is not None else None
        return next((one for one in reversed(known or ()) if one.since <= at), None)

    def models(self) -> list[Model]:
        """All models that are kept, in a stable order and the older of a tenant first."""
        return [model for place in sorted(self._models) for model in self._models[place]]

    def retire(self) -> None:
        """Give back what was remembered, once newer facts stand in this one's place."""
        self._owner.cache_clear()

    def principal(self, event: AuditEvent) -> Principal | None:
        """The directory's entry for who acts, by user, then client, then agent; only the acting name counts."""
        if not self._principals:
            return None
        if event.user is not None:
            return self._principals.get(("user", event.user))
        if event.client is not None:
            return self._principals.get(("client", event.client))
        if event.agent is not None:
            return self._principals.get(("agent", event.agent))
        return None

    def tenant(self, event: AuditEvent) -> str | None:
        """The caller's tenant: the directory's word, else the event's own."""
        known = self.principal(event)
        return known.tenant if known is not None and known.tenant is not None else event.tenant

    def role(self, event: AuditEvent) -> str | None:
        """The caller's role: its peer group within the tenant."""
        known = self.principal(event)
        return known.role if known is not None else None

    def role_of(self, field: str, name: str) -> str | None:
        """The role of who acts under a name, `field` being `user`, `client` or `agent`."""
        known = self._principals.get((field, name))
        return known.role if known is not None else None

    def server(self, name: str) -> Server | None:
        """The inventory's entry of an MCP server."""
        return self._servers.get(name)

    def owners(self, event: AuditEvent) -> tuple[str, ...]:
        """The owners of what was asked for or returned: as observed, else by the directory's URI rules."""
        if event.resource_tenants:
            return event.resource_tenants
        if not self._uri_rules or event.target is None:
            return ()
        owner = self._owner(event.server, event.target)
        return (owner,) if owner is not None else ()

    def grant(self, event: AuditEvent, owner: str) -> Grant | None:
        """The grant that lets the caller touch an owner's data at the event's time, if one does."""
        return next((grant for grant in self._grants_of(event, owner) if live(grant, event.time)), None)

    def expired_grant(self, event: AuditEvent, owner: str) -> Grant | None:
        """A grant that once covered the caller for this owner but has ended by the event's time."""
        return next((grant for grant in self._grants_of(event, owner) if _ended(grant, event.time)), None)

    def visitor(self, event: AuditEvent) -> bool:
        """Whether the caller has leave to touch any other tenant's data, so that its uses say little of owners."""
        return any(live(grant, event.time) for grant in self._grants_of(event, None))

    def canary(self, server: str, target: str | None) -> bool:
        """Whether a target is an object that nobody should ever read."""
        if not self._canaries or target is None:
            return False
        return (server, target) in self._canaries or (None, target) in self._canaries

    def window(self, kind: str, at: float, *, server: str | None = None, tenant: str | None = None) -> Window | None:
        """The change, maintenance or busy window that covers a moment, for this server and tenant or for all."""
        for window in self.directory.windows:
            if (
                window.kind == kind
                and window.from_.timestamp() <= at < window.until.timestamp()
                and window.server in (None, server)
                and window.tenant in (None, tenant)
            ):
                return window
        return None

    def _grants_of(self, event: AuditEvent, owner: str | None) -> list[Grant]:
        if not self._grants:
            return []
        found: list[Grant] = []
        for field, name in (
            ("user", event.user),
            ("client", event.client),
            ("agent", event.agent),
            ("role", self.role(event)),
        ):
            if name is not None:
                found += [
                    grant
                    for grant in self._grants.get((field, name), ())
                    if owner is None or grant.tenant in ("*", owner)
                ]
        return found

    def _owner_of_target(self, server: str, target: str) -> str | None:
        for only, pattern in self._uri_rules:
            if only in (None, server) and (match := pattern.match(target)) is not None:
                return match.group("tenant")
        return None


def _ended(grant: Grant, at: float) -> bool:
    return grant.until is not None and grant.until.timestamp() <= at


def live(grant: Grant, at: float) -> bool:
    """Whether a grant holds at a moment, in seconds."""
    after = grant.from_ is None or grant.from_.timestamp() <= at
    return after and (grant.until is None or at < grant.until.timestamp())


def _uri_pattern(template: str) -> re.Pattern[str]:
    """A URI template as a pattern: `{tenant}` is one segment, `*` stays within a segment, `**` crosses them."""
    meanings = {"{tenant}": r"(?P<tenant>[^/?#]+)", "**": ".*", "*": "[^/]*"}
    parts = re.split(r"(\{tenant\}|\*\*|\*)", template)
    return re.compile("".join(meanings.get(part, re.escape(part)) for part in parts) + r"\Z")
