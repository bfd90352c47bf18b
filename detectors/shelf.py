"""Packed entities by id, in as little memory as Python allows: a sorted array of ids beside a list of bytes."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from detectors.compression import Compression


class Shelf:
    """A mapping of 64-bit ids to bytes, in order of the ids; half the overhead of a dict, for some hundred entries.

    Values are kept in the form that `compression`, which many shelves may share, makes of them.
    """

    __slots__ = ("_compression", "_ids", "_values")

    def __init__(self, compression: Compression) -> None:
        self._compression = compression
        self._ids = array("Q")
        self._values: list[bytes] = []

    def __len__(self) -> int:
        return len(self._values)

    def get(self, identity: int) -> bytes | None:
        """The bytes of an id, None where there are none."""
        kept = self.peek(identity)
        return self._compression.whole(kept) if kept is not None else None

    def peek(self, identity: int) -> bytes | None:
        """As `get`, but in the form that is kept."""
        place = bisect_left(self._ids, identity)
        return self._values[place] if place < len(self._values) and self._ids[place] == identity else None

    def put(self, identity: int, value: bytes) -> None:
        """Keep bytes, in place of any that were there."""
        place = bisect_left(self._ids, identity)
        kept = self._compression.small(value)
        if place < len(self._values) and self._ids[place] == identity:
            self._values[place] = kept
        else:
            self._ids.insert(place, identity)
            self._values.insert(place, kept)

    def pop(self, identity: int) -> bytes | None:
        """Take the bytes of an id away; None where there were none."""
        place = bisect_left(self._ids, identity)
        if place < len(self._values) and self._ids[place] == identity:
            del self._ids[place]
            return self._compression.whole(self._values.pop(place))
        return None

    def items(self) -> Iterator[tuple[int, bytes]]:
        """Ids with their bytes, in order; nothing may be put or taken away meanwhile, but values may be replaced."""
        return zip(self._ids, map(self._compression.whole, self._values), strict=True)

    def kept(self) -> Iterator[tuple[int, bytes]]:
        """As `items`, but in the form that is kept."""
        return zip(self._ids, self._values, strict=True)
