"""SQLite files as Tocsin opens them: what is set on every connection, and what its errors mean."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from stream.errors import DamagedError, FullError, StorageError

BUSY: Final = 30.0
"""Seconds that a connection waits for another of this process."""


def private(path: Path) -> None:
    """Make a file for its owner alone where there is none; what SQLite keeps beside it gets the same mode."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError:
        # It is there, or cannot be made: then SQLite says why.
        return


def connect(path: Path, *, create: bool = False, writes: bool = False) -> sqlite3.Connection:
    """A connection in which every transaction is begun by hand and a commit is on the disk before it returns.

    Checkpoints of the write-ahead log are left to a thread of their own.
    """
    mode = "rwc" if create else "rw"
    if create:
        private(path)
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY,
    )
    connection.text_factory = readable
    try:
        if writes:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            # Elsewhere than on macOS these say nothing new: there, a plain fsync leaves data in the disk's cache.
            connection.execute("PRAGMA fullfsync=ON")
            connection.execute("PRAGMA checkpoint_fullfsync=ON")
        else:
            connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
    except BaseException:
        connection.close()
        raise
    return connection


def readable(text: bytes) -> str:
    """Text of a file whatever was put there: that it is not what was written is told with its place, by its digest."""
    return text.decode("utf-8", "replace")


def version(connection: sqlite3.Connection) -> int:
    """The version of the tables in a file; 0 where they were never made."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it becomes durable, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def explained(path: Path, offset: int | None = None) -> Iterator[None]:
    """Turn what SQLite raises into errors that an operator can act on, naming the file and, if known, the offset."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise explain(error, path, offset) from error


def explain(error: sqlite3.Error | OSError, path: Path, offset: int | None = None) -> StorageError:
    """What an error of SQLite or of the file system means."""
    where = str(path) if offset is None else f"{path}, offset {offset}"
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary == sqlite3.SQLITE_FULL:
        return FullError("the disk is full", where=where, hint="free some room; nothing that was accepted is lost")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DamagedError(
            f"the file is not what was written ({error})",
            where=where,
            hint="run `tocsin verify` to see how far it is good, and restore it from a backup",
        )
    return StorageError(
        f"cannot be read or written ({error})",
        where=where,
        hint="look at the disk, its quota and the file's permissions; nothing that was accepted is lost",
    )
