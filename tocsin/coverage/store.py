"""The coverage records of a data directory, to be asked for by time; made anew from the log where it is lost."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.control import ENCODER
from stream.coverage import Covered, Watched
from stream.sqlite_file import connect, explained, transaction

FILE: Final = "coverage.sqlite"
VERSION: Final = 1
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS covered (cell INTEGER PRIMARY KEY, told INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS watched (until REAL PRIMARY KEY, since REAL NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER, position INTEGER, open BLOB);
"""
_COVERED: Final = msgspec.json.Decoder(Covered)
_WATCHED: Final = msgspec.json.Decoder(Watched)


class Kept(NamedTuple):
    """Up to where the log was read, and what was open there."""

    position: int
    open: bytes


class CoverageStore:
    """One file; written by one thread, read by any through connections of their own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with explained(path):
            self._connection = connect(path, create=True, writes=True)
            # What a power failure takes from the end is read from the log again.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA wal_autocheckpoint=1000")
            self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()

    def kept(self) -> Kept | None:
        """Where the reading stopped; None before the first time, or where another version wrote it."""
        row = self._connection.execute("SELECT version, position, open FROM place").fetchone()
        return Kept(row[1], row[2]) if row is not None and row[0] == VERSION else None

    def restart(self) -> None:
        """Forget everything: the log is not the one that was read."""
        with explained(self.path), transaction(self._connection):
            for statement in ("DELETE FROM covered", "DELETE FROM watched", "DELETE FROM place"):
                self._connection.execute(statement)

    def put(self, made: Sequence[Covered], seen: Sequence[Covered | Watched], kept: Kept) -> None:
        """Keep records that were made, and those that were seen in the log, together with the place."""
        connection = self._connection
        with explained(self.path), transaction(connection):
            for record in made:
                body = ENCODER.encode(record)
                connection.execute("INSERT OR IGNORE INTO covered VALUES (?, 0, ?)", (record.cell, body))
            for one in seen:
                if isinstance(one, Covered):
                    connection.execute(
                        "INSERT OR REPLACE INTO covered VALUES (?, 1, ?)", (one.cell, ENCODER.encode(one))
                    )
                else:
                    row = one.until, one.since, ENCODER.encode(one)
                    connection.execute("INSERT OR IGNORE INTO watched VALUES (?, ?, ?)", row)
            connection.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?, ?)", (VERSION, *kept))

    def untold(self, limit: int = 256) -> list[Covered]:
        """Records that the log does not hold yet, in order."""
        with explained(self.path):
            rows = self._connection.execute("SELECT body FROM covered WHERE told = 0 ORDER BY cell LIMIT ?", (limit,))
            return [_COVERED.decode(row[0]) for row in rows]

    def told(self, cells: Sequence[int]) -> None:
        """The log holds these now."""
        with explained(self.path), transaction(self._connection):
            self._connection.executemany("UPDATE covered SET told = 1 WHERE cell = ?", [(cell,) for cell in cells])

    def last_watched(self) -> float | None:
        """Until when the newest word of a running Tocsin goes."""
        row = self._connection.execute("SELECT max(until) FROM watched").fetchone()
        return float(row[0]) if row is not None and row[0] is not None else None


def covered(path: Path, since: float, until: float) -> Iterator[Covered]:
    """The records of stretches that closed between two moments, in order."""
    with explained(path), closing(connect(path)) as connection:
        rows = connection.execute("SELECT body FROM covered WHERE cell >= ? AND cell < ? ORDER BY cell", (since, until))
        for row in rows:
            yield _COVERED.decode(row[0])


def watched(path: Path, since: float, until: float) -> Iterator[Watched]:
    """What running Tocsins said of moments between two, in order."""
    with explained(path), closing(connect(path)) as connection:
        rows = connection.execute(
            "SELECT body FROM watched WHERE until > ? AND since < ? ORDER BY until", (since, until)
        )
        for row in rows:
            yield _WATCHED.decode(row[0])
