"""Season: how far each hour of the day and each day of the week lies above or below what is typical, in one byte each.

Factors are octaves (binary logarithms) in steps of 1/32 between -4 and +4. The hour's part is of a started logarithm,
log2(amount / typical + 1/2), in which an idle hour is -1 and a typical one 0.58: a plain logarithm of idle hours would
drown everything else (a started log after Tukey 1977). The day's part is of log2(amount / typical + 1/8).
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from math import log2
from typing import Final

from detectors.parts.quantised import clip, dither, nudge

HOUR_START: Final = 0.5
"""What is added to an hour's amount, as a share of the typical active hour."""
DAY_START: Final = 0.125
"""What is added to a day's amount, as a share of the typical active day."""
IDLE_DAY: Final = -3.0
"""The started logarithm of a day on which nothing was done."""
FACTORS: Final = 24 + 7 + 7
STEPS: Final = 32
ZERO: Final = 128
USUAL_DAY: Final = ZERO + round(log2(1 + DAY_START) * STEPS)
"""The factor of a weekday on which a typical total is usual."""
UNKNOWN: Final = bytes([ZERO]) * 31 + bytes([USUAL_DAY]) * 7
MATURE: Final = 14
"""Active days after which an entity's own season is believed rather than its peers'."""

_HOUR_GAIN: Final = 1 / 21
_WEEKDAY_GAIN: Final = 1 / 5
_WINSOR: Final = 2.0
_LOWEST_DAY: Final = -1.0


def weekday(day: int) -> int:
    """The day of the week of a day since the epoch: 0 is Monday."""
    return (day + 3) % 7


def started(amount: float, typical: float, start: float) -> float:
    """The started logarithm of an amount against what is typical, in octaves."""
    return log2(amount / typical + start)


class Season:
    """24 factors of the hour, 7 of the weekday for hours, and 7 of the weekday for days."""

    __slots__ = ("_sums", "factors")

    def __init__(self, factors: bytes = UNKNOWN) -> None:
        self.factors = bytearray(factors)
        self._sums: list[float] = []

    def hour(self, hour: int) -> float:
        """What is expected of an hour since the epoch: the started logarithm against the typical active hour."""
        factors = self.factors
        value = (factors[hour % 24] + factors[24 + weekday(hour // 24)] - 2 * ZERO) / STEPS
        return -1.0 if value < -1.0 else value

    def day(self, day: int) -> float:
        """What is expected of a day since the epoch, no lower than half a typical active day."""
        return max(_LOWEST_DAY, (self.factors[31 + weekday(day)] - ZERO) / STEPS)

    def usual_day(self) -> float:
        """The mean factor of the weekdays on which something is done: that of a typical active day."""
        active = [factor for factor in self.factors[31:] if factor >= ZERO - STEPS]
        return (sum(active) / len(active) - ZERO) / STEPS if active else log2(1 + DAY_START)

    def trailing(self, hour: int, hours: int) -> float:
        """What is expected of some hours that end with this one, as a share of a typical day's total."""
        sums = self._sums
        if not sums:
            sums = self._sums = [0.0, *accumulate(_WEIGHTS[factor] for factor in self.factors[:24])]
        total = 0.0
        first = hour - hours + 1
        for day in range(first // 24, hour // 24 + 1):
            part = sums[min(24, hour - day * 24 + 1)] - sums[max(first - day * 24, 0)]
            total += part / sums[24] * max(0.05, 2 ** self.day(day) - DAY_START)
        return total

    def learn(self, day: int, hours: Sequence[float | None], total: float | None, days: int) -> None:
        """Learn one day: its 24 started logarithms and that of its total, None where not to be learned from.

        `days` is how many were learned before: the first ones weigh as in a mean, later ones fade.
        """
        factors = self.factors
        self._sums = []
        column = weekday(day)
        weeks = days // 7
        rest: list[float] = []
        gain = max(1 / (days + 1), _HOUR_GAIN)
        bound = _WINSOR if days >= MATURE else 2 * _WINSOR
        salts = _salts(day)
        shifted = factors[24 + column] - 2 * ZERO
        for hour, value in enumerate(hours):
            if value is None:
                continue
            known = factors[hour]
            deviation = value - (known + shifted) / STEPS
            if not -bound <= deviation <= bound:
                deviation = clip(deviation, -bound, bound)
            rest.append(deviation)
            factors[hour] = _byte(nudge(known, deviation, gain, STEPS, salts[hour]))
        if rest and weeks:
            shift = sum(rest) / len(rest)
            gain = max(1 / (weeks + 2), _WEEKDAY_GAIN)
            factors[24 + column] = _byte(nudge(factors[24 + column], shift, gain, STEPS, dither(day, 24)))
        if total is not None:
            deviation = clip(total - (factors[31 + column] - ZERO) / STEPS, -bound, bound)
            gain = max(1 / (weeks + 1.5), _WEEKDAY_GAIN)
            factors[31 + column] = _byte(nudge(factors[31 + column], deviation, gain, STEPS, dither(day, 31)))

    def pack(self) -> bytes:
        """The factors as bytes."""
        return bytes(self.factors)

    @classmethod
    def unpack(cls, value: bytes) -> "Season":
        """A season from its packed form; raises ValueError where it has not as many bytes."""
        if len(value) != FACTORS:
            raise ValueError(f"a season has {FACTORS} factors, not {len(value)}")
        return cls(value)


def even() -> Season:
    """A season without hours: each is as busy as a typical active one."""
    return Season(bytes([ZERO + round(log2(1 + HOUR_START) * STEPS)]) * 24 + UNKNOWN[24:])


_WEIGHTS: Final = tuple(max(0.0, 2 ** ((factor - ZERO) / STEPS) - HOUR_START) + 0.02 for factor in range(256))


@lru_cache(maxsize=64)
def _salts(day: int) -> tuple[float, ...]:
    """The dithers of a day's hours: the same for everybody."""
    return tuple([dither(day, hour) for hour in range(24)])


def _byte(value: int) -> int:
    return 0 if value < 0 else 255 if value > 255 else value
