"""Search: events of the log by time, tenant, principal, server and outcome."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from stream.decode import decode
from stream.frame import Record, unpack
from stream.log import EVENTS, Log
from tocsin_audit.event import AuditEvent, items, rfc3339

LIMIT: Final = 1_000
"""Events that one answer holds at most."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for: `since` and `until` bound the event's time in seconds, the rest must be equal where given.

    `principal` is a user, client or agent.
    """

    since: float = 0.0
    until: float = 1e12
    tenant: str | None = None
    principal: str | None = None
    server: str | None = None
    outcome: str | None = None
    id: str | None = None
    limit: int = 100


class Answer(msgspec.Struct, frozen=True):
    """The first events that fit, in the order of the log; `more` says that the limit cut them off."""

    events: list[dict[str, Any]]
    frames: int
    more: bool


def search(log: Log, query: Query, *, end: int) -> Answer:
    """Look through the log up to an offset; raises DamagedError where a frame cannot be read."""
    found: list[dict[str, Any]] = []
    frames = 0
    limit = min(query.limit, LIMIT)
    for record in _records(log, end):
        header = record.frame.header
        if header.content != "events" or header.last < query.since or header.first >= query.until:
            continue
        frames += 1
        events = decode(record.frame)
        lines: list[bytes] | None = None
        for index, event in enumerate(events):
            if not matches(event, query):
                continue
            if len(found) == limit:
                return Answer(found, frames, more=True)
            if lines is None:
                lines = unpack(record.frame).split(b"\n")
            found.append(shown(event, lines[index]))
    return Answer(found, frames, more=False)


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


def _records(log: Log, end: int) -> Iterator[Record]:
    position = 0
    while position < end and (records := log.read(EVENTS, position)):
        for record in records:
            if record.offset >= end:
                return
            yield record
        position = records[-1].offset + 1
