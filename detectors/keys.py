"""Keys: which entities of a kind an event belongs to, and how they are named.

A raw key is what a dictionary finds an entity by: a text, or a tuple of texts, as decoded. It is never null: an event
that lacks what a kind is keyed by belongs to no entity of that kind, so that strangers are never grouped.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final

from detectors.base import Entity, Kind
from stream.facts import Facts
from tocsin_audit.event import AuditEvent

Raw = str | tuple[str | None, ...]

HANDLES: Final = 32
"""Handles of one event that are looked at, so that no event costs more than that."""
OVERFLOW: Final = "overflow"


def principal(event: AuditEvent) -> Raw | None:
    """The caller: its tenant and the first of user, client and agent that is known."""
    if event.user is not None:
        return (event.tenant, event.user)
    if event.client is not None:
        return (event.tenant, event.client, "client")
    if event.agent is not None:
        return (event.tenant, event.agent, "agent")
    return None


def handles(event: AuditEvent) -> Sequence[Raw]:
    """The distinct handles minted or presented, in the order of the event."""
    return list(dict.fromkeys((*event.handles_minted, *event.handles_presented)))[:HANDLES]


def target(event: AuditEvent) -> Raw | None:
    """The object asked for: a resource of a server."""
    if event.target is not None and (event.method == "resources/read" or "://" in event.target):
        return (event.server, event.target)
    return None


def population(event: AuditEvent, facts: Facts) -> Raw | None:
    """The peer group: tenant and role, else tenant and client; nobody has peers outside the tenant."""
    if event.tenant is None:
        return None
    role = facts.role(event)
    if role is not None:
        return (event.tenant, role, "role")
    return (event.tenant, event.client, "client") if event.client is not None else None


def entity_of(kind: Kind, raw: Raw, facts: Facts) -> Entity:
    """The entity that a raw key stands for."""
    return Entity(kind, _joined(raw), *_named(kind, (raw,) if isinstance(raw, str) else raw, facts))


def group(event: AuditEvent, facts: Facts) -> str | None:
    """The key of the caller's peer group, as its entity of kind `population` has it."""
    raw = population(event, facts)
    return _joined(raw) if raw is not None else None


def overflow(kind: Kind, field: str, value: str) -> Raw:
    """The raw key of the entity that new keys of a flooding tenant or producer share."""
    return (OVERFLOW, kind, field, value)


def digest(kind: Kind, raw: Raw, secret: bytes) -> int:
    """A raw key as 64 bits: keyed, so that nobody can choose keys that meet."""
    whole = blake2b(f"{kind}|{_joined(raw)}".encode("utf-8", "surrogatepass"), digest_size=8, key=secret).digest()
    return int.from_bytes(whole, "big")


def _joined(raw: Raw) -> str:
    parts = (raw,) if isinstance(raw, str) else raw
    return "|".join(["-" if part is None else f"{len(part)}:{part}" for part in parts])


def _named(kind: Kind, parts: tuple[str | None, ...], facts: Facts) -> tuple[Mapping[str, str], str | None]:
    if len(parts) == 4:
        _, _, field, value = parts
        return {OVERFLOW: kind, str(field): str(value)}, value if field == "tenant" else None
    if kind == "principal":
        return {parts[2] or "" if len(parts) == 3 else "user": str(parts[1])}, parts[0]
    if kind == "population":
        return {"tenant": str(parts[0]), str(parts[2]): str(parts[1])}, parts[0]
    if kind == "client":
        return {"client": str(parts[1])}, parts[0]
    if kind == "producer":
        return {"producer": str(parts[1])}, None
    if kind == "object":
        return {"server": str(parts[0]), "target": str(parts[1])}, None
    only = str(parts[0])
    if kind == "server":
        known = facts.server(only)
        return {"server": only}, known.tenant if known is not None else None
    if kind == "tenant":
        return {"tenant": only}, only
    return {_FIELDS[kind]: only}, None


_FIELDS: Final = {"source": "source_ip", "token": "token", "handle": "handle"}
