"""Search: events of the log by time, tenant, principal, server, tool, outcome, and what their target contains."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from stream.clean import TEXT
from stream.decode import decode
from stream.frame import Frame, Record, unpack
from stream.index import terms as index_terms
from stream.index.file import FrameIndex
from stream.log import EVENTS, Stream
from stream.narrow import narrowed
from tocsin_audit.event import AuditEvent, items, rfc3339

LIMIT: Final = 1_000
"""Events that one answer holds at most."""
FRAMES: Final = 10_000
"""Frames that one search reads at most, up to five million events; those that the index rules out are not read."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for: `since` and `until` bound the event's time in seconds, the rest must be equal where given.

    `principal` is a user, client or agent, `tool` the whole target, and `text` stands somewhere in the target, letter
    case aside. With `tenants` only their callers' events are found.
    """

    since: float = 0.0
    until: float = 1e12
    tenant: str | None = None
    principal: str | None = None
    server: str | None = None
    tool: str | None = None
    text: str | None = None
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


@dataclass(slots=True)
class Reach:
    """How far a search went; as in `Answer`, and `received` is the receipt of the frame last looked at."""

    frames: int = 0
    more: bool = False
    received: float = 0.0

    @property
    def back_to(self) -> str | None:
        """The receipt of the oldest frame that was looked at, where that was not the last there is."""
        return rfc3339(self.received) if self.more else None


class Searchable(Protocol):
    """A log that can be searched by event time."""

    def within(self, stream: Stream, since: float, until: float, *, newest_first: bool = False) -> Iterator[Record]:
        """Frames with event times in `[since, until)`."""
        ...


class Indexed(Searchable, Protocol):
    """A log whose frames can be had one by one."""

    def at(self, stream: Stream, offsets: Iterator[int]) -> Iterator[Record]:
        """Frames in the order asked for."""
        ...


Whose = Callable[[AuditEvent], str | None]


def said(event: AuditEvent) -> str | None:
    """Whose an event says that it is."""
    return event.tenant


def search(
    log: Searchable,
    query: Query,
    *,
    frames: int = FRAMES,
    tenant_of: Whose = said,
    index: FrameIndex | None = None,
) -> Answer:
    """Look through the log from its end, at most so many frames; raises DamagedError where one cannot be read.

    `tenant_of` says whose an event is for the query's `tenants`; where the event itself names another it is nobody's.
    """
    reach = Reach()
    query = msgspec.structs.replace(query, limit=min(query.limit, LIMIT))
    told = hits(log, query, reach, frames=frames, tenant_of=tenant_of, index=index)
    found = [event for event in told if event is not None]
    return Answer(found[::-1], reach.frames, reach.more, reach.back_to)


def hits(
    log: Searchable,
    query: Query,
    reach: Reach,
    *,
    frames: int = FRAMES,
    tenant_of: Whose = said,
    index: FrameIndex | None = None,
) -> Iterator[dict[str, Any] | None]:
    """The events that fit, the newest first, as they are found, and None after each frame; as `search`.

    `reach` says at any moment how far it went.
    """
    found = 0
    for record in _records(log, query, index):
        if reach.frames == frames:
            reach.more = True
            return
        reach.frames, reach.received = reach.frames + 1, record.frame.header.received
        for event, line in reversed(_fitting(record.frame, query)):
            if query.tenants is not None and not _within(event, query.tenants, tenant_of):
                continue
            if found == query.limit:
                reach.more = True
                return
            found += 1
            yield shown(event, line)
        yield None


def matches(event: AuditEvent, query: Query) -> bool:
    """Whether an event is what is looked for."""
    return (
        query.since <= event.time < query.until
        and (query.tenant is None or event.tenant == query.tenant)
        and (query.principal is None or query.principal in (event.user, event.client, event.agent))
        and (query.server is None or event.server == query.server)
        and (query.tool is None or event.target == query.tool)
        and (query.text is None or query.text.casefold() in (event.target or "").casefold())
        and (query.outcome is None or event.outcome == query.outcome)
        and (query.id is None or query.id in (event.id, f"{event.producer}/{event.run}/{event.seq}"))
    )


def _records(log: Any, query: Query, index: FrameIndex | None) -> Iterator[Record]:
    """The frames that may hold what is looked for, the newest first: those not indexed yet, then the index's."""
    position = index.position if index is not None else 0
    for record in log.within(EVENTS, query.since, query.until, newest_first=True):
        if record.offset < position:
            break
        yield record
    if index is not None and position:
        offsets = index.fitting(query.since, query.until, _terms(query))
        yield from log.at(EVENTS, (offset for offset in offsets if offset < position))


def _terms(query: Query) -> list[str]:
    known = (
        (query.tenant, index_terms.tenant),
        (query.principal, index_terms.principal),
        (query.server, index_terms.server),
        (query.tool, index_terms.target),
    )
    return [term(name) for name, term in known if name is not None] + index_terms.inside(query.text or "")


def _fitting(frame: Frame, query: Query) -> list[tuple[AuditEvent, bytes]]:
    """The events of a frame that fit, with their lines; decodes no more of them than it must."""
    header = frame.header
    if header.content != "events":
        return []
    if (events := frame.decoded) is not None:
        fitting = [at for at, event in enumerate(events) if matches(event, query)]
        lines = unpack(frame).split(b"\n") if fitting else []
        return [(events[at], lines[at]) for at in fitting]
    payload = unpack(frame)
    wanted = _needles(query, header.tenant)
    odd = not _plain(payload)
    if not odd and any(needle not in payload for needle in wanted):
        return []
    lines = payload.split(b"\n")
    maybe = [
        at for at, line in enumerate(lines) if all(needle in line for needle in wanted) or (odd and not _plain(line))
    ]
    if not maybe:
        return []
    own = msgspec.structs.replace(narrowed(header, maybe), codec="none", key_id=None)
    some = decode(Frame(own, b"\n".join([lines[at] for at in maybe])))
    return [(event, lines[at]) for event, at in zip(some, maybe, strict=True) if matches(event, query)]


def _plain(text: bytes) -> bool:
    """Whether what an event says stands in the very letters of its line: nothing is escaped, nothing cleaned away."""
    return text.isascii() and b"\\" not in text and b"\x7f" not in text


def _needles(query: Query, tenant: str | None) -> list[bytes]:
    """What a plain line must hold word for word, where lines that name no tenant are of `tenant`."""
    own = query.tenant if query.tenant != tenant else None
    names = (query.principal, own, query.server, query.tool)
    # What is as long as a text may be was perhaps cut.
    return [name.encode() for name in names if name is not None and name.isascii() and len(name) < TEXT]


def _within(event: AuditEvent, tenants: frozenset[str], tenant_of: Whose) -> bool:
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
