"""The numbers of one run: which were seen, which are missing, since when, and which came after all."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

SPANS: Final = 1_024
"""Stretches of one run that are told apart; beyond it the oldest gap is given up."""
ENOUGH: Final = 30
"""Numbers that must be seen before it can be said whether they run on without gaps."""
SPARSE: Final = 0.3
"""Gaps for each number seen from which on these are no running numbers at all."""


class Span:
    """Consecutive numbers that were seen, and the gap before them: when it showed, and whether it was told."""

    low: int
    high: int
    opened: float
    told: bool

    def __init__(
        self, low: int, high: int, opened: float = 0.0, told: bool = False
    ) -> None:  # one of four plain values
        self.low = low
        self.high = high
        self.opened = opened
        self.told = told


class Numbers:
    """What is known of one run's numbers. Which are missing does not depend on the order in which they came.

    `gaps` counts those that were given up, `lost` the numbers in them.
    """

    spans: list[Span]
    gaps: int
    lost: int

    def __init__(self) -> None:
        self.spans = []
        self.gaps = self.lost = 0

    def see(self, low: int, high: int, clock: float) -> Mapping[float, int]:
        """Numbers `low` to `high` came; by the moment at which a gap showed that was told, how many of it these are."""
        spans = self.spans
        if not spans:
            spans.append(Span(low, high))
            return {}
        last = spans[-1]
        if low == last.high + 1:
            last.high = high
            return {}
        if low > last.high:
            spans.append(Span(low, high, clock))
            self._bound()
            return {}
        return self._fill(low, high, clock)

    def merge(self, other: "Numbers", clock: float) -> Mapping[float, int]:
        """Take in what was seen elsewhere."""
        filled: dict[float, int] = {}
        for span in other.spans:
            for opened, count in self.see(span.low, span.high, clock).items():
                filled[opened] = filled.get(opened, 0) + count
        return filled

    def overdue(self, before: float) -> list[tuple[Span, int]]:
        """The gaps that showed before a moment and were not told, with how many numbers each lacks."""
        found = []
        for earlier, later in zip(self.spans, self.spans[1:], strict=False):
            if not later.told and later.opened < before:
                found.append((later, later.low - earlier.high - 1))
        return found

    def first_open(self) -> float | None:
        """When the oldest gap showed that was not told."""
        return min((span.opened for span in self.spans[1:] if not span.told), default=None)

    def missing(self) -> int:
        """How many numbers are missing now."""
        return sum(later.low - earlier.high - 1 for earlier, later in zip(self.spans, self.spans[1:], strict=False))

    def running(self) -> bool:
        """Whether these are running numbers: some producers number in leaps, and lose nothing by it."""
        seen = sum(span.high - span.low + 1 for span in self.spans) - self.lost
        return seen < ENOUGH or self.gaps + len(self.spans) - 1 <= SPARSE * seen

    def forget(self, before: float) -> None:
        """Give up the gaps that showed before a moment and were told."""
        while len(self.spans) > 1 and self.spans[1].told and self.spans[1].opened < before:
            self._give_up()

    def _fill(self, low: int, high: int, clock: float) -> Mapping[float, int]:
        spans = self.spans
        begin = bisect_left(spans, low - 1, key=_high)
        end = begin
        while end < len(spans) and spans[end].low <= high + 1:
            end += 1
        filled: dict[float, int] = {}
        for place in range(max(1, begin), min(end, len(spans) - 1) + 1):
            span = spans[place]
            came = min(high, span.low - 1) - max(low, spans[place - 1].high + 1) + 1
            if span.told and came > 0:
                filled[span.opened] = filled.get(span.opened, 0) + came
        if begin == end:
            if begin:
                spans.insert(begin, Span(low, high, spans[begin].opened, spans[begin].told))
            else:
                # They come before all that was seen: what lies between was not known to be missing.
                spans[0].opened, spans[0].told = clock, False
                spans.insert(0, Span(low, high))
            self._bound()
        else:
            first = spans[begin]
            merged = Span(min(low, first.low), max(high, spans[end - 1].high), first.opened, first.told)
            spans[begin:end] = [merged]
        return filled

    def _bound(self) -> None:
        if len(self.spans) > SPANS:
            self._give_up()

    def _give_up(self) -> None:
        first = self.spans.pop(0)
        second = self.spans[0]
        self.gaps += 1
        self.lost += second.low - first.high - 1
        second.low, second.opened, second.told = first.low, 0.0, False


def _high(span: Span) -> int:
    return span.high
