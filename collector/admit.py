"""Which lines of a body are taken: a verdict on each, by what it says and by what the key may say."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from collector.enrich import NATIVE, Enricher
from collector.format import Reason, RecordError
from collector.formats.native import FORMAT, parse_spoken, spoken
from collector.keys import Key
from collector.vantage import Point
from tocsin_audit.event import AuditEvent

CHUNK: Final = 500
"""Lines that are judged at once."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is not taken, as the reply says it."""

    line: int
    field: str | None
    error: str
    hint: str


@dataclass(slots=True)
class Admitted:
    """The lines that are taken, with their events in memory and their numbers, and those that are not.

    `joined` is all that are taken joined by newlines where that is at hand.
    """

    events: list[AuditEvent] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    joined: bytes | None = None

    def payload(self, part: slice) -> bytes:
        """Some of the lines that are taken, joined by newlines."""
        if self.joined is not None and part.start == 0 and part.stop >= len(self.lines):
            return self.joined
        return b"\n".join(self.lines[part])

    def take(self, events: Sequence[AuditEvent], lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        """Take lines that are good."""
        self.joined = None
        self.events += events
        self.lines += lines
        self.numbers += numbers

    def refuse(self, number: int, error: RecordError) -> None:
        """Reject a line."""
        self.rejected.append(
            Rejected(line=number, field=error.where or None, error=error.what, hint=error.hint),
        )
        self.reasons.append(error.reason)

    def without(self, indexes: Collection[int]) -> None:
        """Leave out lines that were taken."""
        self.joined = None
        gone = set(indexes)
        kept = [index for index in range(len(self.events)) if index not in gone]
        self.events = [self.events[index] for index in kept]
        self.lines = [self.lines[index] for index in kept]
        self.numbers = [self.numbers[index] for index in kept]


def admit(
    into: Admitted,
    lines: Sequence[bytes],
    numbers: Sequence[int],
    key: Key,
    longest: int,
    joined: bytes | None = None,
    *,
    enrich: Enricher | None = None,
    form: str = NATIVE,
) -> None:
    """Judge a chunk of lines, of at most `longest` bytes each, for a key; `joined` as in `Lines`.

    `form` names the format that the source itself wrote.
    """
    point = Point(form, key.id)
    if max(map(len, lines), default=0) <= longest:
        payload = b"\n".join(lines) if joined is None else joined
        events, lines, payload = parse_spoken(payload, lines)
        if events is not None and enrich is not None and (new := enrich(events, lines, point)) is not None:
            events, lines, payload = new.events, new.lines, b"\n".join(new.lines)
        if events is not None and all(outside(event, key) is None for event in _questionable(events, key)):
            first = not into.events
            into.take(events, lines, numbers)
            into.joined = payload if first else None
            return
    for number, line in zip(numbers, lines, strict=True):
        # What is kept is one plain object: nobody who reads it later has to strip it again.
        line = line.strip()
        if not line:
            continue
        try:
            if len(line) > longest:
                raise RecordError(
                    "too_long",
                    f"longer than {longest} bytes",
                    hint="leave out what is large; bodies do not belong here",
                )
            (line,) = spoken((line,))
            (event,) = FORMAT.parse(line)
            if enrich is not None and (new := enrich([event], [line], point)) is not None:
                (event,), (line,) = new
            if (error := outside(event, key)) is not None:
                raise error
        except RecordError as error:
            into.refuse(number, error)
        else:
            into.take([event], [line], [number])


def outside(event: AuditEvent, key: Key) -> RecordError | None:
    """Why a key may not bring an event; None where it may."""
    tenant = event.tenant if event.tenant is not None else key.tenant
    if key.tenants and tenant not in key.tenants:
        return _scope("tenant", tenant, key.tenants)
    if key.servers and event.server not in key.servers:
        return _scope("server", event.server, key.servers)
    if key.producers and event.producer not in key.producers:
        return _scope("producer", event.producer, key.producers)
    return None


def _questionable(events: list[AuditEvent], key: Key) -> Sequence[AuditEvent]:
    """The events that need a look: none for a key that may say everything."""
    if not (key.tenants or key.servers or key.producers):
        return ()
    seen = {(event.tenant, event.server, event.producer): event for event in events}
    return list(seen.values())


def _scope(name: str, value: str | None, allowed: tuple[str, ...]) -> RecordError:
    said = f"{name} {value[:100]!r} is" if value is not None else f"no {name} is named, which is"
    names = ", ".join(allowed[:5]) + (", …" if len(allowed) > 5 else "")
    return RecordError("scope", f"{said} outside this key's scope", field=name, hint=f"the key may send for {names}")
