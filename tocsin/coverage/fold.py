"""The fold of a log into coverage records: a function of its frames alone, so that a replay gives the same records."""

from collections.abc import Sequence
from typing import Final

import msgspec

from detectors.batch import Batch, batch_in
from detectors.engine.standstill import Standstill
from detectors.engine.state import Codec
from detectors.gaps.numbers import Numbers
from stream.clock import LATENESS
from stream.control import Control
from stream.coverage import SECONDS, Counts, Covered, Gap
from stream.decode import decode
from stream.frame import Record
from tocsin.coverage.counting import Place, add, by_producer, counted, total
from tocsin.coverage.dark import Dark

PATIENCE: Final = LATENESS + 1.0
"""Seconds that a running number may take before it is written down as missing."""
MEMORY: Final = 8 * 86_400.0
"""Seconds for which a missing number is waited for."""
LINES: Final = 20_000
"""Runs whose numbers are followed; beyond it the one that was silent longest is forgotten."""
PLACES: Final = 20_000
"""Producers of one record that are told apart; what is beyond counts as `OTHERS`."""
OTHERS: Final = "others"
GAPS: Final = 5_000
"""Gaps of one record; what is more is written into the next."""


class Line:
    """The running numbers of one run: `last` is the time of the newest event, `around` the times around each gap."""

    source: str
    producer: str
    run: str
    heard: float
    last: float
    numbers: Numbers
    around: dict[str, list[float]]

    def __init__(self, source: str, producer: str, run: str) -> None:
        self.source = source
        self.producer = producer
        self.run = run
        self.heard = self.last = 0.0
        self.numbers = Numbers()
        self.around = {}


