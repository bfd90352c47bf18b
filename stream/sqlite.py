"""The embedded log: SQLite files in one data directory, owned by one process."""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stream.embedded.removal import Change
from stream.embedded.state import SqliteState
from stream.embedded.stream import SqliteStream
from stream.embedded.wal import Checkpointer
from stream.encryption.crypt import Crypt
from stream.errors import StorageError
from stream.frame import Frame, Record
from stream.lock import locked
from stream.log import EVENTS, FINDINGS, Snapshot, Stream
from stream.salt import salted
from stream.space import Space, Usage

EVENTS_FOLDER: Final = "log"
DAY_PATTERN: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9].sqlite"
FINDINGS_FILE: Final = "findings.sqlite"
STATE_FILE: Final = "state.sqlite"


def day_file(received: float) -> str:
    """The name of the file for frames received at a moment: its day in UTC."""
    return datetime.fromtimestamp(received, UTC).strftime("%Y-%m-%d.sqlite")


class SqliteLog:
    """The `Log` contract on SQLite: `events` by day of receipt, `findings` in one file, snapshots in another.

    A frame goes to the day of the log's clock (the running maximum of `received`), so that file names are in offset
    order whatever a wall clock did. There is one partition.
    """

    def __init__(
        self,
        data_dir: Path,
        resources: ExitStack,
        space: Space,
        salt: Callable[[], bytes] | None = None,
        crypt: Crypt | None = None,
    ) -> None:
        self._where = str(data_dir)
        self._salt = salt
        self._crypt = crypt
        checkpointer = Checkpointer()
        resources.callback(checkpointer.close)
        self._state = SqliteState(data_dir / STATE_FILE, checkpointer, crypt)
        resources.callback(self._state.close)
        findings = SqliteStream(FINDINGS.name, data_dir, FINDINGS_FILE, _findings_file, checkpointer)
        resources.callback(findings.close)
        folder = data_dir / EVENTS_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        floor = self._state.furthest()
        events = SqliteStream(EVENTS.name, folder, DAY_PATTERN, day_file, checkpointer, floor=floor, space=space)
        resources.callback(events.close)
        self._streams = {EVENTS: events, FINDINGS: findings}
        self._resources = resources

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        """Add a frame; see `Log.append`."""
        whole = frame if self._salt is None else salted(frame, self._salt())
        return self._stream(stream).append(whole if self._crypt is None else self._crypt.sealed(whole))

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        """Durable frames from a position on; see `Log.read`."""
        found = self._stream(stream).read(position, limit, wait)
        return found if self._crypt is None else self._crypt.with_keys(found)

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; see `Log.save`."""
        self._state.save(snapshot)

    def position(self, task: str) -> int:
        """The position of the last snapshot of a task; 0 before the first."""
        return self._state.position(task)

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task; see `Log.load`."""
        return self._state.load(task)

    def within(self, stream: Stream, since: float, until: float, *, newest_first: bool = False) -> Iterator[Record]:
        """Durable frames with event times in `[since, until)`, in order or against it, without reading the others.

        Raises DamagedError as `read` does.
        """
        found = self._stream(stream).within(since, until, newest_first=newest_first)
        crypt = self._crypt
        return found if crypt is None else (record for one in found for record in crypt.with_keys([one]))

    def at(self, stream: Stream, offsets: Iterable[int]) -> Iterator[Record]:
        """Single durable frames in the order asked for, without those that are gone; raises DamagedError as `read`."""
        crypt = self._crypt
        for record in self._stream(stream).at(offsets):
            yield record if crypt is None else crypt.with_keys([record])[0]

    def files(self, stream: Stream) -> list[Path]:
        """The files of a stream, in the order of their offsets; the last is being written to."""
        return self._stream(stream).files()

    def change(self, stream: Stream, path: Path, changes: Sequence[Change]) -> None:
        """Take payloads, or lines of them, out of a file (see `stream.removing`)."""
        self._stream(stream).change(path, changes)

    def behead(self, stream: Stream, path: Path, end: int) -> int:
        """Take the frames before an offset out of a file that is being written to; how many there were."""
        return self._stream(stream).behead(path, end)

    def compact(self, stream: Stream, path: Path) -> int:
        """Give back the room that is free inside a file; how many bytes."""
        return self._stream(stream).compact(path)

    def remove(self, stream: Stream, path: Path) -> int:
        """Take away a file that nobody writes to; how many bytes that frees."""
        return self._stream(stream).remove(path)

    def end(self, stream: Stream) -> int:
        """The offset that the next durable frame of a stream will have."""
        return self._stream(stream).next

    def close(self) -> None:
        """Make durable what was appended, let waiting readers go, and give the data directory back."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _stream(self, stream: Stream) -> SqliteStream:
        try:
            return self._streams[stream]
        except KeyError:
            raise StorageError(
                f"the embedded log has no partition {stream.partition} of {stream.name!r}",
                where=self._where,
                hint="it has one partition of `events` and of `findings`; Kafka has as many as you like",
            ) from None


def open_log(
    data_dir: Path,
    *,
    clock: Callable[[], float] = time.time,
    reserve_bytes: int | None = None,
    usage: Callable[[Path], Usage] = shutil.disk_usage,
    salt: Callable[[], bytes] | None = None,
    crypt: Crypt | None = None,
) -> SqliteLog:
    """Own a data directory, made where it is missing, and open the log in it.

    `reserve_bytes` of the disk stay free of events (a tenth, at most 5 GiB, where it is None); `clock` only says in the
    lock since when it is held; `salt` makes a new salt for each payload (see `stream.salt`); `crypt` encrypts what is
    written and decrypts what is read. Raises LockedError where another process owns the directory, DamagedError where a
    file is not what was written, StorageError where it cannot be used.
    """
    with ExitStack() as resources:
        resources.enter_context(locked(data_dir, clock()))
        log = SqliteLog(data_dir, resources, Space(data_dir, reserve_bytes, usage), salt, crypt)
        log._resources = resources.pop_all()
        return log


def _findings_file(_: float) -> str:
    return FINDINGS_FILE
