"""One SQLite file of frames: consecutive offsets, each row chained to the one before."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stream.embedded.file import connect, explain, explained, transaction, version
from stream.errors import DamagedError, StorageError
from stream.frame import HEADER_DECODER, Frame, Record, link
from stream.tombstone import Tombstone, remaining, tombstone

VERSION: Final = 1
APPLICATION: Final = 0x746F6373  # "tocs"
START: Final = bytes(32)
"""What the first frame of a log is chained to."""
BYTES_AT_ONCE: Final = 64 * 1024 * 1024

_SCHEMA: Final = """
CREATE TABLE frames (
  "offset" INTEGER PRIMARY KEY AUTOINCREMENT,
  "first" REAL NOT NULL,
  "last" REAL NOT NULL,
  header BLOB NOT NULL,
  digest BLOB NOT NULL,
  chain BLOB NOT NULL,
  gone TEXT,
  payload BLOB
);
CREATE INDEX frames_by_time ON frames ("last", "first") WHERE "last" > 0;
CREATE TABLE meta (stream TEXT NOT NULL, "first" INTEGER NOT NULL, previous BLOB NOT NULL);
"""
_INSERT: Final = 'INSERT INTO frames ("offset", "first", "last", header, digest, chain, payload) VALUES '
_VALUES: Final = "(?, ?, ?, ?, ?, ?, ?)"


class Row(NamedTuple):
    """A row as it is stored; `payload` is None where it is gone, and `gone` says why that or some lines are."""

    offset: int
    first: float
    last: float
    header: bytes
    digest: bytes
    chain: bytes
    gone: str | None
    payload: bytes | None


class End(NamedTuple):
    """Where a file ends: the offset that comes next, and what the next frame is chained to."""

    next: int
    chain: bytes


class Start(NamedTuple):
    """Where a file begins: whose frames, from which offset on, chained to what."""

    stream: str
    first: int
    previous: bytes


def create(path: Path, stream: str, first: int, previous: bytes) -> sqlite3.Connection:
    """A connection that writes to a new file of frames; one that a crash left without tables is taken as new."""
    connection = connect(path, create=True, writes=True)
    try:
        if version(connection) == 0:
            with transaction(connection):
                for statement in _SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES (?, ?, ?)", (stream, first, previous))
                connection.execute(f"PRAGMA application_id={APPLICATION}")
                connection.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def start(connection: sqlite3.Connection, path: Path) -> Start | None:
    """Where a file begins; None where a crash left it without tables.

    Raises StorageError where a newer Tocsin wrote it, DamagedError where it does not say.
    """
    found = version(connection)
    if found == 0:
        return None
    if found != VERSION:
        raise StorageError(
            f"was written by another version of Tocsin (its tables are version {found}, known is {VERSION})",
            where=str(path),
            hint="use the Tocsin that wrote it, or a newer one",
        )
    row = connection.execute('SELECT stream, "first", previous FROM meta').fetchone()
    if row is None or [type(value) for value in row] != [str, int, bytes]:
        raise DamagedError("does not say where it begins", where=str(path), hint="restore it from a backup")
    return Start(*row)


def end(connection: sqlite3.Connection, path: Path, begin: Start) -> End:
    """Where a file ends.

    Raises DamagedError where frames that were written are missing at its end.
    """
    last = connection.execute('SELECT "offset", chain FROM frames ORDER BY "offset" DESC LIMIT 1').fetchone()
    sequence = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'frames'").fetchone()
    found = End(begin.first, begin.previous) if last is None else End(last[0] + 1, last[1])
    if sequence is not None and sequence[0] != found.next - 1:
        raise DamagedError(
            f"frames up to offset {sequence[0]} were written, but it ends at {found.next - 1}",
            where=str(path),
            hint="run `tocsin verify`, and restore the file from a backup",
        )
    return found


def add(connection: sqlite3.Connection, at: End, frames: Sequence[tuple[Frame, bytes]]) -> End:
    """Write frames (each with its encoded header) behind the end in one durable transaction; the new end.

    It is one statement, since beside a busy thread every return from SQLite may wait for the interpreter's lock.
    """
    offset, chain = at
    values: list[object] = []
    for frame, header in frames:
        digest = sha256(frame.payload).digest()
        chain = link(chain, header, digest)
        values += (offset, frame.header.first, frame.header.last, header, digest, chain, frame.payload)
        offset += 1
    connection.execute(_INSERT + ", ".join([_VALUES] * len(frames)), values)
    return End(offset, chain)


def rows(connection: sqlite3.Connection, position: int, limit: int) -> Iterator[Row]:
    """The rows at offsets `>= position`, in order, at most `limit`."""
    cursor = connection.execute(
        'SELECT "offset", "first", "last", header, digest, chain, gone, payload FROM frames WHERE "offset" >= ? '
        'ORDER BY "offset" LIMIT ?',
        (position, limit),
    )
    return map(Row._make, cursor)


def read(path: Path, position: int, until: int, limit: int) -> list[Record]:
    """Frames of a file with `position <= offset < until`, at most `limit`, each checked against its digests.

    Raises DamagedError naming the first offset whose stored bytes are not what was written; FileNotFoundError where the
    file is gone.
    """
    found: list[Record] = []
    size = 0
    if not path.exists():
        raise FileNotFoundError(path)
    expected = position
    try:
        with closing(connect(path)) as connection:
            chain = _chain_before(connection, path, position)
            for row in rows(connection, position, until - position):
                if row.offset >= until:
                    break
                expected = row.offset
                record = check(row, chain, path)
                chain = row.chain
                expected += 1
                if record is None:
                    continue
                found.append(record)
                size += len(record.frame.payload)
                if len(found) >= limit or size >= BYTES_AT_ONCE:
                    break
    except sqlite3.Error as error:
        if not path.exists():
            raise FileNotFoundError(path) from error
        raise explain(error, path, expected) from error
    return found


def some(path: Path, offsets: Iterable[int]) -> Iterator[Record]:
    """Single frames of a file, in the order asked for, each checked against its own digests; those gone are left out.

    Raises as `read` does.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    with explained(path), closing(connect(path)) as connection:
        for offset in offsets:
            for row in rows(connection, offset, 1):
                if row.offset == offset and (record := check(row, None, path)) is not None:
                    yield record


