"""Snapshots of tasks in one SQLite file: meta, position and changed buckets in one transaction."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from stream.embedded.file import connect, explained, transaction, version
from stream.embedded.wal import Checkpointer, Wal
from stream.encryption.crypt import Crypt
from stream.errors import DamagedError, StorageError
from stream.log import Snapshot

VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE snapshots (
  task TEXT PRIMARY KEY, version INTEGER NOT NULL, position INTEGER NOT NULL, meta BLOB NOT NULL, digest BLOB NOT NULL
);
CREATE TABLE buckets (
  task TEXT NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (task, name)
);
"""


class SqliteState:
    """The file of snapshots; safe to use from any thread."""

    def __init__(self, path: Path, checkpointer: Checkpointer, crypt: Crypt | None = None) -> None:
        self._path = path
        self._crypt = crypt
        self._lock = threading.Lock()
        self._checkpointer = checkpointer
        self._wal = Wal(path, checkpointer)
        with explained(path):
            self._connection = connect(path, create=True, writes=True)
            # Buckets are replaced all the time; overwriting each with zeros would double what is written.
            self._connection.execute("PRAGMA secure_delete=OFF")
            found = version(self._connection)
            if found == 0:
                with transaction(self._connection):
                    for statement in _SCHEMA.split(";"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version={VERSION}")
            elif found != VERSION:
                raise StorageError(
                    f"was written by another version of Tocsin (its tables are version {found}, known is {VERSION})",
                    where=str(path),
                    hint="use the Tocsin that wrote it; or move the file away, and the state is rebuilt from the log",
                )

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; one of another version takes nothing over from the one before."""
        snapshot = self._sealed(snapshot)
        task = snapshot.task
        with self._used(), self._wal.writing(), transaction(self._connection):
            row = self._connection.execute("SELECT version FROM snapshots WHERE task = ?", (task,)).fetchone()
            if row is not None and row[0] != snapshot.version:
                self._connection.execute("DELETE FROM buckets WHERE task = ?", (task,))
            self._connection.executemany(
                "DELETE FROM buckets WHERE task = ? AND name = ?",
                [(task, name) for name, content in snapshot.buckets.items() if content is None],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?)",
                [
                    (task, name, content, sha256(content).digest())
                    for name, content in snapshot.buckets.items()
                    if content is not None
                ],
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)",
                (task, snapshot.version, snapshot.position, snapshot.meta, sha256(snapshot.meta).digest()),
            )
        self._wal.grew(len(snapshot.meta) + sum(len(content) for content in snapshot.buckets.values() if content))

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task, with every bucket it has; None before the first."""
        with self._used(), transaction(self._connection):
            row = self._connection.execute(
                "SELECT version, position, meta, digest FROM snapshots WHERE task = ?", (task,)
            ).fetchone()
            if row is None:
                return None
            number, position, meta, digest = row
            self._check(task, "meta", meta, digest)
            buckets: dict[str, bytes | None] = {}
            for name, content, its in self._connection.execute(
                "SELECT name, content, digest FROM buckets WHERE task = ? ORDER BY name", (task,)
            ):
                self._check(task, f"bucket {name}", content, its)
                buckets[name] = content if self._crypt is None else self._crypt.open("state", f"{task} {name}", content)
        if self._crypt is not None:
            meta = self._crypt.open("state", task, meta)
        return Snapshot(task, number, position, meta, buckets)

    def position(self, task: str) -> int:
        """The position of the last snapshot of a task; 0 before the first."""
        with self._used():
            row = self._connection.execute("SELECT position FROM snapshots WHERE task = ?", (task,)).fetchone()
            return 0 if row is None else int(row[0])

    def furthest(self) -> int:
        """The highest position that any task reached; 0 before the first snapshot."""
        with self._used():
            return int(self._connection.execute("SELECT coalesce(max(position), 0) FROM snapshots").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._checkpointer.put(self._connection.close)

    def _sealed(self, snapshot: Snapshot) -> Snapshot:
        if self._crypt is None:
            return snapshot
        crypt, task = self._crypt, snapshot.task
        buckets = {
            name: None if content is None else crypt.seal("state", f"{task} {name}", content)
            for name, content in snapshot.buckets.items()
        }
        return snapshot._replace(meta=crypt.seal("state", task, snapshot.meta), buckets=buckets)

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self._path):
            yield self._connection

    def _check(self, task: str, part: str, content: bytes, digest: bytes) -> None:
        if type(content) is not bytes or sha256(content).digest() != digest:
            raise DamagedError(
                f"the {part} of the snapshot of {task} is not what was written",
                where=str(self._path),
                hint="move the file away; the state is rebuilt from the log",
            )
