"""The coverage records of a data directory, to be asked for by time; made anew from the log where it is lost."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.control import ENCODER
from stream.coverage import Covered, Watched
from stream.embedded.file import connect, explained, transaction
from stream.encryption.crypt import Crypt

FILE: Final = "coverage.sqlite"
VERSION: Final = 3
DAY: Final = 86_400.0
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS covered (cell INTEGER PRIMARY KEY, told INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS said (
    until REAL NOT NULL, by TEXT NOT NULL, since REAL NOT NULL, body BLOB NOT NULL, PRIMARY KEY (until, by)
);
CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER, position INTEGER, open BLOB);
DROP TABLE IF EXISTS watched;
"""
_COVERED: Final = msgspec.json.Decoder(Covered)
_WATCHED: Final = msgspec.json.Decoder(Watched)
_PURPOSE: Final = "coverage"


class Kept(NamedTuple):
    """Up to where the log was read, and what was open there."""

    position: int
    open: bytes


class CoverageStore:
    """One file; written by one thread, read by any through connections of their own.

    `crypt` encrypts all but the times. Records go once they are more than `days` older than the newest; without
    `days` they stay for good.
    """

    def __init__(self, path: Path, crypt: Crypt | None = None, days: int | None = None) -> None:
        self.path = path
        self._crypt = crypt
        self._days = days
        with explained(path):
            self._connection = connect(path, create=True, writes=True)
            # What a power failure takes from the end is read from the log again.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA wal_autocheckpoint=1000")
            self._connection.execute("PRAGMA secure_delete=ON")
            self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Give back the connection."""
        self._connection.close()

    def kept(self) -> Kept | None:
        """Where the reading stopped; None before the first time, or where another version wrote it."""
        row = self._connection.execute("SELECT version, position, open FROM place").fetchone()
        return Kept(row[1], self._opened("open", row[2])) if row is not None and row[0] == VERSION else None

    def resume(self, end: int) -> Kept | None:
        """Where the reading of a log that ends here goes on; where it is none that was read, forgets everything."""
        kept = self.kept()
        if kept is not None and kept.position <= end:
            return kept
        self.restart()
        return None

    def restart(self) -> None:
        """Forget everything: the log is not the one that was read."""
        with explained(self.path), transaction(self._connection):
            for statement in ("DELETE FROM covered", "DELETE FROM said", "DELETE FROM place"):
                self._connection.execute(statement)

    def put(self, made: Sequence[Covered], seen: Sequence[Covered | Watched], kept: Kept) -> None:
        """Keep records that were made, and those that were seen in the log, together with the place."""
        connection = self._connection
        with explained(self.path), transaction(connection):
            for record in made:
                body = self._stored(record)
                connection.execute("INSERT OR IGNORE INTO covered VALUES (?, 0, ?)", (record.cell, body))
            for one in seen:
                if isinstance(one, Covered):
                    connection.execute("INSERT OR REPLACE INTO covered VALUES (?, 1, ?)", (one.cell, self._stored(one)))
                else:
                    row = one.until, one.by, one.since, self._stored(one)
                    connection.execute("INSERT OR IGNORE INTO said VALUES (?, ?, ?, ?)", row)
            place = VERSION, kept.position, self._sealed("open", kept.open)
            connection.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?, ?)", place)
            self._let_go(max((one.clock for one in (*made, *seen) if isinstance(one, Covered)), default=None))

    def untold(self, limit: int = 256) -> list[Covered]:
        """Records that the log does not hold yet, in order."""
        with explained(self.path):
            rows = self._connection.execute("SELECT body FROM covered WHERE told = 0 ORDER BY cell LIMIT ?", (limit,))
            return [_COVERED.decode(self._opened("covered", row[0])) for row in rows]

    def told(self, cells: Sequence[int]) -> None:
        """The log holds these now."""
        with explained(self.path), transaction(self._connection):
            self._connection.executemany("UPDATE covered SET told = 1 WHERE cell = ?", [(cell,) for cell in cells])

    def last_watched(self) -> float | None:
        """Until when the newest word of a running Tocsin goes."""
        row = self._connection.execute("SELECT max(until) FROM said").fetchone()
        return float(row[0]) if row is not None and row[0] is not None else None

    def covered(self, since: float, until: float) -> Iterator[Covered]:
        """The records of stretches that closed between two moments, in order; from any thread."""
        with explained(self.path), closing(connect(self.path)) as connection:
            for row in connection.execute(
                "SELECT body FROM covered WHERE cell >= ? AND cell < ? ORDER BY cell", (since, until)
            ):
                yield _COVERED.decode(self._opened("covered", row[0]))

    def watched(self, since: float, until: float) -> Iterator[Watched]:
        """What running Tocsins said of moments between two, in order; from any thread."""
        with explained(self.path), closing(connect(self.path)) as connection:
            for row in connection.execute(
                "SELECT body FROM said WHERE until > ? AND since < ? ORDER BY until, by", (since, until)
            ):
                yield _WATCHED.decode(self._opened("watched", row[0]))

    def cells(self) -> tuple[int, int] | None:
        """The first and the last stretch that closed; None where none has; from any thread."""
        with explained(self.path), closing(connect(self.path)) as connection:
            first, last = connection.execute("SELECT min(cell), max(cell) FROM covered").fetchone()
        return None if first is None else (int(first), int(last))

    def _let_go(self, clock: float | None) -> None:
        if clock is None or self._days is None:
            return
        before = clock - self._days * DAY
        # What the log does not hold yet is told first.
        self._connection.execute("DELETE FROM covered WHERE cell < ? AND told = 1", (before,))
        self._connection.execute("DELETE FROM said WHERE until < ?", (before,))

    def _stored(self, record: Covered | Watched) -> bytes:
        return self._sealed("covered" if isinstance(record, Covered) else "watched", ENCODER.encode(record))

    def _sealed(self, name: str, content: bytes) -> bytes:
        return content if self._crypt is None else self._crypt.seal(_PURPOSE, name, content)

    def _opened(self, name: str, stored: bytes) -> bytes:
        return stored if self._crypt is None else self._crypt.open(_PURPOSE, name, stored)