class Fold:
    """Takes frames in their order; `take` gives the records that became due. `began` is the clock of the first."""

    def __init__(self) -> None:
        self._clock = 0.0
        self.began = 0.0
        self._cell: int | None = None
        self._counts: dict[Place, Counts] = {}
        self._lines: dict[tuple[str, str, str], Line] = {}
        self._noted: list[Gap] = []
        self._still: list[tuple[float, float]] = []
        self._standstill = Standstill()
        self._dark = Dark()

    @property
    def clock(self) -> float:
        """How far the log's clock is, in seconds since the epoch."""
        return self._clock

    @property
    def missing(self) -> int:
        """Running numbers that are missing now."""
        return sum(line.numbers.missing() for line in self._lines.values() if line.numbers.running())

    def take(self, record: Record, facts: Sequence[Control] = ()) -> list[Covered]:
        """Fold a frame, and the facts that it holds. Raises DamagedError for one that cannot be read."""
        header = record.frame.header
        events = decode(record.frame) if header.content == "events" else []
        self._clock = max(self._clock, header.received)
        self.began = self.began or self._clock
        pause = self._standstill.go_on(self._clock, tick=header.content == "tick")
        if pause is not None:
            self._still.append((pause.start, pause.end))
        for fact in facts:
            self._dark.hear(fact, self._clock)
        closed = self._close()
        if events:
            batch = batch_in(header, events, record.frame.stretch)
            for producer, part in by_producer(batch, header.source):
                for counts in counted(part, header.source, producer):
                    self._add(counts)
                self._number(header.source, producer, part)
            if self._cell is None:
                self._cell = int(min(self._clock, batch.first)) // SECONDS * SECONDS
        return closed

    @property
    def known(self) -> float:
        """Up to when everything was counted that did not come late."""
        return max(0.0, self._clock - PATIENCE) if self._cell is not None else 0.0

    def present(self) -> Covered:
        """What is counted of the stretches that have not closed yet."""
        counts = [total([one], *place) for place, one in sorted(self._counts.items())]
        noted, still = tuple(self._noted), tuple(self._still)
        return Covered(self._cell or 0, self._clock, tuple(counts), noted, still, self._dark.until(self._clock))

    def pack(self) -> bytes:
        """What is open, as bytes."""
        return msgspec.msgpack.encode(
            (
                self._clock,
                self.began,
                self._cell,
                list(self._counts.values()),
                [_LINE.pack(line) for line in self._lines.values()],
                self._noted,
                self._still,
                self._standstill.pack(),
                self._dark.pack(),
            )
        )

    def unpack(self, packed: bytes) -> None:
        """Become what was packed."""
        known: _Packed = msgspec.msgpack.decode(packed, type=_Packed)
        clock, self.began, cell, counts, lines, filled, still, standstill, dark = known
        self._clock, self._cell, self._noted, self._still = clock, cell, filled, still
        self._counts = {(one.start, one.source, one.producer): one for one in counts}
        unpacked = [_LINE.unpack(line) for line in lines]
        self._lines = {(line.source, line.producer, line.run): line for line in unpacked}
        self._standstill.unpack(standstill)
        self._dark.unpack(dark)

    def _close(self) -> list[Covered]:
        found: list[Covered] = []
        while self._cell is not None and self._cell + SECONDS + PATIENCE < self._clock:
            nothing = not (self._counts or self._noted or self._still or self._dark)
            if nothing and (jump := int(self._clock - PATIENCE) // SECONDS * SECONDS) > self._cell + SECONDS:
                # Hours in which nothing came need no record each: the next one says how far the clock is.
                self._cell = jump - SECONDS
            found.append(self._record(self._cell))
            self._cell += SECONDS
        return found

    def _record(self, cell: int) -> Covered:
        due = sorted(place for place in self._counts if place[0] <= cell)
        self._noted[:0] = self._gaps()
        record = Covered(
            cell,
            self._clock,
            tuple(self._counts.pop(place) for place in due),
            tuple(self._noted[:GAPS]),
            tuple(self._still),
            self._dark.written(self._clock),
        )
        self._noted, self._still = self._noted[GAPS:], []
        return record

    def _add(self, counts: Counts) -> None:
        place = (counts.start, counts.source, counts.producer)
        known = self._counts.get(place)
        if known is None and len(self._counts) >= PLACES:
            place = (counts.start, OTHERS, OTHERS)
            known = self._counts.get(place)
        if known is None:
            known = self._counts[place] = Counts(*place, servers={}, tenants={})
        add(known, counts)

    def _number(self, source: str, producer: str, part: Batch) -> None:
        events = part.events
        if part.stretch is not None:
            _, run, low, high = part.stretch
            self._see(source, producer, run, low, high, events[0].time, events[-1].time)
            return
        seqs = [event.seq for event in events]
        if seqs.count(None) == len(seqs):
            return
        for event in events:
            if event.seq is not None:
                self._see(source, producer, event.run or "", event.seq, event.seq, event.time, event.time)

    def _see(self, source: str, producer: str, run: str, low: int, high: int, begin: float, end: float) -> None:
        line = self._lines.get((source, producer, run))
        if line is None:
            if len(self._lines) >= LINES:
                del self._lines[min(self._lines, key=lambda known: (self._lines[known].heard, known))]
            line = self._lines[source, producer, run] = Line(source, producer, run)
        numbers = line.numbers
        top = numbers.spans[-1].high if numbers.spans else low - 1
        came = numbers.see(low, high, self._clock)
        if low > top + 1:
            line.around[repr(self._clock)] = [line.last, begin]
        if came:
            self._noted.append(Gap(source, producer, run, low, high, begin, end, self._clock, filled=True))
        line.heard, line.last = self._clock, max(line.last, end)

    def _gaps(self) -> list[Gap]:
        """The gaps that are written down now, and forgetting those that nobody waits for any more."""
        found: list[Gap] = []
        for key in sorted(self._lines):
            line = self._lines[key]
            if len(line.numbers.spans) < 2:
                line.around.clear()
                continue
            running = line.numbers.running()
            for span, count in line.numbers.overdue(self._clock - PATIENCE):
                span.told = True
                if running:
                    after, before = line.around.get(repr(span.opened), [line.last, line.last])
                    found.append(Gap(*key, span.low - count, span.low - 1, after, before, self._clock))
            line.numbers.forget(self._clock - MEMORY)
            opened = {repr(span.opened) for span in line.numbers.spans[1:]}
            line.around = {moment: times for moment, times in line.around.items() if moment in opened}
        return found


_LINE: Final[Codec[Line]] = Codec(Line)
_Packed = tuple[
    float,
    float,
    int | None,
    list[Counts],
    list[bytes],
    list[Gap],
    list[tuple[float, float]],
    tuple[float, bool, float, bool],
    tuple[dict[str, float], list[tuple[str, float, float]]],
]
