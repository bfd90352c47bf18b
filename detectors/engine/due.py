"""Cells that close: who has to be settled for them, in an order that no hash seed and no restart changes."""

import heapq
from array import array
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from detectors.engine.live import LATENESS
from detectors.engine.table import BUCKET_SHIFT


class Unit(NamedTuple):
    """One settling that may be due: the entity, by its table's rank and its id, and the cell's code in that table."""

    rank: int
    identity: int
    end: int
    seconds: int


class Due:
    """Closing cells by end, length and kind; within a cell entities by id.

    `backlog` counts the settlings that are due. One that an event brought forward is taken off it by `settled` and
    still comes up here; it is the caller's to see that nothing is left to do.
    """

    def __init__(self) -> None:
        self.backlog = 0
        self._open: dict[tuple[int, int, int], dict[int, array[int]]] = {}
        self._order: list[tuple[int, int, int]] = []
        self._closed: deque[tuple[int, int, int]] = deque()
        self._units: Iterator[Unit] | None = None

    def register(self, end: int, seconds: int, rank: int, identity: int) -> None:
        """An entity was touched in a cell, for the first time."""
        key = (end, seconds, rank)
        cell = self._open.get(key)
        if cell is None:
            cell = self._open[key] = {}
            heapq.heappush(self._order, key)
        number = identity >> BUCKET_SHIFT
        bucket = cell.get(number)
        if bucket is None:
            cell[number] = array("Q", (identity,))
        else:
            bucket.append(identity)

    def close(self, clock: float) -> None:
        """Close the cells whose lateness is over."""
        while self._order and self._order[0][0] + LATENESS <= clock:
            key = heapq.heappop(self._order)
            self._closed.append(key)
            self.backlog += sum(map(len, self._open[key].values()))

    def settled(self) -> None:
        """One of the settlings that are due was done."""
        self.backlog -= 1

    def take(self) -> Unit | None:
        """The next settling that may be due, None where there is none."""
        while True:
            if self._units is None:
                if not self._closed:
                    return None
                self._units = self._walk(self._closed.popleft())
            unit = next(self._units, None)
            if unit is not None:
                return unit
            self._units = None

    def _walk(self, key: tuple[int, int, int]) -> Iterator[Unit]:
        end, seconds, rank = key
        buckets = self._open.pop(key)
        for number in sorted(buckets):
            for identity in sorted(buckets.pop(number)):
                yield Unit(rank, identity, end, seconds)
