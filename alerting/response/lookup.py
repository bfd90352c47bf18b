"""Finding events of an incident in the log again: those that findings name, and those of whom it is about."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from stream.decode import decode
from stream.finding import Finding
from stream.frame import Record, unpack
from stream.log import EVENTS, Stream
from tocsin_audit.event import AuditEvent

MARGIN: Final = 120.0
"""Seconds around a finding in which its events are looked for: what is late or skewed is a little elsewhere."""
FRAMES: Final = 20_000
"""Frames that one search reads at most, up to ten million events."""


class Searchable(Protocol):
    """A log that can be searched by event time."""

    def within(self, stream: Stream, since: float, until: float, *, newest_first: bool = False) -> Iterator[Record]:
        """Frames with event times in `[since, until)`."""
        ...


class Found(NamedTuple):
    """An event, its line as it was stored, and the place and receipt of its frame."""

    event: AuditEvent
    line: bytes
    offset: int
    received: float


class Hits(NamedTuple):
    """What a search found, and whether a bound ended it before everything was looked at."""

    found: list[Found]
    frames: int
    cut: bool


Progress = Callable[[int, float], None]
"""Hears how many frames were looked at, and the receipt of the last."""


def _silent(_frames: int, _received: float) -> None:
    """Nobody watches."""


def look(
    log: Searchable,
    fits: Callable[[AuditEvent], bool],
    since: float,
    until: float,
    *,
    most: int,
    frames: int = FRAMES,
    newest_first: bool = True,
    progress: Progress = _silent,
) -> Hits:
    """Events that fit with times in `[since, until)`, in the order of the log; at most so many events and frames."""
    found: list[Found] = []
    looked, cut = 0, False
    for record in log.within(EVENTS, since, until, newest_first=newest_first):
        if looked >= frames or len(found) >= most:
            cut = True
            break
        looked += 1
        received = record.frame.header.received
        progress(looked, received)
        if record.frame.header.content != "events":
            continue
        events = decode(record.frame)
        fitting = [at for at, event in enumerate(events) if since <= event.time < until and fits(event)]
        if not fitting:
            continue
        lines = unpack(record.frame).split(b"\n")
        part = [Found(events[at], lines[at], record.offset, received) for at in fitting]
        found += reversed(part) if newest_first else part
    return Hits(found[:most][::-1] if newest_first else found[:most], looked, cut or len(found) > most)


def named(log: Searchable, findings: Sequence[Finding], *, most: int = 500) -> list[Found]:
    """The events that findings name, as far as they are still in the log."""
    ids = {id_ for finding in findings for id_ in finding.event_ids}
    if not ids:
        return []
    since = min(finding.start for finding in findings) - MARGIN
    until = max(max(finding.end, finding.time) for finding in findings) + MARGIN
    hits = look(log, lambda event: is_named(event, ids), since, until, most=min(most, len(ids)))
    return hits.found


def is_named(event: AuditEvent, ids: Any) -> bool:
    """Whether an event has one of these ids, its own or that of its place with its producer."""
    return event.id in ids or (event.seq is not None and f"{event.producer}/{event.run}/{event.seq}" in ids)
