"""Taking payloads out of a file of frames, and giving the disk what they took."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from stream.crashpoints import crash_point
from stream.embedded.file import connect, explained, transaction
from stream.frame import HEADER_DECODER

PATIENCE_MS: Final = 500
AT_ONCE: Final = 64
"""Frames of one transaction at most, so that whoever writes hardly waits."""
ROWS_AT_ONCE: Final = 2_000
"""Frames that one transaction takes away as a whole, most of which are ticks, at most."""


class Change(NamedTuple):
    """What becomes of a frame: the payload that is left, None where all of it goes, and what stands in its place."""

    offset: int
    gone: str
    payload: bytes | None


def change(path: Path, changes: Sequence[Change]) -> None:
    """Put what is left in the place of payloads; the bytes that were there are overwritten. Raises StorageError."""
    with explained(path), closing(connect(path, writes=True)) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        with transaction(connection):
            connection.executemany(
                'UPDATE frames SET payload = ?, gone = ? WHERE "offset" = ?',
                [(one.payload, one.gone, one.offset) for one in changes],
            )
        crash_point("removal.after_change")
        # What was there stands in the write-ahead log, too; a reader who is in the way only puts that off.
        connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def compact(path: Path) -> int:
    """Give back the room that is free inside a file; how many bytes. Raises StorageError."""
    before = path.stat().st_size
    with explained(path), closing(connect(path, writes=True)) as connection:
        if not connection.execute("PRAGMA freelist_count").fetchone()[0]:
            return 0
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return max(before - path.stat().st_size, 0)


def remove(path: Path) -> int:
    """Take a file away with what SQLite keeps beside it; how many bytes that frees."""
    size = 0
    # The write-ahead log last: without the file it says nothing, and is found when the removal is taken up again.
    for name in (path.name, f"{path.name}-shm", f"{path.name}-wal"):
        part = path.with_name(name)
        if part.exists():
            size += part.stat().st_size
            part.unlink()
        crash_point("removal.between_files")
    return size


def behead(path: Path, end: int) -> int:
    """Take the next few frames before an offset out of a file, which then begins behind them; how many there were."""
    with explained(path), closing(connect(path, writes=True)) as connection:
        connection.execute("PRAGMA secure_delete=ON")
        with transaction(connection):
            some = connection.execute(
                'SELECT "offset", chain FROM frames WHERE "offset" < ? ORDER BY "offset" LIMIT ?', (end, ROWS_AT_ONCE)
            ).fetchall()
            if some:
                last, chain = some[-1]
                connection.execute('DELETE FROM frames WHERE "offset" <= ?', (last,))
                connection.execute('UPDATE meta SET "first" = ?, previous = ?', (last + 1, chain))
        crash_point("removal.after_change")
        connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return len(some)


def key_ids(path: Path) -> set[str]:
    """The ids of the data keys that the payloads in a file are encrypted with."""
    found: set[str] = set()
    with explained(path), closing(connect(path)) as connection:
        for (header,) in connection.execute("SELECT header FROM frames WHERE payload IS NOT NULL"):
            if (id_ := HEADER_DECODER.decode(header).key_id) is not None:
                found.add(id_)
    return found


def first_and_last(path: Path) -> tuple[int, int, bytes] | None:
    """The offsets of the first frame of a file and behind its last, and the last one's chain digest."""
    with explained(path), closing(connect(path)) as connection:
        low = connection.execute('SELECT min("offset") FROM frames').fetchone()[0]
        row = connection.execute('SELECT "offset", chain FROM frames ORDER BY "offset" DESC LIMIT 1').fetchone()
    return None if row is None else (int(low), int(row[0]) + 1, bytes(row[1]))
