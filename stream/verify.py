"""Proof that the log is what was written: every file read without its lock, every link of the chain worked out again.

What the chain alone cannot show is an end that was cut off and tidied up: that takes a head that was kept elsewhere.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from stream.errors import DamagedError, StorageError
from stream.log import EVENTS, FINDINGS
from stream.sqlite import DAY_PATTERN, EVENTS_FOLDER, FINDINGS_FILE
from stream.sqlite_file import explain, readable
from stream.sqlite_frames import START, Row, Start, check, end, rows, start

BATCH: Final = 256
"""Frames that are read at once, so that a running Tocsin is never held up."""

Progress = Callable[[Path, int], None]
"""Hears the file being read and how many of its frames are good so far."""


class Fault(NamedTuple):
    """The first place that is not what was written: the file, the first offset that is not good, and what differs."""

    file: Path
    offset: int
    what: str


class Chain(NamedTuple):
    """What became of one stream's chain.

    `frames` are good in a row from offset `first` on, `removed` of them without payload and saying why; `head` is the
    digest that the next frame would be chained to. `first` is above 0 where retention took earlier files away.
    """

    stream: str
    files: int
    frames: int
    removed: int
    first: int
    head: bytes
    fault: Fault | None


def verify_chain(data_dir: Path, *, progress: Progress | None = None) -> list[Chain]:
    """Check the chains of events and of findings, each up to its first fault; nothing is written.

    Raises StorageError where there is no log.
    """
    events = sorted((data_dir / EVENTS_FOLDER).glob(DAY_PATTERN))
    findings = sorted(data_dir.glob(FINDINGS_FILE))
    if not events and not findings:
        raise StorageError("there is no log here", where=str(data_dir), hint="name the data directory with --data")
    return [_verify(EVENTS.name, events, progress), _verify(FINDINGS.name, findings, progress)]


class _Walk:
    """Goes along one chain."""

    def __init__(self, stream: str, progress: Progress | None) -> None:
        self.stream = stream
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
            check(row, self.head, path)
            self.head = row.chain
            self.next += 1
            self.frames += 1
            self.removed += row.payload is None
            good += 1
            if self._progress is not None and good % BATCH == 0:
                self._progress(path, good)
        end(connection, path, begin)
        if self._progress is not None:
            self._progress(path, good)
        return None

    def _joins(self, begin: Start) -> str | None:
        if begin.stream != self.stream:
            return f"the file holds {begin.stream!r}, not {self.stream!r}"
        if self.first < 0:
            self.first = self.next = begin.first
            self.head = begin.previous
            return None if begin.first or begin.previous == START else "the first frame of all is chained to another"
        if begin.first != self.next:
            return f"the file should begin at offset {self.next}: frames or a whole file are missing between"
        if begin.previous != self.head:
            return "the file is not chained to the end of the one before"
        return None


def _verify(stream: str, files: list[Path], progress: Progress | None) -> Chain:
    walk = _Walk(stream, progress)
    fault: Fault | None = None
    for path in files:
        try:
            with closing(_open(path)) as connection:
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


def _open(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, not even beside the file where no write-ahead log is there to be read."""
    wal = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    connection.text_factory = readable
    return connection


def _rows(connection: sqlite3.Connection, position: int) -> Iterator[Row]:
    while batch := list(rows(connection, position, BATCH)):
        yield from batch
        position = batch[-1].offset + 1
