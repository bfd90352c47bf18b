"""How many times an hour something usually happens to an entity, and the count that is still usual for it."""

from math import exp, sqrt
from typing import Any, Final

from detectors.parts.frozen import Frozen

HOUR: Final = 3_600
MEMORY: Final = 336
"""Hours after which an old hour weighs 1/e: a fortnight."""
ENOUGH: Final = 24
"""Hours that must have been seen before the quantile counts; until then the shipped floor does."""
TAIL: Final = 0.999
LIMIT: Final = 10_000


class Usual:
    """Mean and mean square of hourly counts, exponentially forgotten, and the quantile that follows from them, frozen.

    Hours in which nothing happened count as zero. Equal to a new one while every count was zero.
    """

    __slots__ = ("bound", "hour", "hours", "mean", "square")

    def __init__(self) -> None:
        self.hours = 0
        self.hour = 0
        self.mean = 0.0
        self.square = 0.0
        self.bound: Frozen[int] = Frozen()

    def at(self, time: float) -> int:
        """The hourly count that is exceeded in one hour of a thousand, 0 while that is not known."""
        return self.bound.at(time) or 0

    def settle(self, end: float, count: int, flagged: bool) -> None:
        """Learn the count of the hour that ends here; what was flagged is not learned."""
        if flagged or (not count and not self.hours):
            return
        hour = int(end) // HOUR
        if hour <= self.hour:
            return
        missed = min(hour - self.hour - 1, 8 * MEMORY) if self.hour else 0
        self.hour = hour
        self.hours = min(self.hours + missed + 1, MEMORY)
        keep = 1.0 - 1.0 / self.hours
        quiet = keep**missed
        self.mean = self.mean * quiet * keep + count * (1.0 - keep)
        self.square = self.square * quiet * keep + count * count * (1.0 - keep)
        if self.mean < 0.01 and not count:
            self.hours, self.hour, self.mean, self.square = 0, 0, 0.0, 0.0
            self.bound.learn(None, end)
        elif self.hours >= ENOUGH:
            self.bound.learn(quantile(self.mean, self.square - self.mean**2), end)

    def __bool__(self) -> bool:
        return bool(self.hours) or self.bound.current is not None or self.bound.previous is not None

    def pack(self) -> Any:
        """Nothing where nothing was learned, else the attributes in a fixed order."""
        bound = self.bound.pack()
        if not self.hours and bound is None:
            return None
        return [self.hours, self.hour, self.mean, self.square, bound]

    @classmethod
    def unpack(cls, packed: Any) -> "Usual":
        """The part that `pack` wrote."""
        made = cls()
        if packed is not None:
            made.hours, made.hour, made.mean, made.square = packed[:4]
            made.bound = Frozen.unpack(packed[4])
        return made


def quantile(mean: float, variance: float, tail: float = TAIL) -> int:
    """The smallest count that a negative binomial of this mean and variance stays within; Poisson where not wider."""
    if mean <= 0.0:
        return 0
    if variance > mean * 1.0001:
        size = mean * mean / (variance - mean)
        share = mean / variance
        mass = share**size
        step = 1.0 - share
    else:
        size = share = step = 0.0
        mass = exp(-mean)
    if mass < 1e-280:
        return min(round(mean + 4.0 * sqrt(max(variance, mean))), LIMIT)
    total = mass
    count = 0
    while total < tail and count < LIMIT:
        count += 1
        mass *= (size + count - 1) / count * step if step else mean / count
        total += mass
    return count
