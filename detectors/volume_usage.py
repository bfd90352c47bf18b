"""What a principal used: open cells of a minute and an hour that hold nothing but sums, sets and maxima.

Distinct things are counted by linear counting (Whang, Vander-Zanden and Taylor 1990) in 496 bits an hour: the number of
set bits only grows, in any order of arrival, and adding one costs the same however many there were.
"""

from collections.abc import Sequence
from math import log
from typing import Any, Final

CALLS: Final = 0
BYTES: Final = 1
ROWS: Final = 2
MINUTES: Final = 3
"""Minutes in which there was anything: what long tasks of many calls do not inflate."""
RESOURCES: Final = 4
MEASURES: Final = 5
NAMES: Final = ("calls", "bytes", "rows", "active minutes", "distinct resources")

WORD: Final = 62
WORDS: Final = 8
BITS: Final = WORD * WORDS
NEVER: Final = 1 << 62
"""A gate that no amount passes."""
EVIDENCE: Final = 20


class Hour:
    """One hour of one principal.

    `gates` are the amounts from which `step` looks closer: four of the hour, three of five minutes, and from which
    evidence is kept: calls of the hour, bytes of one answer. `late` sums what came after the lateness: it counts, but
    is never learned. `unsized` calls have a capped or absent size; `group` is the smallest `group_id` that was seen.
    """

    __slots__ = (  # noqa: RUF023  # what a closed hour still holds stands first, so that its packed form is short
        "calls",
        "size",
        "rows",
        "minutes",
        "spots",
        "unsized",
        "flagged",
        "told",
        "group",
        "late",
        "tools",
        "ids",
        "client",
        "gates",
        "words",
    )

    def __init__(self, gates: list[int]) -> None:
        self.calls = 0
        self.size = 0
        self.rows = 0
        self.minutes = 0
        self.spots = 0
        self.unsized = 0
        self.tools = 0
        self.group = 0
        self.told = 0
        self.flagged = 0
        self.client = ""
        self.gates = gates
        self.late: list[int] = []
        self.words: list[int] = [0] * WORDS
        self.ids: list[str] = []

    def amounts(self) -> tuple[int, ...]:
        """Calls, bytes, rows, active minutes and distinct resources."""
        return self.calls, self.size, self.rows, self.minutes, distinct(self.spots)

    def learnable(self) -> tuple[int, ...]:
        """The same without what came late, and without bytes where a size is unknown."""
        if not self.late:
            return self.calls, 0 if self.unsized else self.size, self.rows, self.minutes, distinct(self.spots)
        calls, size, rows = self.late
        size = 0 if self.unsized else max(0, self.size - size)
        calls = self.calls - calls
        return calls, size, self.rows - rows, min(self.minutes, calls), min(distinct(self.spots), calls)

    def close(self, group: int) -> None:
        """The hour is over: nothing more is told apart in it; a group that is known anyway need not be kept."""
        self.words = []
        self.client = ""
        if self.group == group:
            self.group = 0
        if not (self.told or self.flagged):
            self.ids = []

    def shrink(self) -> None:
        """Late events count in the hour but tell nothing any more: what only `step` and texts need goes."""
        self.gates = []
        self.tools = 0
        self.ids = []

    def pack(self) -> list[Any]:
        """The fields in order, without those at the end that hold nothing."""
        values = [getattr(self, name) for name in self.__slots__]
        while values and not values[-1]:
            values.pop()
        return values

    @classmethod
    def unpack(cls, value: Sequence[Any]) -> "Hour":
        """An hour from its packed form; raises ValueError for more fields than there are."""
        if len(value) > len(cls.__slots__):
            raise ValueError(f"an hour has {len(cls.__slots__)} fields, not {len(value)}")
        hour = cls([])
        hour.words = []
        for name, item in zip(cls.__slots__, value, strict=False):
            setattr(hour, name, item)
        return hour


def distinct(spots: int) -> int:
    """How many distinct things have set this many bits, most likely."""
    if spots < 2:
        return spots
    return round(-BITS * log(1 - min(spots, BITS - 0.5) / BITS))


def spots_of(count: float) -> int:
    """How many bits that many distinct things set, on average; more than there are when they cannot be told apart."""
    filled = BITS * (1 - (1 - 1 / BITS) ** min(count, 1e6))
    return NEVER if filled > BITS - 4 else round(filled)
