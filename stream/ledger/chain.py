"""Proof that the log is what was written: every file read without its lock, every link of the chain worked out again.

What the chain alone cannot show is an end that was cut off and tidied up: that takes a head that was kept elsewhere.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from stream.embedded.file import explain
from stream.embedded.frames import START, Row, Start, check, end, rows, start
from stream.errors import DamagedError, StorageError
from stream.ledger.fault import Fault
from stream.ledger.reading import open_read_only
from stream.log import EVENTS, FINDINGS
from stream.sqlite import DAY_PATTERN, EVENTS_FOLDER, FINDINGS_FILE

BATCH: Final = 256
"""Frames that are read at once, so that a running Tocsin is never held up."""

Progress = Callable[[Path, int], None]
"""Hears the file being read and how many of its frames are good so far."""


class Watch(Protocol):
    """Sees each frame of a stream whose chain is good, and says where it is not what it knows of it."""

    def frame(
        self, file: Path, offset: int, header: bytes, digest: bytes, payload: bytes | None, gone: str | None
    ) -> Fault | None:
        """A frame of the stream; its fault."""
        ...

    def away(self, begin: int, end: int) -> bool:
        """Whether it is known that all frames from an offset to before another were taken away."""
        ...

    def line(self, offset: int, header: bytes, payload: bytes | None) -> int | None:
        """Which line of a frame whose chain is not good was changed."""
        ...


class Chain(NamedTuple):
    """What became of one stream's chain.

    `frames` are good in a row from offset `first` on, `removed` of them without payload or some lines, and saying why;
    `head` is the digest that the next frame would be chained to. `first` is above 0 where retention took earlier files
    away.
    """

    stream: str
    files: int
    frames: int
    removed: int
    first: int
    head: bytes
    fault: Fault | None


def verify_chain(
    data_dir: Path, *, progress: Progress | None = None, watches: Mapping[str, Watch] | None = None
) -> list[Chain]:
    """Check the chains of events and of findings, each up to its first fault; nothing is written.

    `watches` see each good frame of the stream of their name. Raises StorageError where there is no log.
    """
    events = sorted((data_dir / EVENTS_FOLDER).glob(DAY_PATTERN))
    findings = sorted(data_dir.glob(FINDINGS_FILE))
    if not events and not findings:
        raise StorageError("there is no log here", where=str(data_dir), hint="name the data directory with --data")
    watching = watches or {}
    return [
        _verify(name, files, progress, watching.get(name))
        for name, files in ((EVENTS.name, events), (FINDINGS.name, findings))
    ]


class _Walk:
    """Goes along one chain."""

    def __init__(self, stream: str, progress: Progress | None, watch: Watch | None) -> None:
        self.stream = stream
        self._watch = watch
        self.files = 0
        self.frames = 0
        self.removed = 0
        self.first = -1
        self.next = 0
        self.head = START
        self._progress = progress

    def file(self, path: Path, connection: sqlite3.Connection) -> Fault | None:
        """Go through a file; its first fault."""
        begin = start(connection, path)
        if begin is None:
            return None
        if (what := self._joins(begin)) is not None:
            return Fault(path, begin.first, what)
        self.files += 1
        good = 0
        for row in _rows(connection, begin.first):
            if row.offset != self.next:
                return Fault(path, self.next, f"the frame is missing; the next one there is {row.offset}")
            if (fault := self._check(row, path)) is not None:
                return fault
            self.head = row.chain
            self.next += 1
            self.frames += 1
            self.removed += row.gone is not None
            good += 1
            if self._progress is not None and good % BATCH == 0:
                self._progress(path, good)
        end(connection, path, begin)
        if self._progress is not None:
            self._progress(path, good)
        return None

    def _check(self, row: Row, path: Path) -> Fault | None:
        try:
            check(row, self.head, path)
        except DamagedError as error:
            line = None
            readable = type(row.header) is bytes and type(row.payload) is bytes and row.gone is None
            if self._watch is not None and readable:
                assert row.payload is not None
                line = self._watch.line(row.offset, row.header, row.payload)
            return Fault(path, row.offset, error.what, line)
        if self._watch is None:
            return None
        return self._watch.frame(path, row.offset, row.header, row.digest, row.payload, row.gone)

    def _joins(self, begin: Start) -> str | None:
        if begin.stream != self.stream:
            return f"the file holds {begin.stream!r}, not {self.stream!r}"
        if self.first < 0:
            self.first = self.next = begin.first
            self.head = begin.previous
            return None if begin.first or begin.previous == START else "the first frame of all is chained to another"
        if begin.first > self.next and self._watch is not None and self._watch.away(self.next, begin.first):
            # What the frames before were chained to stands in the ledger, as each frame does.
            self.next, self.head = begin.first, begin.previous
        if begin.first != self.next:
            return f"the file should begin at offset {self.next}: frames or a whole file are missing between"
        if begin.previous != self.head:
            return "the file is not chained to the end of the one before"
        return None


def _verify(stream: str, files: list[Path], progress: Progress | None, watch: Watch | None) -> Chain:
    walk = _Walk(stream, progress, watch)
    fault: Fault | None = None
    for path in files:
        try:
            with closing(open_read_only(path)) as connection:
                fault = walk.file(path, connection)
        except sqlite3.Error as error:
            cause = explain(error, path)
            if not isinstance(cause, DamagedError):
                raise cause from error
            fault = Fault(path, walk.next, cause.what)
        except DamagedError as error:
            fault = Fault(path, walk.next, error.what)
        if fault is not None:
            break
    return Chain(stream, walk.files, walk.frames, walk.removed, max(walk.first, 0), walk.head, fault)


def _rows(connection: sqlite3.Connection, position: int) -> Iterator[Row]:
    while batch := list(rows(connection, position, BATCH)):
        yield from batch
        position = batch[-1].offset + 1
