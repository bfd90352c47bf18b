"""Search: events of the log by time, tenant, principal, server and outcome."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from stream.decode import decode
from stream.frame import unpack
from stream.log import EVENTS
from stream.sqlite import SqliteLog
from tocsin_audit.event import AuditEvent, items, rfc3339

LIMIT: Final = 1_000
"""Events that one answer holds at most."""
FRAMES: Final = 10_000
"""Frames that one search looks at, up to five million events: some seconds."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for: `since` and `until` bound the event's time in seconds, the rest must be equal where given.

    `principal` is a user, client or agent. With `tenants` only their callers' events are found.
    """

    since: float = 0.0
    until: float = 1e12
    tenant: str | None = None
    principal: str | None = None
    server: str | None = None
    outcome: str | None = None
    id: str | None = None
    limit: int = 100
    tenants: frozenset[str] | None = None


class Answer(msgspec.Struct, frozen=True):
    """The newest events that fit, in the order of the log.

    `frames` were looked at. `more` says that a limit ended the search before everything was; then `back_to` is the
    receipt of the oldest frame that was looked at.
    """

    events: list[dict[str, Any]]
    frames: int
    more: bool
    back_to: str | None = None


def search(
    log: SqliteLog,
    query: Query,
    *,
    frames: int = FRAMES,
    tenant_of: Callable[[AuditEvent], str | None] = lambda event: event.tenant,
) -> Answer:
    """Look through the log from its end, at most so many frames; raises DamagedError where one cannot be read.

    `tenant_of` says whose an event is for the query's `tenants`; where the event itself names another it is nobody's.
    """
    found: list[dict[str, Any]] = []
    limit = min(query.limit, LIMIT)
    looked, oldest = 0, ""
    for record in log.within(EVENTS, query.since, query.until, newest_first=True):
        if looked == frames:
            return Answer(found[::-1], looked, True, oldest)
        looked, oldest = looked + 1, rfc3339(record.frame.header.received)
        events = decode(record.frame)
        fitting = [index for index, event in enumerate(events) if matches(event, query)]
        if query.tenants is not None:
            fitting = [at for at in fitting if _within(events[at], query.tenants, tenant_of)]
        if not fitting:
            continue
        lines = unpack(record.frame).split(b"\n")
        for index in reversed(fitting):
            if len(found) == limit:
                return Answer(found[::-1], looked, True, oldest)
            found.append(shown(events[index], lines[index]))
    return Answer(found[::-1], looked, False)


def matches(event: AuditEvent, query: Query) -> bool:
    """Whether an event is what is looked for."""
    return (
        query.since <= event.time < query.until
        and (query.tenant is None or event.tenant == query.tenant)
        and (query.principal is None or query.principal in (event.user, event.client, event.agent))
        and (query.server is None or event.server == query.server)
        and (query.outcome is None or event.outcome == query.outcome)
        and (query.id is None or query.id in (event.id, f"{event.producer}/{event.run}/{event.seq}"))
    )


def _within(event: AuditEvent, tenants: frozenset[str], tenant_of: Callable[[AuditEvent], str | None]) -> bool:
    return tenant_of(event) in tenants and (event.tenant is None or event.tenant in tenants)


def shown(event: AuditEvent, line: bytes) -> dict[str, Any]:
    """An event as people see it: the cleaned fields, times as RFC 3339, and unknown keys of the stored line."""
    record: dict[str, Any] = {}
    for name, value in items(event):
        record[name] = msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value
    record["time"] = rfc3339(event.time)
    record["received"] = rfc3339(event.received)
    stored = msgspec.json.decode(line)
    extra = {key: value for key, value in stored.items() if key not in AuditEvent.__struct_fields__}
    return {**record, **({"unknown": extra} if extra else {})}
