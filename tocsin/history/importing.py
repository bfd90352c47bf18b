"""Import: history goes into a data directory as if it had been received when it happened."""

from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Final, NamedTuple

from collector.enrich import Enricher
from collector.format import Format
from stream.errors import RejectedError
from stream.log import EVENTS
from stream.sqlite import SqliteLog
from tocsin.history.files import Progress, Reading, frames
from tocsin_audit.event import rfc3339

WAITING: Final = 256
"""Frames on their way to the disk at most."""


class Imported(NamedTuple):
    """What an import came to; `first` and `last` are moments of the rebuilt clock."""

    events: int
    bad_lines: int
    frames: int
    first: str
    last: str


def import_history(
    log: SqliteLog,
    files: list[Path],
    form: Format,
    reading: Reading,
    *,
    progress: Progress | None = None,
    enrich: Enricher | None = None,
) -> Imported:
    """Append the files' events with their receipt rebuilt (CONTRACTS §1).

    Raises RejectedError where a file cannot be read, or where the log's clock is past the history's start.
    """
    waiting: deque[Future[int]] = deque()
    first = last = 0.0
    count = 0
    clock = clock_of(log)
    for frame in frames(files, form, reading, imported=True, progress=progress, enrich=enrich):
        received = frame.header.received
        if not count:
            if clock > received:
                raise RejectedError(
                    f"the log's clock ({rfc3339(clock)}) is past the start of this history ({rfc3339(received)})",
                    hint="import history into a new data directory, before the first `tocsin run`, oldest files first",
                )
            first = received
        last = received
        count += 1
        waiting.append(log.append(EVENTS, frame))
        if len(waiting) > WAITING:
            waiting.popleft().result()
    for future in waiting:
        future.result()
    return Imported(reading.good, reading.bad, count, rfc3339(first), rfc3339(last))


def clock_of(log: SqliteLog) -> float:
    """The running maximum of `received` in a log; 0 for an empty one."""
    clock, position, end = 0.0, 0, log.end(EVENTS)
    while position < end and (records := log.read(EVENTS, position, limit=256)):
        clock = max(clock, max(record.frame.header.received for record in records))
        position = records[-1].offset + 1
    return clock
