"""Packed entities by id, in as little memory as Python allows: sorted ids, lengths, and all bytes in one piece."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from detectors.engine.compression import Compression


class Shelf:
    """A mapping of 64-bit ids to bytes, in order of the ids, for some hundred entries: 12 bytes of overhead for each.

    An object for each would take four times that, and a dict of them eight times. Values are kept in the form that
    `compression`, which many shelves may share, makes of them.
    """

    __slots__ = ("_bytes", "_compression", "_ids", "_lengths")

    def __init__(self, compression: Compression) -> None:
        self._compression = compression
        self._ids = array("Q")
        self._lengths = array("I")
        self._bytes = b""

    def __len__(self) -> int:
        return len(self._ids)

    def get(self, identity: int) -> bytes | None:
        """The bytes of an id, None where there are none."""
        kept = self.peek(identity)
        return self._compression.whole(kept) if kept is not None else None

    def peek(self, identity: int) -> bytes | None:
        """As `get`, but in the form that is kept."""
        place = bisect_left(self._ids, identity)
        if place < len(self._ids) and self._ids[place] == identity:
            begin = sum(self._lengths[:place])
            return self._bytes[begin : begin + self._lengths[place]]
        return None

    def put(self, identity: int, value: bytes) -> None:
        """Keep bytes, in place of any that were there."""
        ids, lengths, held = self._ids, self._lengths, self._bytes
        kept = self._compression.small(value)
        place = bisect_left(ids, identity)
        begin = end = sum(lengths[:place])
        if place < len(ids) and ids[place] == identity:
            end += lengths[place]
            lengths[place] = len(kept)
        else:
            ids.insert(place, identity)
            lengths.insert(place, len(kept))
        self._bytes = b"".join((held[:begin], kept, held[end:]))

    def drop(self, identity: int) -> bool:
        """Take the bytes of an id away; whether there were any."""
        place = bisect_left(self._ids, identity)
        if place == len(self._ids) or self._ids[place] != identity:
            return False
        begin = sum(self._lengths[:place])
        self._bytes = self._bytes[:begin] + self._bytes[begin + self._lengths[place] :]
        del self._ids[place]
        del self._lengths[place]
        return True

    def items(self) -> Iterator[tuple[int, bytes]]:
        """Ids with their bytes, in order, as they are now whatever is put or dropped meanwhile."""
        whole = self._compression.whole
        return ((identity, whole(kept)) for identity, kept in self.kept())

    def kept(self) -> Iterator[tuple[int, bytes]]:
        """As `items`, but in the form that is kept."""
        held, ends = self._bytes, list(accumulate(self._lengths, initial=0))
        return ((identity, held[ends[at] : ends[at + 1]]) for at, identity in enumerate(list(self._ids)))
