"""Records of several partitions as one sequence, in the order of the clock: the same whoever reads them, and when."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from stream.frame import Record

HELD: Final = 64
"""Frames of one partition that are held while another is waited for; beyond it that partition is not read further."""


class Lane(msgspec.Struct, array_like=True):
    """How far one partition was handed out: the next offset, and its clock there."""

    position: int = 0
    clock: float = 0.0


class Merging:
    """Holds what was read of each partition until every other shows a later clock, so that nothing can precede it.

    An idle partition ticks, so that all of them move on. `lanes` are how far each was handed out: whoever begins there
    anew is given the same again.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes: Final = list(lanes)
        self._held: list[deque[tuple[float, Record]]] = [deque() for _ in lanes]
        self._read = [lane.position for lane in lanes]
        self._shown = [lane.clock for lane in lanes]

    def wants(self, partition: int) -> int | None:
        """The offset from which on a partition is to be read; None while enough of it is held."""
        return self._read[partition] if len(self._held[partition]) < HELD else None

    def add(self, partition: int, records: Sequence[Record]) -> None:
        """Take in what follows in a partition."""
        for record in records:
            self._shown[partition] = max(self._shown[partition], record.frame.header.received)
            self._held[partition].append((self._shown[partition], record))
            self._read[partition] = record.offset + 1

    def ready(self) -> list[Record]:
        """What nothing can precede any more, by clock and partition; it is handed out once."""
        limit = min(self._shown)
        found: list[tuple[float, int, Record]] = []
        for partition, held in enumerate(self._held):
            while held and held[0][0] < limit:
                clock, record = held.popleft()
                found.append((clock, partition, record))
                self.lanes[partition] = Lane(record.offset + 1, clock)
        return [record for _, _, record in sorted(found, key=lambda one: one[:2])]
