"""The lock of a data directory: one process at a time writes there."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.errors import LockedError, StorageError
from tocsin_audit.event import rfc3339

NAME = "lock"


@contextmanager
def locked(folder: Path, now: float) -> Iterator[Path]:
    """Own a data directory (made where it is missing, for its owner alone) until the end; `now` says since when.

    Raises LockedError naming who owns it, StorageError where the directory cannot be made or written.
    """
    path = folder / NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(
            f"the data directory cannot be written ({error.strerror})",
            where=str(folder),
            hint="give the user that runs Tocsin the directory, or name another one with --data",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 200, 0).decode("utf-8", "replace").strip() or "unknown"
            raise LockedError(
                f"another process owns this data directory ({owner})",
                where=str(folder),
                hint="stop that process first, or name another directory with --data",
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}, since {rfc3339(now)}\n".encode(), 0)
        yield path
    finally:
        # The file stays: taking it away would let two processes lock two files of the same name.
        os.close(descriptor)
