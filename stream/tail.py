"""The newest frames of a stream, kept so that a reader that keeps up neither reads nor decodes them again."""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from stream.frame import Record

FRAMES: Final = 256
BYTES: Final = 64 * 1024 * 1024
"""Payload bytes that are kept at most."""
DECODED: Final = 96
"""Frames whose decoded events and lines are kept at most."""


class Tail:
    """Consecutive records up to the end of a stream."""

    def __init__(self) -> None:
        self._records: deque[Record] = deque()
        self._size = 0

    def extend(self, records: Sequence[Record]) -> None:
        """Add the records that follow; what does not follow starts anew."""
        if self._records and records and records[0].offset != self._records[-1].offset + 1:
            self.clear()
        for record in records:
            self._records.append(record)
            self._size += len(record.frame.payload)
        while self._records and (len(self._records) > FRAMES or self._size > BYTES):
            self._size -= len(self._records.popleft().frame.payload)
        # All but the newest, since a reader that lags behind may have decoded any of them again.
        for record in islice(self._records, max(len(self._records) - DECODED, 0)):
            record.frame.decoded = record.frame.lines = None

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._size = 0

    def since(self, position: int, limit: int) -> list[Record] | None:
        """The records from a position on, at most `limit`; None where the position is older than what is kept."""
        if not self._records or position < self._records[0].offset:
            return None
        begin = position - self._records[0].offset
        return list(islice(self._records, begin, begin + limit))
