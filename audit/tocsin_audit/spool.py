"""The spool: batches on disk while the collector cannot take them, for this process or the next one."""

import contextlib
import gzip
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

from tocsin_audit.spool_keys import SpoolKeys

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_SUFFIX: Final = ".ndjson.gz"
_SEALED: Final = ".sealed"
_LOCK: Final = "lock"


class SpoolFullError(OSError):
    """The spool has reached its bound."""


class Spool:
    """Segments in a directory of this process's own, beside those of others; the oldest come first.

    A lock held for life says that the directory has an owner; what a dead process left is taken over. With `keys` what
    is written lies encrypted; a segment under a key that is not there stays until it is.
    """

    def __init__(self, base: Path, run: str, *, most_bytes: int, keys: SpoolKeys | None = None) -> None:
        """Raises OSError where the directory cannot be made or locked."""
        self.base = base
        self._own = base / run
        self._most_bytes = most_bytes
        self._keys = keys
        self._own.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(self._own / _LOCK)
        if self._lock is None:
            raise OSError(f"{self._own} belongs to another process")
        self._count = 0
        self._segments: dict[Path, int] = {path: path.stat().st_size for path in self._readable(self._own)}
        self.adopt()

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self._segments.values())

    def adopt(self) -> int:
        """Take over the segments of processes that are gone; how many there were."""
        taken = 0
        for other in sorted(self.base.iterdir()):
            if other != self._own and (other / _LOCK).is_file():
                # A third process may be quicker; then the folder is gone in the middle of this.
                with contextlib.suppress(OSError):
                    taken += self._adopt(other)
        return taken

    def _adopt(self, other: Path) -> int:
        lock = _lock(other / _LOCK)
        if lock is None:
            return 0
        with lock:
            found = list(self._readable(other))
            for path in found:
                mine = self._own / path.name
                path.rename(mine)
                self._segments[mine] = mine.stat().st_size
            locked = any(_segments(other))
        if not locked:
            for left in other.iterdir():
                left.unlink()
            other.rmdir()
        return len(found)

    def _readable(self, directory: Path) -> Iterable[Path]:
        """The segments of a directory but those under a key that is not there; the key's id stands in their names."""
        known = self._keys.ids if self._keys is not None else frozenset()
        return [path for path in _segments(directory) if path.suffix != _SEALED or path.name.split(".")[1] in known]

    def write(self, lines: list[bytes]) -> Path:
        """One segment with these lines, durable on return. Raises SpoolFullError, or OSError from the disk."""
        data = gzip.compress(b"\n".join(lines), 1, mtime=0)
        if self.size + len(data) > self._most_bytes:
            raise SpoolFullError(f"the spool {self.base} holds its {self._most_bytes} bytes")
        self._count += 1
        name = f"{time.time_ns() // 1_000:017d}-{os.getpid()}-{self._count:06d}"
        path = self._own / f"{name}{_SUFFIX}"
        if self._keys is not None:
            path = self._own / f"{name}.{self._keys.id}{_SUFFIX}{_SEALED}"
            data = self._keys.seal(path.name, data)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        _sync_directory(self._own)
        self._segments[path] = len(data)
        return path

    def oldest(self) -> Path | None:
        """The segment to be sent next."""
        return min(self._segments, default=None, key=lambda path: path.name)

    def read(self, path: Path) -> list[bytes]:
        """The lines of a segment; none where its bytes are damaged."""
        try:
            data = path.read_bytes()
            if path.suffix == _SEALED and self._keys is not None:
                data = self._keys.open(path.name, data)
            return gzip.decompress(data).split(b"\n")
        except (OSError, EOFError, ValueError):
            return []

    def remove(self, path: Path) -> None:
        """Forget a segment that has arrived."""
        self._segments.pop(path, None)
        path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the directory up; it goes away when nothing is in it."""
        if not self._segments:
            (self._own / _LOCK).unlink(missing_ok=True)
            # A half-written segment keeps the directory, and the next process tidies up.
            with contextlib.suppress(OSError):
                self._own.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _segments(directory: Path) -> Iterable[Path]:
    return sorted([*directory.glob(f"*{_SUFFIX}"), *directory.glob(f"*{_SUFFIX}{_SEALED}")])


def _lock(path: Path) -> IO[bytes] | None:
    """The lock of a directory, held while the file is open; null where another process has it."""
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _sync_directory(directory: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
