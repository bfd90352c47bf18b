"""Shedding under overload: which detectors are shown nothing for a while, so that all others keep up.

What is shed enters the log as a fact, so that a replay leaves out the same, and coverage says what was not looked at.
Detectors of log-ins and of other tenants' data are never among them.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Final

from stream.control import Shed

logger = logging.getLogger("tocsin.learning.shedding")

SHEDDABLE: Final = ("outlier", "novelty")
"""In the order in which they go."""
BOUND: Final = 60.0
"""Seconds of the clock that detection may be behind."""
EASE: Final = 0.25
"""The share of the bound below which one that was shed is taken up again."""
LOOK: Final = 1.0
"""Seconds between two looks."""


def decide(shed: Collection[str], lag: float, there: Collection[str]) -> tuple[str, ...]:
    """What is shed from here on, where detection is `lag` seconds behind: one more, one less, or the same.

    `there` are the detectors that run.
    """
    order = [name for name in SHEDDABLE if name in there]
    count = sum(name in shed for name in order)
    if lag > BOUND:
        count += 1
    elif lag < BOUND * EASE:
        count -= 1
    return tuple(order[: max(0, count)])


class Shedding:
    """Decides each second, once the detectors have obeyed what was decided before; `turn` is that of one worker.

    `lag` says how many seconds detection is behind, None while that cannot be said; `shed` what the detectors obey
    now. `wait` waits, and says whether all ends.
    """

    def __init__(
        self,
        lag: Callable[[], float | None],
        shed: Callable[[], Collection[str]],
        tell: Callable[[Shed], object],
        there: Sequence[str],
        wait: Callable[[float], bool],
    ) -> None:
        self._lag = lag
        self._shed = shed
        self._tell = tell
        self._there = frozenset(there)
        self._wait = wait
        self._told: frozenset[str] | None = None

    def turn(self) -> None:
        """Wait a little, and decide. Raises StorageError."""
        lag = None if self._wait(LOOK) else self._lag()
        if lag is None:
            self._told = None
            return
        shed = frozenset(self._shed())
        if self._told is not None and self._told != shed:
            # What was told stands behind what waits: it counts from there on.
            return
        wanted = decide(shed, lag, self._there)
        if frozenset(wanted) == shed:
            return
        self._tell(Shed(wanted))
        self._told = frozenset(wanted)
        more = len(wanted) > len(shed)
        names = ", ".join(sorted(shed ^ self._told))
        said = "too much waits: a detector is left out" if more else "a detector looks again"
        logger.warning(said, extra={"detectors": names, "behind_seconds": round(lag)})
