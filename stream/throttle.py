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

    def spend(self, key: str, now: float, amount: float = 1.0) -> bool:
        """Take so much; false where less is left. More than fits at once is taken from a full bucket, as a debt."""
        left = self._left(key, now)
        if left < min(amount, self._most):
            return False
        self._buckets[key] = (left - amount, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._keys:
            self._buckets.popitem(last=False)
        return True

    def wait(self, key: str, now: float, amount: float = 1.0) -> float:
        """Seconds until so much can be taken; 0 where it can be now."""
        return max(0.0, (min(amount, self._most) - self._left(key, now)) / self._rate)

    def _left(self, key: str, now: float) -> float:
        left, since = self._buckets.get(key, (self._most, now))
        return min(self._most, left + max(0.0, now - since) * self._rate)
