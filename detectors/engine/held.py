"""What an owner holds back until every partition has come as far: parts in the order of clock, partition and place."""

import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from detectors.engine.partial import LAST, Batch, Layout, Part


class Source(NamedTuple):
    """A part with the partition that sent it, and how its indexes are to be read."""

    input: int
    part: Part
    layout: Layout


class HeldState(msgspec.Struct, array_like=True):
    """By partition the mark and the clock, how many partitions there are, and the parts that wait."""

    marks: list[tuple[int, tuple[int, int]]]
    clocks: list[tuple[int, float]]
    inputs: int
    waiting: list[tuple[int, Part, Layout]]


class Held:
    """The parts that were sent but may still be preceded by others.

    Marks by partition drop what was sent again. What is released does not depend on how the partitions' parts were
    mixed, but for those with the very same clock.
    """

    def __init__(self) -> None:
        self._marks: dict[int, tuple[int, int]] = {}
        self._clocks: dict[int, float] = {}
        self._inputs = 0
        self._waiting: list[tuple[float, int, int, int, int, Source]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def clock(self) -> float:
        """How far every partition has come, in seconds since the epoch; below 0 where not all have said anything."""
        return min(self._clocks.values()) if self._inputs and len(self._clocks) == self._inputs else -1.0

    def add(self, batch: Batch) -> None:
        """Take in what a partition sent, but for what it had sent before."""
        self._inputs = batch.inputs
        mark = self._marks.get(batch.input, (-1, -1))
        for part in batch.parts:
            place = (part.offset, part.ordinal)
            if place > mark:
                mark = place
                self._push(Source(batch.input, part, batch.layout))
        self._marks[batch.input] = mark
        self._clocks[batch.input] = max(self._clocks.get(batch.input, 0.0), batch.clock)

    def ready(self) -> Iterator[Source]:
        """The parts that nothing can precede any more; what is told at a boundary comes before what follows it."""
        clock = self.clock
        while self._waiting and self._waiting[0][0] <= clock:
            yield heapq.heappop(self._waiting)[-1]

    def pack(self) -> HeldState:
        """What a snapshot keeps."""
        waiting = [(source.input, source.part, source.layout) for *_, source in sorted(self._waiting, key=_place)]
        return HeldState(sorted(self._marks.items()), sorted(self._clocks.items()), self._inputs, waiting)

    def unpack(self, state: HeldState) -> None:
        """Become what a snapshot kept."""
        self._marks = dict(state.marks)
        self._clocks = dict(state.clocks)
        self._inputs = state.inputs
        for number, part, layout in state.waiting:
            self._push(Source(number, part, layout))

    def _push(self, source: Source) -> None:
        part = source.part
        rank = 2 if part.ordinal == LAST else 0 if part.heard is None else 1
        heapq.heappush(self._waiting, (part.clock, rank, source.input, part.offset, part.ordinal, source))


def _place(entry: tuple[Any, ...]) -> tuple[Any, ...]:
    return entry[:-1]
