"""What one request, one key and all together may take."""

from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the listener: bytes, lines, seconds.

    `body` holds before and after decompression. `in_flight` is what all requests under way may hold together, and one
    key at most half of it. `polls` are long polls under way. `key_rate` is what one key may bring in bytes a second,
    after decompression and on average over ten seconds; 0 is any.
    """

    body: int = 16 * MIB
    line: int = 256 * 1024
    lines: int = 20_000
    read_seconds: float = 30.0
    in_flight: int = 128 * MIB
    poll_seconds: float = 60.0
    polls: int = 4096
    key_rate: int = 0


class InFlight:
    """The bytes that requests under way hold; used by one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all = 0
        self._by_key: Counter[str] = Counter()

    @property
    def size(self) -> int:
        """The bytes that are held now."""
        return self._all

    def claim(self, key: str, size: int) -> Literal["ok", "key", "all"]:
        """Count bytes for a key; `key` or `all` says whose share is used up, and nothing is counted."""
        if self._all + size > self._most:
            return "all"
        if (self._by_key[key] + size) * 2 > self._most:
            return "key"
        self._all += size
        self._by_key[key] += size
        return "ok"

    def release(self, key: str, size: int) -> None:
        """Give bytes back."""
        self._all -= size
        self._by_key[key] -= size
        if not self._by_key[key]:
            del self._by_key[key]
