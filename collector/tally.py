"""What each input received, accepted and refused, for the status, the metrics, and one log line a problem."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from collector.admit import Rejected
from collector.intake import Kept

logger = logging.getLogger("tocsin.collector")

QUIET: Final = 3600.0
"""Seconds for which a problem that was told is not told again."""

Told = Callable[[str, int, str], None]


class Tally:
    """The counts of one input; safe to use from any thread."""

    def __init__(self, name: str, clock: Callable[[], float], told: Told | None = None) -> None:
        self.name = name
        self._hears = told
        self.received = self.accepted = self.duplicates = 0
        self.refused: Counter[str] = Counter()
        self._clock = clock
        self._told: dict[str, float] = {}
        self._lock = threading.Lock()

    def took(self, records: int, kept: Kept, rejected: Sequence[Rejected], reasons: Sequence[str]) -> None:
        """Records came in and were dealt with; `rejected` and `reasons` belong together."""
        with self._lock:
            self.received += records
            self.accepted += kept.accepted
            self.duplicates += kept.duplicates
            self.refused.update(reasons)
        for each, reason in zip(rejected, reasons, strict=True):
            if self._new(reason):
                said = f"{each.field}: {each.error}" if each.field else each.error
                self._warn(reason, said, each.hint)

    def refuse(self, reason: str, what: str, hint: str, count: int = 1, *, received: bool = True) -> None:
        """Records could not be used, for a reason; `received` says whether they are counted as received too."""
        with self._lock:
            self.received += count if received else 0
            self.refused[reason] += count
        if self._hears is not None:
            self._hears(reason, count, self.name)
        if self._new(reason):
            self._warn(reason, what, hint)

    def summary(self) -> dict[str, Any]:
        """The counts, for people and machines."""
        with self._lock:
            return {
                "received": self.received,
                "accepted": self.accepted,
                "duplicates": self.duplicates,
                "refused": dict(sorted(self.refused.items())),
            }

    def _new(self, reason: str) -> bool:
        now = self._clock()
        with self._lock:
            before = self._told.get(reason)
            if before is not None and now - before < QUIET:
                return False
            self._told[reason] = now
            return True

    def _warn(self, reason: str, what: str, hint: str) -> None:
        extra = {"input": self.name, "reason": reason, "what": what, "hint": hint, "so_far": self.refused[reason]}
        logger.warning("an input refuses records; those that follow for this reason are only counted", extra=extra)


class Tallies:
    """The tallies of all inputs, by name. `clock` is a monotonic one, in seconds.

    `told` hears what was refused before it was a record: the reason, how many, and by which input.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, told: Told | None = None) -> None:
        self._clock = clock
        self._told = told
        self._tallies: dict[str, Tally] = {}

    def __getitem__(self, name: str) -> Tally:
        if name not in self._tallies:
            self._tallies[name] = Tally(name, self._clock, self._told)
        return self._tallies[name]

    def __iter__(self) -> Iterator[Tally]:
        return iter(list(self._tallies.values()))
