"""The indexer: reads the events behind everybody else and puts what they can be looked up by into the index."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from stream.decode import decode
from stream.errors import DamagedError
from stream.frame import Record
from stream.index.file import Entry, FrameIndex
from stream.index.terms import terms
from stream.log import EVENTS, Stream

BATCH: Final = 64
"""Frames of one transaction at most."""
ALWAYS: Final = (-1e15, 1e15)
"""The bounds of a frame that no search may pass over."""


class Ended(Protocol):
    """A log that says where it ends."""

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        """As `Log.read`."""
        ...

    def end(self, stream: Stream) -> int:
        """The offset that the next durable frame of a stream will have."""
        ...


class Indexer:
    """Keeps an index of the events of a log; `up_to` is the offset that it stays behind.

    An index that is not of this log (it lies ahead of it, or its last frame is another) begins anew.
    """

    def __init__(self, index: FrameIndex, log: Ended, up_to: Callable[[], int]) -> None:
        self.index = index
        self._log = log
        self._up_to = up_to
        if index.position and not self._fits():
            index.restart()

    def advance(self) -> bool:
        """Take in some frames; whether there were any. One that cannot be read is left for every search to come by."""
        position, until = self.index.position, self._up_to()
        if position >= until:
            return False
        entries: list[Entry] = []
        records = self._read(position, entries)
        received = self.index.received
        for offset, frame in records or ():
            if offset >= until:
                break
            header = frame.header
            position, received = offset + 1, header.received
            if header.content == "events":
                try:
                    entries.append(Entry(offset, header.first, header.last, terms(decode(frame))))
                except DamagedError:
                    entries.append(Entry(offset, *ALWAYS, None))
        if position == self.index.position:
            # What is left up to there is gone, or the one frame there is damaged.
            position = until if records is not None else position + 1
        self.index.put(entries, position, received)
        return True

    def _read(self, position: int, entries: list[Entry]) -> Sequence[Record] | None:
        """Some frames from a position on; None where the first of them cannot be read."""
        try:
            return self._log.read(EVENTS, position, limit=BATCH)
        except DamagedError:
            try:
                return self._log.read(EVENTS, position, limit=1)
            except DamagedError:
                entries.append(Entry(position, *ALWAYS, None))
                return None

    def _fits(self) -> bool:
        try:
            before = self._log.read(EVENTS, self.index.position - 1, limit=1)
        except DamagedError:
            return True
        if not before:
            return self._log.end(EVENTS) >= self.index.position
        offset, frame = before[0]
        return offset != self.index.position - 1 or frame.header.received == self.index.received
