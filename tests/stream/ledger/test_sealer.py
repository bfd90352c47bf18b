"""The sealer seals everything once, whatever log it stands in and whenever it is cut short."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from stream.errors import StorageError
from stream.frame import Frame
from stream.ledger.file import FILE, Ledger
from stream.ledger.note import Signer
from stream.ledger.reading import LedgerFile
from stream.ledger.seal import DECODER
from stream.ledger.sealer import FrameSource, Sealer
from stream.ledger.verify import prove
from stream.ledger.witness import Witness
from stream.log import EVENTS, FINDINGS, Log
from stream.tombstone import Tombstone
from tests.stream.ledgers import (
    DAYS,
    KEY,
    ROWS,
    a_sealer,
    an_events_frame,
    checkpoint,
    open_salted,
    verify,
    write,
)

ERASED = Tombstone(why="erased", note=1).text

Reopen = Callable[[], AbstractContextManager[Log]]
FrameOf = Callable[..., Frame]


def sealer_of(log: Log, ledger: Ledger, clock: Callable[[], float] = lambda: 0.0) -> Sealer:
    return Sealer(ledger, log, [FrameSource(log, EVENTS), FrameSource(log, FINDINGS)], lambda: [KEY], clock)


def ranges(folder: Path) -> list[tuple[int, str, int, int]]:
    """Seal, stream, first and last offset of every part."""
    with closing(sqlite3.connect(folder / FILE)) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM seals ORDER BY number")]
    return [
        (seal.number, part.stream, part.first, part.last) for seal in map(DECODER.decode, bodies) for part in seal.parts
    ]


def test_every_log_is_sealed_once_across_restarts(reopen: Reopen, tmp_path: Path, frame_of: FrameOf) -> None:
    for start in (0, 7):
        with reopen() as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
            sealer = sealer_of(log, ledger)
            for number in range(start, start + 7):
                log.append(EVENTS, frame_of(number)).result(10)
            log.append(FINDINGS, frame_of(start)).result(10)
            sealer.finish()
            sealer.finish()
    assert ranges(tmp_path) == [
        (0, "events", 0, 6),
        (0, "findings", 0, 0),
        (1, "events", 7, 13),
        (1, "findings", 1, 1),
    ]


def test_a_seal_is_made_every_ten_seconds_and_not_before(tmp_path: Path) -> None:
    now = [1000.0]
    with open_salted(tmp_path) as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
        sealer = sealer_of(log, ledger, lambda: now[0])
        sizes = []
        for second in range(25):
            now[0] = 1000.0 + second
            log.append(EVENTS, an_events_frame(second, now[0])).result(10)
            sealer.advance()
            sizes.append(ledger.size)
    assert sizes == [1] * 10 + [2] * 10 + [3] * 5


def test_a_clock_that_was_set_back_does_not_stop_it(tmp_path: Path) -> None:
    now = [1000.0]
    with open_salted(tmp_path) as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
        sealer = sealer_of(log, ledger, lambda: now[0])
        for at in (1000.0, 0.0):
            now[0] = at
            log.append(EVENTS, an_events_frame(1, 1.0)).result(10)
            sealer.advance()
        assert ledger.size == 2


def test_what_a_crash_left_unsigned_is_signed_at_the_next_start(tmp_path: Path) -> None:
    write(tmp_path, each=3)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("DELETE FROM checkpoints WHERE size = 10")
    (fault,) = verify(tmp_path).faults
    assert fault.what == "seals 8 to 9 are not signed"
    with open_salted(tmp_path) as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
        a_sealer(tmp_path, log, ledger).finish()
    assert verify(tmp_path).faults == []


def test_a_checkpoint_from_outside_shows_that_the_end_is_missing(tmp_path: Path) -> None:
    write(tmp_path, frames=12, each=3)
    anchored = checkpoint(tmp_path)
    assert verify(tmp_path, [anchored]).faults == []
    cut = tmp_path / "cut"
    write(cut, frames=6, each=3)
    (fault,) = verify(cut, [anchored]).faults
    assert (fault.file.name, fault.offset) == (FILE, 2)
    assert "cut off" in fault.what


def test_another_history_than_the_anchored_one_is_found(tmp_path: Path) -> None:
    write(tmp_path / "one", frames=12, each=3)
    write(tmp_path / "other", frames=12, each=3)
    (fault,) = verify(tmp_path / "one", [checkpoint(tmp_path / "other")]).faults
    assert "not those whose checkpoint was anchored" in fault.what


def test_a_removed_payload_is_fine_once_a_sealed_note_says_so(tmp_path: Path) -> None:
    write(tmp_path, each=3)
    with closing(sqlite3.connect(tmp_path / "log" / DAYS[1])) as connection, connection:
        connection.execute(f"UPDATE frames SET payload = NULL, gone = '{ERASED}' WHERE \"offset\" = 13")
    (fault,) = verify(tmp_path).faults
    assert (fault.file.name, fault.offset) == (DAYS[1], 13)
    with open_salted(tmp_path) as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
        sealer = a_sealer(tmp_path, log, ledger)
        sealer.note("removed", what="payloads", stream="events", partition=0, begin=13, end=14, why="erased")
    store = verify(tmp_path)
    assert store.faults == []
    assert store.chains[0].removed == 1


def test_a_day_that_retention_took_is_fine_once_a_sealed_note_says_so(tmp_path: Path) -> None:
    write(tmp_path, each=3)
    with open_salted(tmp_path) as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
        sealer = a_sealer(tmp_path, log, ledger)
        sealer.note("removed", what="frames", stream="events", partition=0, begin=0, end=10, why="30 days")
    (tmp_path / "log" / DAYS[0]).unlink()
    store = verify(tmp_path)
    assert store.faults == []
    assert [account.gone for account in store.accounts] == [10, 0, 0, 0]
    (tmp_path / "log" / DAYS[1]).unlink()
    assert verify(tmp_path).faults != []


def test_a_forged_note_removes_nothing(tmp_path: Path) -> None:
    write(tmp_path, each=3)
    body = b'{"kind":"removed","what":"frames","stream":"events","partition":0,"begin":0,"end":10,"why":"me"}'
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("INSERT INTO notes (body) VALUES (?)", (body,))
    (tmp_path / "log" / DAYS[0]).unlink()
    assert [fault.offset for fault in verify(tmp_path).faults] == [0]


def test_a_ledger_put_back_to_an_older_state_is_refused(tmp_path: Path) -> None:
    write(tmp_path, frames=6, each=3)
    older = (tmp_path / FILE).read_bytes()
    with open_salted(tmp_path) as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
        log.append(EVENTS, an_events_frame(99, 1.0)).result(10)
        a_sealer(tmp_path, log, ledger).finish()
    (tmp_path / FILE).write_bytes(older)
    with (
        open_salted(tmp_path) as log,
        Ledger(tmp_path / FILE, KEY.verifier.name) as ledger,
        pytest.raises(StorageError, match="not the ledger that was last seen"),
    ):
        a_sealer(tmp_path, log, ledger)


def test_a_key_of_another_ledger_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / FILE, KEY.verifier.name).close()
    other = Signer("example.org/other", bytes(32))
    with pytest.raises(StorageError, match="is the ledger of"):
        Ledger(tmp_path / FILE, other.verifier.name)


def test_the_ledger_is_for_its_owner_alone(tmp_path: Path) -> None:
    Ledger(tmp_path / FILE, KEY.verifier.name).close()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_frames_of_a_log_without_day_files_are_held_against_their_entries(
    reopen: Reopen, tmp_path: Path, frame_of: FrameOf
) -> None:
    from hashlib import sha256

    from stream.frame import HEADER_ENCODER

    with reopen() as log, Ledger(tmp_path / FILE, KEY.verifier.name) as ledger:
        for number in range(5):
            log.append(EVENTS, frame_of(number)).result(10)
        sealer_of(log, ledger).finish()
        records = log.read(EVENTS, 0)
    file = LedgerFile(tmp_path / FILE)
    proved = prove(file, [KEY.verifier])
    for changed in (None, 3):
        witness = Witness(file, proved, EVENTS.name, 0, Path("events"))
        faults = []
        for record in records:
            payload = record.frame.payload if record.offset != changed else b"other"
            header = HEADER_ENCODER.encode(record.frame.header)
            faults.append(witness.frame(Path("events"), record.offset, header, sha256(payload).digest(), payload))
        assert [at for at, fault in enumerate(faults) if fault is not None][:1] == (
            [] if changed is None else [changed]
        )
    file.close()


def test_rows_are_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, frames=6, each=3)
    with closing(sqlite3.connect(tmp_path / ROWS)) as connection, connection:
        connection.execute("INSERT INTO t VALUES (90, 'not sealed yet')")
    accounts = {account.stream: account for account in verify(tmp_path).accounts}
    assert (accounts["rows"].sealed, accounts["rows"].unsealed) == (2, 1)
