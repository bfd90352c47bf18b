"""Open minutes of one principal: calls, bytes and rows of each, in one flat array in order of time."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final

WINDOW: Final = 5
"""Minutes of the short window that a burst is looked for in."""
MOST: Final = (1 << 62) - 1
"""Where sums stop growing."""
_WIDTH: Final = 4


class Minutes:
    """Sums by minute since the epoch; only minutes with events exist. Equal whatever order events came in."""

    __slots__ = ("cells",)

    def __init__(self, cells: Sequence[int] = ()) -> None:
        self.cells = array("q", cells)

    def add(self, minute: int, calls: int, size: int, rows: int) -> bool:
        """Add to a minute; whether it was empty before."""
        cells = self.cells
        if not cells or cells[-_WIDTH] < minute:
            cells.extend((minute, calls, size, rows))
            return True
        place = self._place(minute)
        if cells[place] != minute:
            cells[place:place] = array("q", (minute, calls, size, rows))
            return True
        cells[place + 1] += calls
        cells[place + 2] = min(MOST, cells[place + 2] + size)
        cells[place + 3] = min(MOST, cells[place + 3] + rows)
        return False

    def __contains__(self, minute: int) -> bool:
        cells = self.cells
        place = self._place(minute)
        return place < len(cells) and cells[place] == minute

    def window(self, last: int, width: int = WINDOW) -> tuple[int, int, int, int]:
        """Calls, bytes and rows of the minutes up to this one, and how many of them had any."""
        cells = self.cells
        if not cells:
            return 0, 0, 0, 0
        if cells[-_WIDTH] == last and (len(cells) == _WIDTH or cells[-2 * _WIDTH] <= last - width):
            return cells[-3], cells[-2], cells[-1], 1
        begin, end = self._place(last - width + 1), self._place(last + 1)
        found = cells[begin:end]
        return sum(found[1::4]), sum(found[2::4]), sum(found[3::4]), len(found) // _WIDTH

    def ends(self, minute: int) -> list[int]:
        """The minutes with events at which a window ends that contains this one."""
        cells = self.cells
        return list(cells[self._place(minute) : self._place(minute + WINDOW) : _WIDTH])

    def forget(self, oldest: int) -> None:
        """Drop the minutes before this one."""
        if self.cells and self.cells[0] < oldest:
            del self.cells[: self._place(oldest)]

    def pack(self) -> Any:
        """The flat array, each minute as the distance from the one before."""
        packed = self.cells.tolist()
        for place in range(len(packed) - _WIDTH, 0, -_WIDTH):
            packed[place] -= packed[place - _WIDTH]
        return packed

    @classmethod
    def unpack(cls, packed: Sequence[int]) -> "Minutes":
        """The part that `pack` wrote."""
        cells = list(packed)
        for place in range(_WIDTH, len(cells), _WIDTH):
            cells[place] += cells[place - _WIDTH]
        return cls(cells)

    def _place(self, minute: int) -> int:
        """Where a minute is, or would be."""
        cells = self.cells
        size = len(cells)
        if not size or cells[-_WIDTH] < minute:
            return size
        if cells[-_WIDTH] == minute:
            return size - _WIDTH
        return bisect_left(cells[::_WIDTH], minute) * _WIDTH
