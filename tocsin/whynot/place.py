"""Where an event stands in the log: every frame is looked through, and only those that may hold it are decoded."""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from detectors.base import event_id
from stream.decode import decode
from stream.errors import NotThereError, RejectedError
from stream.frame import Record, unpack
from stream.log import EVENTS, Log
from tocsin_audit.event import AuditEvent

AT_ONCE: Final = 256
SHOWN: Final = 20
"""Places of one id that are told."""
LONGEST: Final = 1_024
"""Characters of an id at most."""

Progress = Callable[[float, str], None]
"""Hears the share done, 0 to 1, and what is being done."""


class Place(NamedTuple):
    """One occurrence of an event: its frame, and its line there, counted from 0."""

    record: Record
    line: int

    @property
    def event(self) -> AuditEvent:
        """The event itself, in its form in memory."""
        return decode(self.record.frame)[self.line]


def find(log: Log, end: int, id_: str, progress: Progress) -> list[Place]:
    """Every place of the event with an id, its own or `producer/run/seq`, the first one first.

    Raises NotThereError where the log holds none.
    """
    wanted = id_.strip()
    if not wanted or len(wanted) > LONGEST:
        raise RejectedError("that is no event's id", hint="give the id as `tocsin search` and findings show it")
    # Ids are escaped in JSON in ways that differ by producer: its longest plain piece stands there in any case.
    needle = max(re.findall(r"[A-Za-z0-9._:\-]+", wanted), key=len, default="").encode()
    found: list[Place] = []
    position = 0
    while position < end and (records := log.read(EVENTS, position, limit=AT_ONCE)):
        for record in records:
            if record.frame.header.content == "events" and _may_hold(record, wanted, needle):
                found += [Place(record, line) for line in _indexes(record, wanted)]
        position = records[-1].offset + 1
        progress(min(1.0, position / end), "looking for the event")
        if len(found) >= SHOWN:
            break
    if not found:
        raise NotThereError(
            f"the log holds no event with the id {wanted[:80]!r}",
            hint="check that it was accepted (its producer's spool, `rejected` in the answer of POST /v1/events, "
            "`tocsin search --since 1h`), that this is the right data directory, and that retention has not removed it",
        )
    return found[:SHOWN]


def _may_hold(record: Record, wanted: str, needle: bytes) -> bool:
    """Whether decoding a frame is worth it: ids that Tocsin derived begin with the digest of what was sent."""
    frame = record.frame
    if not needle or (frame.header.digest and wanted.startswith(frame.header.digest[:32])):
        return True
    if frame.decoded is not None or needle in (payload := unpack(frame)):
        return True
    last = wanted.rpartition("/")[2]
    return "/" in wanted and last.isdecimal() and needle.isdigit() and last.encode() in payload


def _indexes(record: Record, wanted: str) -> Sequence[int]:
    return [
        index
        for index, event in enumerate(decode(record.frame))
        if wanted == event.id
        or wanted == event_id(event)
        or (event.seq is not None and wanted == f"{event.producer}/{event.run}/{event.seq}")
    ]
