"""The ledger's file: seals, an entry for each sealed frame, notes, and signed checkpoints, in one SQLite database."""

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from stream.embedded.file import connect, explained, transaction, version
from stream.errors import DamagedError, StorageError
from stream.ledger.merkle import Frontier, leaf_hash
from stream.ledger.seal import Entry

FILE: Final = "ledger.sqlite"
VERSION: Final = 1
APPLICATION: Final = 0x746F636C  # "tocl"
START: Final = bytes(32)
"""What the first seal says that stood before it."""
_SCHEMA: Final = """
CREATE TABLE meta (origin TEXT NOT NULL);
CREATE TABLE seals (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE entries (
  stream TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
  leaf BLOB NOT NULL, count INTEGER NOT NULL, events BLOB NOT NULL, hints BLOB NOT NULL, salt BLOB,
  PRIMARY KEY (stream, "partition", "offset")
) WITHOUT ROWID;
CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL, kept INTEGER NOT NULL);
CREATE TABLE anchored (name TEXT PRIMARY KEY, size INTEGER NOT NULL);
"""


class Ledger:
    """Writes the ledger; safe to use from any thread. One process has it open for writing."""

    def __init__(self, path: Path, origin: str) -> None:
        self.path = path
        self._lock = threading.RLock()
        with explained(path):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._connection = connect(path, writes=True)
            try:
                self.origin: str = self._begin(origin)
                self._tree = Frontier()
                self.head = START
                for (body,) in self._connection.execute("SELECT body FROM seals ORDER BY number"):
                    self.head = leaf_hash(body)
                    self._tree.append(self.head)
                self._next: dict[tuple[str, int], int] = {
                    (stream, partition): last + 1
                    for stream, partition, last in self._connection.execute(
                        'SELECT stream, "partition", max("offset") FROM entries GROUP BY stream, "partition"'
                    )
                }
            except BaseException:
                self._connection.close()
                raise

    @property
    def size(self) -> int:
        """How many seals there are."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """The root over all seals."""
        return self._tree.root()

    def next(self, stream: str, partition: int) -> int:
        """The first offset of a partition that no seal has."""
        return self._next.get((stream, partition), 0)

    def root_at(self, size: int) -> bytes:
        """The root over the first so many seals."""
        tree = Frontier()
        with self._used() as connection:
            for (body,) in connection.execute("SELECT body FROM seals WHERE number < ? ORDER BY number", (size,)):
                tree.append(leaf_hash(body))
        return tree.root()

    def add(self, body: bytes, entries: Sequence[Entry], salts: Mapping[tuple[str, int], bytes]) -> None:
        """Add a seal and its entries in one durable transaction; `salts` are those of rows, by stream and offset."""
        with self._used() as connection, transaction(connection):
            connection.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        entry.stream,
                        entry.partition,
                        entry.offset,
                        entry.leaf,
                        entry.lines,
                        entry.events,
                        entry.hints,
                        salts.get((entry.stream, entry.offset)),
                    )
                    for entry in entries
                ],
            )
            connection.execute("INSERT INTO seals VALUES (?, ?)", (self._tree.size, body))
        for entry in entries:
            self._next[entry.stream, entry.partition] = entry.offset + 1
        self.head = leaf_hash(body)
        self._tree.append(self.head)

    def note(self, body: bytes) -> int:
        """Write down something that the next seal will have; its number."""
        with self._used() as connection, transaction(connection):
            return int(connection.execute("INSERT INTO notes (body) VALUES (?)", (body,)).lastrowid or 0)

    def notes(self, since: int, limit: int) -> list[tuple[int, bytes]]:
        """Notes with their numbers, from one on."""
        with self._used() as connection:
            found = connection.execute("SELECT id, body FROM notes WHERE id >= ? ORDER BY id LIMIT ?", (since, limit))
            return [(int(number), bytes(body)) for number, body in found]

    def noted(self, kind: str, name: str) -> list[str]:
        """What the notes of a kind say under a name."""
        with self._used() as connection:
            found = connection.execute(
                "SELECT json_extract(CAST(body AS TEXT), ?) FROM notes WHERE json_extract(CAST(body AS TEXT), '$.kind')"
                " = ?",
                (f"$.{name}", kind),
            )
            return [str(value) for (value,) in found if value is not None]

    def unsalt(self, stream: str, offsets: Sequence[int]) -> None:
        """Forget the salts of rows that are gone, so that nobody can try guesses at what stood in them."""
        with self._used() as connection, transaction(connection):
            connection.executemany(
                'UPDATE entries SET salt = NULL WHERE stream = ? AND "partition" = 0 AND "offset" = ?',
                [(stream, offset) for offset in offsets],
            )

    def said(self, kind: str) -> list[tuple[int, bytes]]:
        """Number and body of all notes of a kind, in order."""
        with self._used() as connection:
            found = connection.execute(
                "SELECT id, body FROM notes WHERE json_extract(CAST(body AS TEXT), '$.kind') = ? ORDER BY id", (kind,)
            )
            return [(int(number), bytes(body)) for number, body in found]

    def checkpoint(self) -> tuple[int, str] | None:
        """The newest checkpoint: its size and the signed note."""
        with self._used() as connection:
            row = connection.execute("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
            return None if row is None else (int(row[0]), str(row[1]))

    def kept(self) -> int:
        """The size of the last checkpoint that is kept for good; 0 before the first."""
        with self._used() as connection:
            return int(connection.execute("SELECT coalesce(max(size), 0) FROM checkpoints WHERE kept").fetchone()[0])

    def put_checkpoint(self, size: int, note: str) -> None:
        """Put a checkpoint in the place of those before it that are not kept."""
        with self._used() as connection, transaction(connection):
            connection.execute("DELETE FROM checkpoints WHERE NOT kept")
            connection.execute("INSERT OR IGNORE INTO checkpoints VALUES (?, ?, 0)", (size, note))

    def keep_newest(self) -> tuple[int, str] | None:
        """The newest checkpoint, kept for good from now on, since it is about to be shown outside."""
        with self._used() as connection, transaction(connection):
            row = connection.execute("SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
            if row is None:
                return None
            connection.execute("UPDATE checkpoints SET kept = 1 WHERE size = ?", (row[0],))
            return int(row[0]), str(row[1])

    def anchored(self, name: str) -> int:
        """The size of the last checkpoint that an anchor took; 0 before the first."""
        with self._used() as connection:
            row = connection.execute("SELECT size FROM anchored WHERE name = ?", (name,)).fetchone()
            return 0 if row is None else int(row[0])

    def put_anchored(self, name: str, size: int) -> None:
        """Remember what an anchor took."""
        with self._used() as connection, transaction(connection):
            connection.execute("INSERT OR REPLACE INTO anchored VALUES (?, ?)", (name, size))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self, origin: str) -> str:
        found = version(self._connection)
        if found == 0:
            with transaction(self._connection):
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._connection.execute("INSERT INTO meta VALUES (?)", (origin,))
                self._connection.execute(f"PRAGMA application_id={APPLICATION}")
                self._connection.execute(f"PRAGMA user_version={VERSION}")
        elif found != VERSION:
            raise StorageError(
                f"was written by another version of Tocsin (its tables are version {found}, known is {VERSION})",
                where=str(self.path),
                hint="use the Tocsin that wrote it, or a newer one",
            )
        row = self._connection.execute("SELECT origin FROM meta").fetchone()
        if row is None:
            raise DamagedError("does not say whose ledger it is", where=str(self.path), hint="restore it from a backup")
        if row[0] != origin:
            raise StorageError(
                f"is the ledger of {row[0]!r}, but the signing key is of {origin!r}",
                where=str(self.path),
                hint="put the ledger's own signing key back, or move both away to begin a new ledger",
            )
        return origin

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self.path):
            yield self._connection
