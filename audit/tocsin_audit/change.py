"""Changes of permissions and of configuration, as a server tells them of itself."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tocsin_audit import identity
from tocsin_audit.event import AuditEvent
from tocsin_audit.text import clean

_MOST: Final = 4096
_CHANGE: Final = ("object", "action", "grantee", "before", "after")
_SAID: Final = frozenset({"user", "client", "agent", "tenant", "outcome", "reason", "approval", "trace"})
_MANY: Final = frozenset({"resource_tenants", "data_classes"})
_WHO: Final = ("user", "client", "agent", "tenant", "identity", "on_behalf_of", "scopes")


def changed(
    kind: str, server: str, said: Mapping[str, Any], access: Any, tenant_claims: Iterable[str], now: float
) -> AuditEvent:
    """The event of a change: `object`, `action`, `grantee`, `before`, `after`, and further fields of an event.

    `access` is the verified token of the caller who makes it, `now` in seconds since the epoch. Raises TypeError for a
    field that a change does not have.
    """
    if unknown := said.keys() - _SAID - _MANY - set(_CHANGE):
        raise TypeError(f"a change has no {', '.join(sorted(unknown))}; it may say {', '.join(sorted(_SAID | _MANY))}")
    event = AuditEvent(time=now, server=server, kind=kind, outcome="ok", target=clean(said["object"], 1024))
    if access is not None:
        who = identity.verified(access, tenant_claims, now)
        for name in _WHO:
            setattr(event, name, getattr(who, name))
    for name in said.keys() & _SAID:
        setattr(event, name, clean(said[name]))
    for name in said.keys() & _MANY:
        setattr(event, name, tuple(filter(None, map(clean, said[name]))))
    change = {name: _bounded(said[name]) for name in _CHANGE if said.get(name) is not None}
    event.change = msgspec.Raw(msgspec.json.encode(change))
    return event


def _bounded(value: Any) -> Any:
    """A value as JSON; of one that is too large, or none, what tells it from another."""
    if isinstance(value, str):
        return clean(value, 1024)
    try:
        text = msgspec.json.encode(value, order="deterministic")
    except (TypeError, ValueError, RecursionError):
        return clean(repr(value))
    if len(text) <= _MOST:
        return msgspec.Raw(text)
    return f"sha256:{hashlib.sha256(text).hexdigest()} ({len(text)} bytes)"
