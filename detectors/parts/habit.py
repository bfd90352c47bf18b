"""What an entity is used to: keys seen in good standing, learned hour by hour, forgotten unless renewed."""

from collections.abc import Hashable
from typing import Any, Final

from detectors.parts.distinct import Distinct
from detectors.parts.frozen import AHEAD

TERM: Final = 7 * 86_400
"""Seconds of a term: what was last seen two terms ago is forgotten."""
HOUR: Final = 3_600
SURE: Final = 1_024
"""Texts that are remembered to be known."""


class Habit:
    """Known keys by term, those waiting to count, and those seen in open hours.

    What an hour showed counts from ten minutes after its end, so that every order of arrival sees the same habit.
    """

    __slots__ = ("begin", "end", "hours", "sure", "terms", "waiting")

    def __init__(self) -> None:
        self.terms: dict[int, Distinct] = {}
        self.waiting: list[tuple[float, Distinct]] = []
        self.hours: dict[int, Distinct] = {}
        # Texts whose keys are known from `begin` to `end`: only saves work, and is not packed.
        self.sure: set[Hashable] = set()
        self.begin = self.end = 0.0

    def meet(self, key: int, time: float, late: bool) -> bool:
        """Note a key in good standing, unless it comes late; whether it is known.

        What is known in the term of the event, or will be from the next settling on, needs no note to be renewed.
        """
        term = int(time) // TERM
        held = self.terms.get(term)
        if held is not None and key in held:
            return True
        for since, keys in self.waiting:
            if since <= time and key in keys:
                return True
        if not late:
            hour = int(time) // HOUR
            seen = self.hours.get(hour)
            if seen is None:
                seen = self.hours[hour] = Distinct()
            seen.add(key)
        held = self.terms.get(term - 1)
        return held is not None and key in held

    def trust(self, text: Hashable, key: int, time: float) -> None:
        """Remember that what a text stands for is known, where it stays so for the rest of the term of an event time.

        From then on `text in sure and begin <= time < end` says so without a key.
        """
        term = int(time) // TERM
        held = self.terms.get(term)
        begin = float(term * TERM)
        if held is None or key not in held:
            begin = min((since for since, keys in self.waiting if since <= time and key in keys), default=0.0)
            if begin < term * TERM:
                return
        if self.end != (term + 1) * TERM or len(self.sure) >= SURE:
            self.sure = set()
            self.begin, self.end = begin, (term + 1.0) * TERM
        self.begin = max(self.begin, begin)
        self.sure.add(text)

    def knows(self, key: int, time: float) -> bool:
        """Whether a key is known at an event time."""
        term = int(time) // TERM
        terms = self.terms
        if term in terms and key in terms[term]:
            return True
        if term - 1 in terms and key in terms[term - 1]:
            return True
        return any(since <= time and key in keys for since, keys in self.waiting)

    def known(self, time: float) -> Distinct:
        """All keys that are known at an event time."""
        whole = Distinct()
        term = int(time) // TERM
        for one in (term, term - 1):
            if one in self.terms:
                whole.update(self.terms[one])
        for since, keys in self.waiting:
            if since <= time:
                whole.update(keys)
        return whole

    def formed(self, time: float) -> bool:
        """Whether anything at all is known at an event time."""
        term = int(time) // TERM
        return (
            term in self.terms or term - 1 in self.terms or any(since <= time and keys for since, keys in self.waiting)
        )

    def see(self, key: int, time: float) -> None:
        """Note a key in good standing in its open hour."""
        hour = int(time) // HOUR
        seen = self.hours.get(hour)
        if seen is None:
            seen = self.hours[hour] = Distinct()
        seen.add(key)

    def fold(self, keys: Distinct, time: float) -> None:
        """Note keys in good standing in the open hour of a time."""
        hour = int(time) // HOUR
        seen = self.hours.get(hour)
        if seen is None:
            seen = self.hours[hour] = Distinct()
        seen.update(keys)

    def settle(self, end: float, barred: Distinct | None = None) -> None:
        """Learn from the hour that ends here, but not the barred keys: what was flagged is not learned."""
        if self.sure and self.begin > self.end - TERM:
            # Some were waiting, and now move to a term.
            self.sure = set()
            self.begin = self.end = 0.0
        due = [keys for since, keys in self.waiting if since <= end]
        if due:
            term = int(end) // TERM
            held = self.terms.get(term)
            if held is None:
                held = self.terms[term] = Distinct()
            for keys in due:
                held.update(keys)
            self.waiting = [(since, keys) for since, keys in self.waiting if since > end]
        closed = int(end) // HOUR
        for hour in sorted(one for one in self.hours if one < closed):
            seen = self.hours.pop(hour)
            if barred and not seen.bits:
                seen = Distinct(key for key in seen.keys if key not in barred)
            if seen:
                self.waiting.append((end + AHEAD, seen))
        for term in [one for one in self.terms if one < int(end) // TERM - 2]:
            del self.terms[term]

    def update(self, other: "Habit") -> None:
        """Fold in what another saw in its open hours."""
        for hour, seen in other.hours.items():
            mine = self.hours.get(hour)
            if mine is None:
                mine = self.hours[hour] = Distinct()
            mine.update(seen)

    def __bool__(self) -> bool:
        return bool(self.terms or self.waiting or self.hours)

    def pack(self) -> Any:
        """Nothing where nothing was seen, else terms, waiting keys and open hours."""
        if not self:
            return None
        return [
            [[term, self.terms[term].pack()] for term in sorted(self.terms)],
            [[since, keys.pack()] for since, keys in self.waiting],
            [[hour, self.hours[hour].pack()] for hour in sorted(self.hours)],
        ]

    @classmethod
    def unpack(cls, packed: Any) -> "Habit":
        """The part that `pack` wrote."""
        made = cls()
        if packed is not None:
            made.terms = {term: Distinct.unpack(keys) for term, keys in packed[0]}
            made.waiting = [(since, Distinct.unpack(keys)) for since, keys in packed[1]]
            made.hours = {hour: Distinct.unpack(keys) for hour, keys in packed[2]}
        return made
