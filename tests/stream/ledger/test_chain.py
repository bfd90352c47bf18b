"""Whatever was changed in a log is found at its first place, by file and offset."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from stream.errors import StorageError
from stream.frame import HEADER_DECODER, HEADER_ENCODER, Frame, link
from stream.ledger.chain import verify_chain
from stream.log import EVENTS, FINDINGS
from stream.sqlite import open_log
from stream.tombstone import Tombstone

ERASED = Tombstone(why="erased", note=1).text

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2
FIRST, SECOND, THIRD = "2024-10-04.sqlite", "2024-10-05.sqlite", "2024-10-06.sqlite"

FrameOf = Callable[..., Frame]


@pytest.fixture
def data(tmp_path: Path, frame_of: FrameOf) -> Path:
    """Three days of ten frames each, and five findings."""
    folder = tmp_path / "data"
    with open_log(folder, reserve_bytes=0) as log:
        for number in range(30):
            log.append(EVENTS, frame_of(number, NOON + DAY * (number // 10), size=3_000)).result(10)
        for number in range(5):
            log.append(FINDINGS, frame_of(number)).result(10)
    return folder


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def fault(data: Path) -> tuple[str, int, str]:
    chain = verify_chain(data)[0]
    assert chain.fault is not None
    return chain.fault.file.name, chain.fault.offset, chain.fault.what


def test_a_whole_log_is_found_whole_and_nothing_is_written(data: Path) -> None:
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    told: list[tuple[str, int]] = []
    events, findings = verify_chain(data, progress=lambda path, frames: told.append((path.name, frames)))
    assert (events.stream, events.files, events.frames, events.first, events.fault) == ("events", 3, 30, 0, None)
    assert (findings.stream, findings.files, findings.frames, findings.fault) == ("findings", 1, 5, None)
    assert told == [(FIRST, 10), (SECOND, 10), (THIRD, 10), ("findings.sqlite", 5)]
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_a_running_log_can_be_verified(data: Path, frame_of: FrameOf) -> None:
    with open_log(data, reserve_bytes=0) as log:
        log.append(EVENTS, frame_of(30, NOON + 2 * DAY)).result(10)
        assert (verify_chain(data)[0].frames, verify_chain(data)[0].fault) == (31, None)


def test_there_must_be_a_log(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no log"):
        verify_chain(tmp_path)


@pytest.mark.parametrize(
    ("statement", "offset", "what"),
    [
        ('UPDATE frames SET payload = zeroblob(length(payload)) WHERE "offset" = 13', 13, "payload"),
        ('UPDATE frames SET payload = NULL WHERE "offset" = 13', 13, "nothing says why"),
        ('UPDATE frames SET digest = zeroblob(32) WHERE "offset" = 13', 13, "payload"),
        ('UPDATE frames SET chain = zeroblob(32) WHERE "offset" = 13', 13, "chain"),
        ('UPDATE frames SET header = (SELECT header FROM frames WHERE "offset" = 14) WHERE "offset" = 13', 13, "chain"),
        ('UPDATE frames SET "last" = "last" + 1 WHERE "offset" = 13', 13, "times"),
        ('DELETE FROM frames WHERE "offset" = 13', 13, "missing"),
        ('DELETE FROM frames WHERE "offset" < 13', 10, "missing"),
        ('DELETE FROM frames WHERE "offset" > 17', 18, "ends at 17"),
        ("DELETE FROM frames", 10, "ends at 9"),
        ("UPDATE meta SET previous = zeroblob(32)", 10, "not chained"),
        ('UPDATE meta SET "first" = 12', 12, "should begin at offset 10"),
        ("UPDATE meta SET stream = 'findings'", 10, "not 'events'"),
        ("DELETE FROM meta", 10, "where it begins"),
    ],
)
def test_a_change_in_the_middle_is_found_at_its_place(data: Path, statement: str, offset: int, what: str) -> None:
    change(data / "log" / SECOND, statement)
    name, found, why = fault(data)
    assert (name, found) == (SECOND, offset)
    assert what in why


def test_swapped_frames_are_found(data: Path) -> None:
    change(
        data / "log" / SECOND,
        'UPDATE frames SET "offset" = -1 WHERE "offset" = 13',
        'UPDATE frames SET "offset" = 13 WHERE "offset" = 14',
        'UPDATE frames SET "offset" = 14 WHERE "offset" = -1',
    )
    assert fault(data)[:2] == (SECOND, 13)


def test_a_frame_moved_to_the_end_leaves_its_place(data: Path) -> None:
    change(data / "log" / SECOND, 'UPDATE frames SET "offset" = 1000000000000 WHERE "offset" = 13')
    assert fault(data)[:2] == (SECOND, 13)


def test_a_forged_frame_whose_chain_was_worked_out_again_breaks_at_the_next(data: Path) -> None:
    path = data / "log" / SECOND
    with closing(sqlite3.connect(path)) as connection, connection:
        previous = connection.execute('SELECT chain FROM frames WHERE "offset" = 12').fetchone()[0]
        stored = connection.execute('SELECT header FROM frames WHERE "offset" = 13').fetchone()[0]
        header = HEADER_ENCODER.encode(HEADER_DECODER.decode(stored))
        digest = sha256(b"forged").digest()
        connection.execute(
            'UPDATE frames SET payload = ?, digest = ?, chain = ? WHERE "offset" = 13',
            (b"forged", digest, link(previous, header, digest)),
        )
    assert fault(data)[:2] == (SECOND, 14)


def test_a_missing_day_is_found(data: Path) -> None:
    (data / "log" / SECOND).unlink()
    name, offset, what = fault(data)
    assert (name, offset) == (THIRD, 20)
    assert "should begin at offset 10" in what


def test_days_gone_by_retention_are_no_fault_but_told(data: Path) -> None:
    (data / "log" / FIRST).unlink()
    chain = verify_chain(data)[0]
    assert (chain.first, chain.frames, chain.fault) == (10, 20, None)


def test_days_in_each_others_place_are_found(data: Path) -> None:
    folder = data / "log"
    shutil.move(folder / SECOND, folder / "other")
    shutil.move(folder / THIRD, folder / SECOND)
    shutil.move(folder / "other", folder / THIRD)
    assert fault(data)[:2] == (SECOND, 20)


def test_a_removed_payload_that_says_why_keeps_the_proof(data: Path) -> None:
    change(data / "log" / SECOND, f"UPDATE frames SET payload = NULL, gone = '{ERASED}' WHERE \"offset\" = 13")
    chain = verify_chain(data)[0]
    assert (chain.frames, chain.removed, chain.fault) == (30, 1, None)


def test_a_flipped_byte_is_found_or_was_in_none_of_the_frames(data: Path) -> None:
    path = data / "log" / SECOND
    whole = path.read_bytes()
    found = 0
    for place in range(0, len(whole), 997):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        try:
            chain = verify_chain(data)[0]
        except StorageError:
            found += 1
            continue
        if chain.fault is None:
            assert (chain.frames, chain.head) == (30, verify_chain(data)[0].head)
        else:
            assert chain.fault.file in (path, path.with_name(THIRD))
            found += 1
    assert found >= 15


def test_a_file_cut_short_is_found(data: Path) -> None:
    path = data / "log" / SECOND
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        name, offset, _ = fault(data)
        assert name == SECOND
        assert 10 <= offset < 20


def test_an_end_cut_off_and_tidied_up_is_what_the_chain_alone_cannot_show(data: Path) -> None:
    change(
        data / "log" / THIRD,
        'DELETE FROM frames WHERE "offset" > 25',
        "UPDATE sqlite_sequence SET seq = 25",
    )
    chain = verify_chain(data)[0]
    assert (chain.frames, chain.fault) == (26, None)
