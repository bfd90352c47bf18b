"""Whether the lines of a file stand in the order of their arrival, and lines in order of time where they do not."""

import struct
from collections.abc import Iterable, Iterator
from heapq import merge
from tempfile import TemporaryFile
from typing import IO, Final

from stream.clock import LATENESS

DAY: Final = 26 * 3600.0
"""Seconds behind those before it from which on a line counts nowhere any more (CONTRACTS §1): hardly one arrives so."""
DAYS_BEHIND: Final = 0.001
"""The share of lines that must be so far behind."""
HOURS: Final = 3 * 3600.0
"""The same where it only counts in no minute: what an outage held back arrives so."""
HOURS_BEHIND: Final = 0.1
"""The share of lines that must be so far behind; or the last lines of all, after which nothing is on time again."""
LATE_BEHIND: Final = 0.5
"""The share of lines that must come later than any is waited for: some producer drains so, hardly most of them."""
LEAST: Final = 3
"""Lines that must be behind, so that no single wrong clock makes a file look jumbled."""
HELD: Final = 50_000
"""Lines that are sorted at a time; the rest waits on disk."""

_HEAD: Final = struct.Struct("<dQI")

Numbered = tuple[float, int, bytes]
"""A line with the time of its event and its number."""


class Order:
    """Judges from the times of a file's lines, or of a sample of them, whether they stand in the order of arrival."""

    __slots__ = ("_days", "_hours", "_last", "_late", "_latest", "_next", "_seen")

    def __init__(self) -> None:
        self._seen = self._days = self._hours = self._late = self._last = 0
        # The second largest time counts: one event from the future moves nothing.
        self._latest = self._next = float("-inf")

    def see(self, time: float) -> None:
        """Take the time of the next line, in seconds since the epoch."""
        self._seen += 1
        if time > self._latest:
            self._latest, self._next = time, self._latest
        elif time > self._next:
            self._next = time
        if time >= self._next - LATENESS:
            self._last = 0
            return
        self._late += 1
        if time >= self._next - HOURS:
            self._last = 0
            return
        self._last += 1
        self._hours += 1
        self._days += time < self._next - DAY

    def jumbled(self) -> bool:
        """Whether so many lines lie so far behind that they cannot have arrived in this order."""
        return (
            self._last >= LEAST
            or (self._days >= LEAST and self._days >= self._seen * DAYS_BEHIND)
            or (self._hours >= LEAST and self._hours >= self._seen * HOURS_BEHIND)
            or (self._late >= LEAST and self._late >= self._seen * LATE_BEHIND)
        )


def by_time(lines: Iterable[Numbered], held: int = HELD) -> Iterator[Numbered]:
    """The lines in order of time, those of one time as they stood; holds `held` of them in memory."""
    runs: list[IO[bytes]] = []
    part: list[Numbered] = []
    try:
        for line in lines:
            part.append(line)
            if len(part) == held:
                runs.append(_spilled(sorted(part, key=_place)))
                part = []
        yield from merge(*map(_read, runs), sorted(part, key=_place), key=_place)
    finally:
        for run in runs:
            run.close()


def _place(line: Numbered) -> tuple[float, int]:
    return line[0], line[1]


def _spilled(lines: Iterable[Numbered]) -> IO[bytes]:
    file = TemporaryFile()  # noqa: SIM115  # read and closed by the merge that follows
    for time, number, line in lines:
        file.write(_HEAD.pack(time, number, len(line)) + line)
    file.seek(0)
    return file


def _read(file: IO[bytes]) -> Iterator[Numbered]:
    while head := file.read(_HEAD.size):
        time, number, size = _HEAD.unpack(head)
        yield time, number, file.read(size)
