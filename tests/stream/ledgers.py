"""A sealed store to test with: three days of events, findings, and rows of a table."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from stream.embedded.file import explained
from stream.frame import Frame, Header, pack
from stream.ledger.file import FILE, Ledger
from stream.ledger.note import Signer
from stream.ledger.sealer import FrameSource, RowSource, Sealer
from stream.ledger.store import Store, verify_store
from stream.log import EVENTS, FINDINGS, Log
from stream.salt import fresh_salt
from stream.sqlite import SqliteLog, open_log

DAY: Final = 86_400.0
NOON: Final = 20_000 * DAY + DAY / 2
KEY: Final = Signer("example.org/log", bytes(range(32)))
DAYS: Final = ("2024-10-04.sqlite", "2024-10-05.sqlite", "2024-10-06.sqlite")
ROWS: Final = "rows.sqlite"


def an_events_frame(number: int, received: float, lines: int = 5) -> Frame:
    """A frame of short lines that tell whose they are."""
    body = b"\n".join(
        b'{"time":%d,"server":"s","method":"m","user":"user-%d-%d"}' % (received, number, line) for line in range(lines)
    )
    header = Header(received=received, count=lines, first=received, last=received, source="test", digest=f"{number:x}")
    return pack(header, body)


def read_rows(path: Path, since: int, limit: int) -> list[tuple[int, bytes]]:
    """Rows of the table beside the log."""
    with explained(path), closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT id, body FROM t WHERE id >= ? ORDER BY id LIMIT ?", (since, limit))
        return [(number, body.encode()) for number, body in found]


def a_sealer(folder: Path, log: Log, ledger: Ledger, times: Iterable[float] | None = None) -> Sealer:
    """A sealer of everything in a folder, with a clock that stands still where none is given."""
    moments = iter(times) if times is not None else None
    return Sealer(
        ledger,
        log,
        [
            FrameSource(log, EVENTS),
            FrameSource(log, FINDINGS),
            RowSource("rows", lambda since, limit: read_rows(folder / ROWS, since, limit)),
        ],
        lambda: [KEY],
        lambda: NOON if moments is None else next(moments),
    )


def open_salted(folder: Path) -> SqliteLog:
    """The log of a folder, as a running Tocsin opens it."""
    return open_log(folder, reserve_bytes=0, salt=fresh_salt)


def write(folder: Path, *, frames: int = 30, each: int = 4) -> None:
    """Fill a folder: `frames` over three days, sealed each few of them, the last two of them not yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / ROWS)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    with open_salted(folder) as log, Ledger(folder / FILE, KEY.verifier.name) as ledger:
        sealer = a_sealer(folder, log, ledger)
        per_day = -(-frames // 3)
        for number in range(frames):
            at = NOON + DAY * (number // per_day)
            log.append(EVENTS, an_events_frame(number, at)).result(10)
            if number % 3 == 0:
                log.append(FINDINGS, an_events_frame(number, at, 1)).result(10)
                with closing(sqlite3.connect(folder / ROWS)) as connection, connection:
                    connection.execute("INSERT INTO t VALUES (?, ?)", (number + 1, f"decided {number}"))
            if number % each == each - 1:
                sealer.finish()
                if sealer.ledger.size % 2 == 0:
                    sealer.ledger.keep_newest()


def verify(folder: Path, anchored: Sequence[str] = ()) -> Store:
    """Verify a folder with the key that its checkpoints are signed with."""
    rows = {"rows": (folder / ROWS, lambda since, limit: read_rows(folder / ROWS, since, limit))}
    return verify_store(folder, [KEY.verifier], anchored, rows=rows)


def checkpoint(folder: Path) -> str:
    """The newest checkpoint of a folder's ledger."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return str(connection.execute("SELECT note FROM checkpoints ORDER BY size DESC").fetchone()[0])
