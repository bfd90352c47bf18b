"""The index of the log: for each frame of events the keyed hashes of what it can be looked up by.

A frame's terms are 32-bit hashes (BLAKE2b under a key that the file alone holds) one behind the other. A Bloom filter
would be a third of the size, but reads one frame in a hundred in vain and takes three times as long to make; lists of
frames by term would be written all over the file. With encryption at rest the key and each row are encrypted too. All
of it is derived: where it is missing or does not fit the log it is made anew, behind everybody else.
"""

import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from stream.embedded.file import connect, explained, private, transaction, version
from stream.encryption.crypt import MAGIC, Crypt
from stream.index.terms import Terms

FILE: Final = "index.sqlite"
VERSION: Final = 1
WIDTH: Final = 4
"""Bytes of a term's hash."""
MOST: Final = 4096
"""Terms of a frame at most; one with more fits every search."""
KNOWN: Final = 100_000
"""Hashes of terms of one kind that are kept, since callers come again."""
AT_ONCE: Final = 4096
"""Frames that are looked at together."""
PAGE: Final = 16_384
"""Bytes of a page: several rows of a few kilobytes fit in one."""
_PURPOSE: Final = "index"
_KEY: Final = "key"
_SCHEMA: Final = """
CREATE TABLE meta (key BLOB NOT NULL, position INTEGER NOT NULL, received REAL NOT NULL);
CREATE TABLE terms ("offset" INTEGER PRIMARY KEY, "first" REAL NOT NULL, "last" REAL NOT NULL, hashes BLOB NOT NULL);
CREATE INDEX terms_by_time ON terms ("last", "first");
"""


class Entry(NamedTuple):
    """A frame of events: its offset, the bounds of its event times, and its terms (None fits every search)."""

    offset: int
    first: float
    last: float
    terms: Terms | None


class FrameIndex:
    """The file of terms; safe to use from any thread.

    `position` is the offset behind the last frame that was put in. Raises StorageError where it cannot be used.
    """

    def __init__(self, path: Path, crypt: Crypt | None = None) -> None:
        self.path = path
        self._crypt = crypt
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, bytes]] = {}
        with explained(path):
            _sized(path)
            self._connection = connect(path, create=True, writes=True)
            try:
                # What a power failure takes from the end is indexed again.
                self._connection.execute("PRAGMA synchronous=NORMAL")
                self._connection.execute("PRAGMA wal_autocheckpoint=1000")
                self._connection.execute("PRAGMA secure_delete=ON")
                if version(self._connection) == 0:
                    with transaction(self._connection):
                        for statement in _SCHEMA.split(";"):
                            self._connection.execute(statement)
                        self._connection.execute(f"PRAGMA user_version={VERSION}")
                row = self._connection.execute("SELECT key, position, received FROM meta").fetchone()
                if row is None or bytes(row[0]).startswith(MAGIC) != (crypt is not None):
                    self._begin()
                else:
                    self._key, self.position, self.received = self._opened(_KEY, row[0]), int(row[1]), float(row[2])
            except BaseException:
                self._connection.close()
                raise

    def restart(self) -> None:
        """Forget everything: the log is not the one that was indexed."""
        with self._used():
            self._begin()

    def put(self, entries: Sequence[Entry], position: int, received: float) -> None:
        """Add frames, all of them before a position; `received` is the receipt of the frame before the position."""
        rows = [(one.offset, one.first, one.last, self._packed(one.offset, one.terms)) for one in entries]
        with self._used() as connection, transaction(connection):
            connection.executemany("INSERT OR REPLACE INTO terms VALUES (?, ?, ?, ?)", rows)
            connection.execute("UPDATE meta SET position = ?, received = ?", (position, received))
        self.position, self.received = position, received

    def replace(self, entries: Sequence[Entry]) -> None:
        """Take in anew frames that lost lines, as far as they are indexed."""
        rows = [(self._packed(one.offset, one.terms), one.offset) for one in entries]
        with self._used() as connection, transaction(connection):
            connection.executemany('UPDATE terms SET hashes = ? WHERE "offset" = ?', rows)

    def forget(self, begin: int, end: int) -> None:
        """Forget the frames from an offset to before another."""
        with self._used() as connection, transaction(connection):
            connection.execute('DELETE FROM terms WHERE "offset" >= ? AND "offset" < ?', (begin, end))

    def fitting(self, since: float, until: float, terms: Sequence[str]) -> Iterator[int]:
        """The offsets of frames with event times in `[since, until)` that may have all the terms, the newest first."""
        wanted = [self._hash(term) for term in terms]
        with self._used() as connection:
            bounds = connection.execute(
                'SELECT min("offset"), max("offset") FROM terms INDEXED BY terms_by_time '
                'WHERE "last" >= ? AND "first" < ?',
                (since, until),
            ).fetchone()
        if bounds[0] is None:
            return
        for end in range(bounds[1] + 1, bounds[0], -AT_ONCE):
            yield from self._between(max(end - AT_ONCE, bounds[0]), end, since, until, wanted)

    def _between(self, begin: int, end: int, since: float, until: float, wanted: list[bytes]) -> list[int]:
        found: list[int] = []
        with self._used() as connection:
            rows = connection.execute(
                'SELECT "offset", hashes FROM terms WHERE "offset" BETWEEN ? AND ? AND "last" >= ? AND "first" < ? '
                'ORDER BY "offset" DESC',
                (begin, end - 1, since, until),
            )
            for offset, stored in rows:
                hashes = stored if self._crypt is None else self._opened(str(offset), stored)
                if not hashes or all(_has(hashes, one) for one in wanted):
                    found.append(offset)
        return found

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _begin(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known.clear()
        stored = self._key if self._crypt is None else self._crypt.seal(_PURPOSE, _KEY, self._key)
        with transaction(self._connection):
            self._connection.execute("DELETE FROM terms")
            self._connection.execute("DELETE FROM meta")
            self._connection.execute("INSERT INTO meta VALUES (?, 0, 0)", (stored,))
        self.position, self.received = 0, 0.0

    def _packed(self, offset: int, terms: Terms | None) -> bytes:
        if terms is None or sum(map(len, terms.values())) > MOST:
            hashes = b""
        else:
            hashes = b"".join([part for kind, names in terms.items() for part in self._hashes(kind, names)])
        return hashes if self._crypt is None else self._crypt.seal(_PURPOSE, str(offset), hashes)

    def _hashes(self, kind: str, names: Iterable[str]) -> list[bytes]:
        known = self._known.setdefault(kind, {})
        if len(known) >= KNOWN:
            known.clear()
        return [known.get(name) or known.setdefault(name, self._hash(kind + name)) for name in names]

    def _hash(self, term: str) -> bytes:
        return blake2b(term.encode("utf-8", "surrogatepass"), digest_size=WIDTH, key=self._key).digest()

    def _opened(self, name: str, stored: bytes) -> bytes:
        return stored if self._crypt is None else self._crypt.open(_PURPOSE, name, stored)

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self.path):
            yield self._connection


def _has(hashes: bytes, wanted: bytes) -> bool:
    """Whether a hash stands among hashes: where its bytes are found across two of them it is looked on."""
    at = hashes.find(wanted)
    while at % WIDTH and at != -1:
        at = hashes.find(wanted, at + 1)
    return at != -1


def _sized(path: Path) -> None:
    """Give a new file its size of pages, which a file that has a write-ahead log keeps."""
    if not path.exists():
        private(path)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA page_size={PAGE}")
            connection.execute("VACUUM")