def touching(path: Path, since: float, until: float) -> list[tuple[int, int]]:
    """Ranges of offsets, `begin` to before `end`, of the frames with event times in `[since, until)`, in order.

    Raises FileNotFoundError where the file is gone.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    ranges: list[tuple[int, int]] = []
    with explained(path), closing(connect(path)) as connection:
        for (offset,) in connection.execute(
            'SELECT "offset" FROM frames INDEXED BY frames_by_time '
            'WHERE "last" > 0 AND "last" >= ? AND "first" < ? ORDER BY "offset"',
            (since, until),
        ):
            if ranges and ranges[-1][1] == offset:
                ranges[-1] = (ranges[-1][0], offset + 1)
            else:
                ranges.append((offset, offset + 1))
    return ranges


def check(row: Row, previous: bytes | None, path: Path) -> Record | None:
    """The record of a row, None where its payload is gone; `previous` is the chain before it where that is known.

    Raises DamagedError naming file, offset and what differs.
    """
    if any(type(value) is not bytes for value in (row.header, row.digest, row.chain)) or (
        row.payload is not None and type(row.payload) is not bytes
    ):
        raise _damaged(path, row.offset, "the row does not hold what a frame's row holds")
    stone = _stone(row, path) if row.gone is not None else None
    if row.payload is not None:
        expected = row.digest.hex() if stone is None else stone.digest
        if sha256(row.payload).hexdigest() != expected:
            raise _damaged(path, row.offset, "the payload is not what its digest says")
    if previous is not None and link(previous, row.header, row.digest) != row.chain:
        raise _damaged(path, row.offset, "header, digest or the row before it are not what the chain says")
    try:
        header = HEADER_DECODER.decode(row.header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _damaged(path, row.offset, f"the header cannot be read ({error})") from error
    if (header.first, header.last) != (row.first, row.last):
        raise _damaged(path, row.offset, "the event times beside the frame are not those of its header")
    if row.payload is None:
        if stone is None:
            raise _damaged(path, row.offset, "the payload is missing and nothing says why")
        return None
    return Record(row.offset, Frame(header if stone is None else remaining(header, stone.bits), row.payload))


def _stone(row: Row, path: Path) -> Tombstone:
    try:
        stone = tombstone(row.gone or "")
    except DamagedError as error:
        raise _damaged(path, row.offset, error.what) from error
    if (row.payload is None) != (stone.digest == ""):
        raise _damaged(path, row.offset, "the payload is not what is said about its removal")
    return stone


def begins(path: Path) -> Start | None:
    """Where a file on the disk begins; None where a crash left it without tables."""
    with explained(path), closing(connect(path)) as connection:
        return start(connection, path)


def _chain_before(connection: sqlite3.Connection, path: Path, position: int) -> bytes | None:
    row = connection.execute('SELECT chain FROM frames WHERE "offset" = ?', (position - 1,)).fetchone()
    if row is not None:
        return bytes(row[0])
    begin = start(connection, path)
    return begin.previous if begin is not None and position <= begin.first else None


def _damaged(path: Path, offset: int, what: str) -> DamagedError:
    return DamagedError(
        what,
        where=f"{path}, offset {offset}",
        hint="run `tocsin verify` to see how far it is good, and restore the file from a backup",
    )
