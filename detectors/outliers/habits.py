"""What a principal does in an hour, and how that differs from what it usually does: the features of `outlier`.

All are whole numbers in 1/256 octave, centred on the principal's own mean, so that a model holds for small and large
alike. Means change only when an hour closes.
"""

from collections.abc import Sequence
from math import log2
from typing import Final

from detectors.parts.quantised import OCTAVE

HOUR: Final = 3_600
CALLS: Final = 0
BYTES: Final = 1
ROWS: Final = 2
FAILED: Final = 3
DENIED: Final = 4
WRITES: Final = 5
TOOLS: Final = 6
COUNTS: Final = 7
FEATURES: Final = (
    "calls",
    "bytes",
    "rows",
    "tools",
    "rejected",
    "denied or not found",
    "writes",
    "rows a call",
    "hour",
)
UNUSUAL_HOUR: Final = len(FEATURES) - 1
GAIN: Final = 60
"""Active hours over which a mean forgets."""
CLOCK: Final = 200
"""Active hours at one hour of the day after which all 24 are halved."""
MOST: Final = 16 * OCTAVE


class Habits:
    """One principal: open hours as counts, and what it usually does.

    `mean` are its features' means, `seen` the active hours behind them, `clock` in how many of these it was active at
    each hour of the day.
    """

    hours: dict[int, list[int]]
    mean: list[int]
    seen: int
    clock: list[int]

    def __init__(self) -> None:
        self.hours = {}
        self.mean = []
        self.seen = 0
        self.clock = []


def raw(cell: Sequence[int]) -> list[int]:
    """An hour's amounts as logarithms."""
    amounts = (
        cell[CALLS],
        cell[BYTES],
        cell[ROWS],
        cell[TOOLS].bit_count(),
        cell[FAILED],
        cell[DENIED],
        cell[WRITES],
        cell[ROWS] / cell[CALLS] if cell[CALLS] else 0.0,
    )
    return [round(OCTAVE * log2(1 + amount)) for amount in amounts]


def features(state: Habits, cell: Sequence[int], hour: int) -> list[int]:
    """How an hour differs from the principal's usual, and how unusual its time of day is."""
    values = raw(cell)
    if state.mean:
        values = [max(-MOST, min(MOST, value - mean)) for value, mean in zip(values, state.mean, strict=True)]
    else:
        values = [0] * len(values)
    return [*values, unusual(state, hour)]


def unusual(state: Habits, hour: int) -> int:
    """How rarely the principal is active at this hour of the day and the two around it."""
    clock = state.clock
    if not clock:
        return 0
    at = hour % 24
    near = clock[at] + (clock[at - 1] + clock[(at + 1) % 24]) / 2
    return round(-OCTAVE * log2((near + 0.5) / (sum(clock) + 6)))


def learn(state: Habits, cell: Sequence[int], hour: int) -> None:
    """An hour has closed: the means move towards it, and its time of day becomes more usual."""
    values = raw(cell)
    if not state.mean:
        state.mean, state.clock = values, [0] * 24
    else:
        weight = min(state.seen + 1, GAIN)
        state.mean = [mean + (value - mean) // weight for value, mean in zip(values, state.mean, strict=True)]
    state.seen = min(state.seen + 1, 65_535)
    state.clock[hour % 24] += 1
    if state.clock[hour % 24] > CLOCK:
        state.clock = [active // 2 for active in state.clock]
