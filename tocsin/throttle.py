"""A throttle: so much in so long for each key, in bounded memory."""

from collections import OrderedDict
from typing import Final

KEYS: Final = 10_000
"""Keys remembered at most; beyond it those longest unused are forgotten."""


class Throttle:
    """Buckets that fill evenly: `most` at once, and as many again in `seconds`. Time is an argument, in seconds."""

    def __init__(self, most: int, seconds: float, *, keys: int = KEYS) -> None:
        self._most = float(most)
        self._rate = most / seconds
        self._keys = keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, key: str, now: float) -> bool:
        """Take one; false where nothing is left."""
        left = self._left(key, now)
        if left < 1.0:
            return False
        self._buckets[key] = (left - 1.0, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return True

    def wait(self, key: str, now: float) -> float:
        """Seconds until one can be taken; 0 where it can be now."""
        return max(0.0, (1.0 - self._left(key, now)) / self._rate)

    def _left(self, key: str, now: float) -> float:
        left, since = self._buckets.get(key, (self._most, now))
        return min(self._most, left + max(0.0, now - since) * self._rate)
