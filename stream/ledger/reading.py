"""Reading a ledger, a copy of one or one that is being written, without changing anything beside it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from stream.embedded.file import explain, readable, version
from stream.errors import DamagedError, StorageError
from stream.ledger.file import VERSION

_ENTRY: Final = '"offset", leaf, count, events, hints, salt'


class Stored(NamedTuple):
    """An entry as it is stored."""

    offset: int
    leaf: bytes
    lines: int
    events: bytes
    hints: bytes
    salt: bytes | None


class _KeyNote(msgspec.Struct, tag="key", tag_field="kind"):
    endorsements: list[str]


class LedgerFile:
    """A ledger's file as it is at one moment, open for reading.

    Raises StorageError where there is none, DamagedError where it is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            hint = "it is made by `tocsin run`; name the data directory or its copy"
            raise StorageError("there is no ledger here", where=str(path.parent), hint=hint)
        self._connection = open_read_only(path)
        with self._reading():
            # One moment of a ledger that grows meanwhile.
            self._connection.execute("BEGIN")
            found = version(self._connection)
            row = self._connection.execute("SELECT origin FROM meta").fetchone() if found == VERSION else None
        if row is None or type(row[0]) is not str:
            raise DamagedError("is no ledger of this version", where=str(path), hint="restore it from a backup")
        self.origin: str = row[0]

    def seals(self) -> Iterator[tuple[int, bytes]]:
        """Number and body of every seal, in order."""
        return self._rows("SELECT number, body FROM seals ORDER BY number", (), (int, bytes))

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        """Size and note of every checkpoint, in order."""
        return self._rows("SELECT size, note FROM checkpoints ORDER BY size", (), (int, str))

    def notes(self, since: int = 0, limit: int = -1) -> Iterator[tuple[int, bytes]]:
        """Number and body of notes, in order."""
        return self._rows("SELECT id, body FROM notes WHERE id >= ? ORDER BY id LIMIT ?", (since, limit), (int, bytes))

    def count(self) -> dict[tuple[str, int], int]:
        """How many entries each partition has."""
        found = self._rows('SELECT stream, "partition", count(*) FROM entries GROUP BY 1, 2', (), (str, int, int))
        return {(stream, partition): count for stream, partition, count in found}

    def entries(self, stream: str, partition: int, first: int = 0, last: int = 1 << 62) -> Iterator[Stored]:
        """The entries of a partition between two offsets, in order."""
        text = f'SELECT {_ENTRY} FROM entries WHERE stream = ? AND "partition" = ? AND "offset" BETWEEN ? AND ?'  # noqa: S608  # our own column names
        with self._reading():
            for row in self._connection.execute(f'{text} ORDER BY "offset"', (stream, partition, first, last)):
                if [type(value) for value in row[:5]] != [int, bytes, int, bytes, bytes]:
                    raise DamagedError(f"the entry {stream}/{partition} {row[0]} is none", where=str(self.path))
                yield Stored(*row)

    def endorsements(self) -> list[str]:
        """The notes in which keys vouch for each other, signed but not checked yet."""
        found: list[str] = []
        for _, body in self.notes():
            try:
                found += msgspec.json.decode(body, type=_KeyNote).endorsements
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue
        return found

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _rows(self, text: str, values: tuple[int, ...], kinds: tuple[type, ...]) -> Iterator[Any]:
        with self._reading():
            for row in self._connection.execute(text, values):
                if tuple(type(value) for value in row) != kinds:
                    raise DamagedError(f"the row {row[0]!r} does not hold what it should", where=str(self.path))
                yield row

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


def open_read_only(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, not even beside the file where no write-ahead log is there to be read."""
    wal = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if wal.exists() else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    connection.text_factory = readable
    return connection
