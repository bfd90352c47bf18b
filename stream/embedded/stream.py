"""A stream in SQLite files: one thread writes what queued up while its previous commit ran, any number read."""

import sqlite3
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Final

from stream.crashpoints import crash_point
from stream.embedded import frames as sqlite_frames
from stream.embedded import removal as sqlite_removal
from stream.embedded.file import connect, explained
from stream.embedded.frames import START, End
from stream.embedded.removal import Change
from stream.embedded.wal import Checkpointer, Wal
from stream.errors import StorageError
from stream.frame import HEADER_ENCODER, Frame, Record
from stream.space import Space
from stream.tail import Tail

FRAMES_AT_ONCE: Final = 64
"""Frames of one commit at most."""


class _Waiting:
    """A frame on its way to the disk, and the file that it asks for."""

    __slots__ = ("frame", "future", "header", "name")

    def __init__(self, frame: Frame, header: bytes, name: str) -> None:
        self.frame = frame
        self.header = header
        self.name = name
        self.future: Future[int] = Future()


class SqliteStream:
    """One stream in one folder.

    `names` gives the file name for a frame's `received`; a later name begins a new file, so that names sort in offset
    order. `floor` is the least offset that the stream may go on with, should all its files have been taken away.
    `space` limits what is accepted of events; control records, ticks and findings may use the reserve.
    """

    def __init__(
        self,
        stream: str,
        folder: Path,
        pattern: str,
        names: Callable[[float], str],
        checkpointer: Checkpointer,
        *,
        floor: int = 0,
        space: Space | None = None,
    ) -> None:
        self._stream = stream
        self._folder = folder
        self._names = names
        self._checkpointer = checkpointer
        self._space = space
        self._tail = Tail()
        self._queue: deque[_Waiting] = deque()
        self._closed = False
        self._queued = threading.Condition()
        self._grown = threading.Condition()
        self._connection: sqlite3.Connection | None = None
        self._name = ""
        self._wal = Wal(folder, checkpointer)
        self._firsts: list[int] = []
        self._paths: list[Path] = []
        for path in sorted(folder.glob(pattern)):
            begin = sqlite_frames.begins(path)
            if begin is not None:
                self._firsts.append(begin.first)
                self._paths.append(path)
        self._end = End(floor, START)
        if self._paths:
            self._open_last()
        self._head = self._end.next
        self._thread = threading.Thread(target=self._run, name=f"log {stream}", daemon=True)
        self._thread.start()

    @property
    def next(self) -> int:
        """The offset that the next durable frame will have."""
        return self._head

    def append(self, frame: Frame) -> Future[int]:
        """Queue a frame; the future has its offset once it is durable, or the StorageError that says why it is not."""
        waiting = _Waiting(frame, HEADER_ENCODER.encode(frame.header), self._names(frame.header.received))
        try:
            if self._space is not None and frame.header.content == "events":
                self._space.claim(len(frame.payload))
            with self._queued:
                if self._closed:
                    raise StorageError("the log is closed", where=str(self._folder), hint="open it again")
                self._queue.append(waiting)
                self._queued.notify()
        except StorageError as error:
            waiting.future.set_exception(error)
        return waiting.future

    def read(self, position: int, limit: int, wait: float) -> Sequence[Record]:
        """Durable frames from a position on, in order; waits up to `wait` seconds where there is none."""
        with self._grown:
            if position >= self._head and wait > 0:
                self._grown.wait_for(lambda: self._head > position or self._closed, wait)
            if position >= self._head:
                return ()
            until = self._head
            found = self._tail.since(position, limit)
        return found if found is not None else self._read_files(position, until, limit)

    def within(self, since: float, until: float, *, newest_first: bool) -> Iterator[Record]:
        """Durable frames with event times in `[since, until)`, in order or against it; others stay on the disk."""
        step = -1 if newest_first else 1
        with self._grown:
            paths = list(self._paths)
            head = self._head
        for path in paths[::step]:
            try:
                for begin, end in sqlite_frames.touching(path, since, until)[::step]:
                    for at in range(begin, min(end, head), FRAMES_AT_ONCE)[::step]:
                        yield from _all(path, at, min(at + FRAMES_AT_ONCE, end, head))[::step]
            except FileNotFoundError:
                continue

    def at(self, offsets: Iterable[int]) -> Iterator[Record]:
        """Single frames in the order asked for; those that are gone are left out."""
        with self._grown:
            firsts, paths = list(self._firsts), list(self._paths)
        for place, own in groupby(offsets, key=lambda offset: bisect_right(firsts, offset) - 1):
            if place >= 0:
                try:
                    yield from sqlite_frames.some(paths[place], own)
                except FileNotFoundError:
                    continue

    def files(self) -> list[Path]:
        """The files that there are, in the order of their offsets."""
        with self._grown:
            return list(self._paths)

    def change(self, path: Path, changes: Sequence[Change]) -> None:
        """Take payloads, or lines of them, out of a file; nobody reads them from then on. Raises StorageError."""
        wal = self._wal
        with wal.writing() if path.name == self._name else nullcontext():
            sqlite_removal.change(path, changes)
        with self._grown:
            self._tail.clear()

    def compact(self, path: Path) -> int:
        """Give back the free room of a file; how many bytes. Whoever writes to it waits meanwhile."""
        wal = self._wal
        with wal.writing() if path.name == self._name else nullcontext():
            return sqlite_removal.compact(path)

    def behead(self, path: Path, end: int) -> int:
        """Take the frames before an offset out of a file that is being written to; how many there were."""
        count, more = 0, True
        while more:
            with self._wal.writing():
                more = bool(some := sqlite_removal.behead(path, end))
            count += some
        with self._grown:
            if count and path in self._paths:
                self._firsts[self._paths.index(path)] = end
        return count

    def remove(self, path: Path) -> int:
        """Take a file away that nobody writes to; how many bytes that frees."""
        with self._grown:
            if path in self._paths[:-1]:
                at = self._paths.index(path)
                del self._paths[at], self._firsts[at]
        return sqlite_removal.remove(path)

    def close(self) -> None:
        """Write what is queued, let waiting readers go, close the file."""
        with self._queued:
            self._closed = True
            self._queued.notify()
        self._thread.join()
        with self._grown:
            self._grown.notify_all()
        if self._connection is not None:
            self._checkpointer.put(self._connection.close)
            self._connection = None

    def _read_files(self, position: int, until: int, limit: int) -> list[Record]:
        with self._grown:
            begin = max(bisect_right(self._firsts, position) - 1, 0)
            paths = self._paths[begin:]
        found: list[Record] = []
        for path in paths:
            try:
                found += sqlite_frames.read(path, position, until, limit - len(found))
            except FileNotFoundError:
                # Retention took the whole file away; what came after it is still there.
                continue
            if len(found) >= limit:
                break
        return found

    def _run(self) -> None:
        while True:
            with self._queued:
                while not self._queue and not self._closed:
                    self._queued.wait()
                if not self._queue:
                    return
                taken = [self._queue.popleft() for _ in range(min(len(self._queue), FRAMES_AT_ONCE))]
            batch = [waiting for waiting in taken if waiting.future.set_running_or_notify_cancel()]
            while batch:
                name = max(self._name, batch[0].name)
                later = next((i for i, waiting in enumerate(batch) if waiting.name > name), len(batch))
                self._commit(name, batch[:later])
                batch = batch[later:]

    def _commit(self, name: str, batch: list[_Waiting]) -> None:
        path = self._folder / name
        before = self._end
        try:
            with explained(path):
                connection = self._connection_to(name)
                crash_point("log.before_commit")
                with self._wal.writing():
                    self._end = sqlite_frames.add(connection, self._end, [(w.frame, w.header) for w in batch])
                crash_point("log.after_commit")
        except Exception as error:  # noqa: BLE001  # the thread must live on, and each caller is told
            self._give_up_connection()
            cause = error if isinstance(error, StorageError) else StorageError(str(error), where=str(path))
            for waiting in batch:
                waiting.future.set_exception(cause)
            return
        self._wal.grew(sum(len(w.frame.payload) + len(w.header) + 256 for w in batch))
        offsets = range(before.next, self._end.next)
        with self._grown:
            self._tail.extend([Record(offset, w.frame) for offset, w in zip(offsets, batch, strict=True)])
            self._head = self._end.next
            self._grown.notify_all()
        for offset, waiting in zip(offsets, batch, strict=True):
            waiting.future.set_result(offset)

    def _connection_to(self, name: str) -> sqlite3.Connection:
        """The connection that writes to a file; after a failed commit what is on the disk is looked at afresh."""
        if self._connection is None and self._paths:
            self._open_last()
        if self._connection is not None and name == self._name:
            return self._connection
        path = self._folder / name
        connection = sqlite_frames.create(path, self._stream, self._end.next, self._end.chain)
        if self._connection is not None:
            # Closing empties the write-ahead log, which takes as long as it is large.
            self._checkpointer.put(self._connection.close)
        self._use(connection, path)
        with self._grown:
            if path not in self._paths:
                self._firsts.append(self._end.next)
                self._paths.append(path)
        return connection

    def _open_last(self) -> None:
        path = self._paths[-1]
        with explained(path):
            connection = connect(path, writes=True)
            begin = sqlite_frames.start(connection, path)
            if begin is None:
                raise StorageError("lost its tables while it was open", where=str(path), hint="run `tocsin verify`")
            self._end = sqlite_frames.end(connection, path, begin)
        self._use(connection, path)

    def _use(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._name = path.name
        self._wal = Wal(path, self._checkpointer)

    def _give_up_connection(self) -> None:
        """Whether a commit that failed is on the disk only a fresh look can tell."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _all(path: Path, position: int, until: int) -> list[Record]:
    """The frames of a short range, however large they are: a read ends early where they are."""
    found: list[Record] = []
    while position < until and (part := sqlite_frames.read(path, position, until, until - position)):
        found += part
        position = part[-1].offset + 1
    return found
