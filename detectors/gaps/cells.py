"""What one producer did in open cells of time: counts, extents and bitmaps, the same in any order of arrival."""

from collections.abc import Sequence
from typing import Final

from tocsin_audit.event import AuditEvent

RUNS: Final = 256
"""Runs that one cell tells apart."""
BRIEF: Final = 120
"""Seconds below which the life of a run was short."""
RATES: Final = 8
"""Sample rates that one hour tells apart."""


class Extent:
    """How many, and the first and last moment."""

    count: int
    first: float
    last: float

    def __init__(self, count: int, first: float, last: float) -> None:
        self.count = count
        self.first = first
        self.last = last

    def add(self, count: int, first: float, last: float) -> None:
        """There are more."""
        self.count += count
        self.first = min(self.first, first)
        self.last = max(self.last, last)


class Beats:
    """Five minutes: heartbeats by run, who said goodbye, and how far behind receipt the nearest of them was."""

    runs: dict[str, Extent]
    stopped: set[str]
    behind: float | None

    def __init__(self) -> None:
        self.runs = {}
        self.stopped = set()
        self.behind = None

    def add(self, event: AuditEvent) -> None:
        """A heartbeat, or a worker that says goodbye."""
        run = event.run or ""
        if event.kind == "heartbeat":
            _extend(self.runs, run, 1, event.time, event.time)
            behind = event.received - event.time
            self.behind = behind if self.behind is None else min(self.behind, behind)
        elif len(self.stopped) < RUNS:
            self.stopped.add(run)

    def merge(self, other: "Beats") -> None:
        """Take in what was seen elsewhere."""
        for run, extent in sorted(other.runs.items()):
            _extend(self.runs, run, extent.count, extent.first, extent.last)
        self.stopped |= other.stopped
        if other.behind is not None:
            self.behind = other.behind if self.behind is None else min(self.behind, other.behind)

    def interval(self) -> float:
        """The usual seconds between two heartbeats of the run that has most of them; 0 where there are too few."""
        found = [
            (extent.last - extent.first) / (extent.count - 1) for extent in self.runs.values() if extent.count >= 3
        ]
        return min((one for one in found if one > 0), default=0.0)


class Lives:
    """A quarter of an hour: when each run was first and last heard of."""

    runs: dict[str, Extent]

    def __init__(self) -> None:
        self.runs = {}

    def brief(self, run: str) -> bool:
        """Whether a run was, as far as is known, heard of for less than two minutes here."""
        extent = self.runs.get(run)
        return extent is None or extent.last - extent.first < BRIEF

    def add(self, run: str, first: float, last: float) -> None:
        """A run was heard of."""
        _extend(self.runs, run, 1, first, last)

    def merge(self, other: "Lives") -> None:
        """Take in what was seen elsewhere."""
        for run, extent in sorted(other.runs.items()):
            _extend(self.runs, run, extent.count, extent.first, extent.last)


class Hour:
    """An hour: how many events, in which minutes, with which sample rates, and how many from the future."""

    count: int
    minutes: int
    skewed: int
    rates: set[float]

    def __init__(self) -> None:
        self.count = 0
        self.minutes = 0
        self.skewed = 0
        self.rates = set()

    def add(self, events: Sequence[AuditEvent], minutes: Sequence[int], *, skewed: bool) -> None:
        """Events of the hour came, in these minutes since the epoch; `skewed` says whether any may be."""
        self.count += len(events)
        for minute in minutes:
            self.minutes |= 1 << minute % 60
        if skewed:
            self.skewed += [event.skewed for event in events].count(True)
        rates = [event.sample_rate for event in events]
        if 1.0 not in self.rates or rates.count(None) < len(rates):
            self._rate({event.sample_rate for event in events if event.kind == "request"})

    def merge(self, other: "Hour") -> None:
        """Take in what was seen elsewhere."""
        self.count += other.count
        self.minutes |= other.minutes
        self.skewed += other.skewed
        self._rate(other.rates)

    def _rate(self, rates: set[float | None] | set[float]) -> None:
        for rate in rates:
            self.rates.add(round(min(1.0, rate), 6) if rate is not None else 1.0)
        while len(self.rates) > RATES:
            self.rates.remove(max(self.rates))


def _extend(known: dict[str, Extent], run: str, count: int, first: float, last: float) -> None:
    extent = known.get(run)
    if extent is not None:
        extent.add(count, first, last)
    elif len(known) < RUNS:
        known[run] = Extent(count, first, last)
