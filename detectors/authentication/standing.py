"""What a tenant's past says of its sources: whether it has one, and how many guesses an hour one of them makes.

A source nobody knows yet starts from this. It travels as the tenant's peer summary, told once a day has gone by and
again whenever the number changes.
"""

from functools import lru_cache
from typing import Any, Final

from detectors.keys import entity_of
from detectors.parts.usual import Usual
from stream.facts import Facts, group_id

NAME: Final = "failed_auth"
HOUR: Final = 3_600
PAST: Final = 24
"""Hours after its first that a tenant has a past."""
COLD: Final = 0
"""The standing of a guess at a tenant without a past."""


class Past:
    """The first hour of a tenant, the usual number of guesses from its busiest source, and what was told of both."""

    __slots__ = ("first", "peak", "told")

    def __init__(self) -> None:
        self.first = 0
        self.told = 0
        self.peak = Usual()

    def settle(self, end: float, peak: int, flagged: bool) -> None:
        """Learn from the hour that ends here, unless it was out of the ordinary."""
        if not self.first:
            self.first = int(end) // HOUR
        self.peak.settle(end, peak, flagged)

    def summary(self, end: int) -> tuple[int, ...] | None:
        """What is new to be told at the end of an hour."""
        if not self.first or end // HOUR < self.first + PAST:
            return None
        # One more, so that a tenant of which no guess is usual is told from one without a past.
        told = self.peak.at(float(end + HOUR)) + 1
        if told == self.told:
            return None
        self.told = told
        return (told,)

    def __bool__(self) -> bool:
        return bool(self.first)

    def pack(self) -> Any:
        """Nothing where nothing was learned, else the attributes in a fixed order."""
        return [self.first, self.told, self.peak.pack()] if self.first else None

    @classmethod
    def unpack(cls, packed: Any) -> "Past":
        """The part that `pack` wrote."""
        made = cls()
        if packed is not None:
            made.first, made.told = packed[:2]
            made.peak = Usual.unpack(packed[2])
        return made


class Standings:
    """By minute the lowest and the highest standing of what was guessed in it."""

    __slots__ = ("minutes",)

    def __init__(self) -> None:
        self.minutes: dict[int, tuple[int, int]] = {}

    def add(self, minute: int, standing: int) -> bool:
        """Note how a guess in a minute stands; whether its minute now stands otherwise."""
        known = self.minutes.get(minute)
        low, high = known if known is not None else (standing, standing)
        now = min(low, standing), max(high, standing)
        self.minutes[minute] = now
        return now != known

    def update(self, other: "Standings") -> None:
        """Note all that another noted."""
        for minute, (low, high) in other.minutes.items():
            self.add(minute, low)
            self.add(minute, high)

    def lowest(self, end: int) -> int:
        """The lowest standing in the hour that ends with a minute."""
        return min((low for minute, (low, _) in self.minutes.items() if end - 60 < minute <= end), default=COLD)

    def highest(self, end: int) -> int:
        """The highest standing in the hour that ends with a minute."""
        return max((high for minute, (_, high) in self.minutes.items() if end - 60 < minute <= end), default=COLD)

    def forget(self, before: int) -> None:
        """Drop what lies before a minute."""
        for minute in [one for one in self.minutes if one < before]:
            del self.minutes[minute]

    def __bool__(self) -> bool:
        return bool(self.minutes)

    def pack(self) -> Any:
        """The minutes in order, each with its lowest and highest standing."""
        return [[minute, *self.minutes[minute]] for minute in sorted(self.minutes)]

    @classmethod
    def unpack(cls, packed: Any) -> "Standings":
        """The part that `pack` wrote."""
        made = cls()
        made.minutes = {minute: (low, high) for minute, low, high in packed}
        return made


def standing(tenant: str | None, time: float, facts: Facts) -> int:
    """How a guess at a tenant stands: `COLD`, else one more than the guesses an hour usual from one of its sources.

    Only hours that closed long before count, so that no order of arrival sees another standing.
    """
    if tenant is None:
        return COLD
    told = facts.peers(NAME, _group(tenant), HOUR, (int(time) // HOUR - 2) * HOUR)
    return told.values[0] if told is not None else COLD


@lru_cache(maxsize=4096)
def _group(tenant: str) -> int:
    return group_id(entity_of("tenant", tenant, Facts()).key)
