"""The embedded log in what is its own: days, locks, damage, a full disk, and being killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream.errors import DamagedError, FullError, LockedError, StorageError
from stream.frame import Frame, Header
from stream.ledger.chain import verify_chain
from stream.log import EVENTS, FINDINGS, Snapshot, Stream
from stream.sqlite import SqliteLog, open_log

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2

FrameOf = Callable[..., Frame]


@dataclass
class Disk:
    """A disk with so much room."""

    total: int = 100 << 30
    free: int = 50 << 30


def targets(log: SqliteLog, stream: Stream = EVENTS) -> list[int]:
    found: list[int] = []
    position = 0
    while part := log.read(stream, position):
        found += [int(record.frame.header.digest, 16) for record in part]
        position = part[-1].offset + 1
    return found


# Days


def test_each_day_of_receipt_has_its_file_and_the_chain_goes_on_over_midnight(
    tmp_path: Path, frame_of: FrameOf
) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        futures = [log.append(EVENTS, frame_of(number, NOON + DAY * (number // 3))) for number in range(9)]
        assert [future.result(10) for future in futures] == list(range(9))
        assert targets(log) == list(range(9))
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == [
        "2024-10-04.sqlite",
        "2024-10-05.sqlite",
        "2024-10-06.sqlite",
    ]
    chain = verify_chain(tmp_path)[0]
    assert (chain.files, chain.frames, chain.fault) == (3, 9, None)


def test_a_wall_clock_that_goes_back_stays_on_the_day_of_the_logs_clock(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        for number, received in enumerate((NOON, NOON + DAY, NOON, NOON + DAY)):
            log.append(EVENTS, frame_of(number, received)).result(10)
    with open_log(tmp_path, reserve_bytes=0) as log:
        log.append(EVENTS, frame_of(4, NOON)).result(10)
        assert targets(log) == list(range(5))
    assert len(list((tmp_path / "log").iterdir())) == 2
    assert verify_chain(tmp_path)[0].fault is None


def test_a_day_that_retention_takes_is_passed_over_while_the_log_runs(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        for number in range(9):
            log.append(EVENTS, frame_of(number, NOON + DAY * (number // 3))).result(10)
    with open_log(tmp_path, reserve_bytes=0) as log:
        (tmp_path / "log" / "2024-10-05.sqlite").unlink()
        assert targets(log) == [0, 1, 2, 6, 7, 8]
        assert [record.offset for record in log.read(EVENTS, 4)] == [6, 7, 8]


def test_offsets_go_on_when_every_day_was_taken_away(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        for number in range(5):
            log.append(EVENTS, frame_of(number)).result(10)
        log.save(Snapshot("detect", 1, 5, b"", {}))
    for path in (tmp_path / "log").iterdir():
        path.unlink()
    with open_log(tmp_path, reserve_bytes=0) as log:
        assert log.append(EVENTS, frame_of(5)).result(10) == 5


def test_a_file_that_a_crash_left_without_tables_is_begun_again(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        log.append(EVENTS, frame_of(0)).result(10)
    (tmp_path / "log" / "2024-10-05.sqlite").touch()
    with closing(sqlite3.connect(tmp_path / "log" / "2024-10-06.sqlite")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    with open_log(tmp_path, reserve_bytes=0) as log:
        for number, day in ((1, 1), (2, 2)):
            assert log.append(EVENTS, frame_of(number, NOON + DAY * day)).result(10) == number
        assert targets(log) == [0, 1, 2]
    assert verify_chain(tmp_path)[0].fault is None


def test_a_search_by_time_finds_the_frames_that_touch_it_over_days(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        for number in range(200):
            log.append(EVENTS, frame_of(number, NOON + 3_600 * number)).result(10)
            log.append(EVENTS, Frame(Header(received=NOON + 3_600 * number, content="tick", codec="none"), b""))

        def between(since: float, until: float) -> list[int]:
            span = NOON + 3_600 * since, NOON + 3_600 * until
            found = list(log.within(EVENTS, *span))
            assert list(log.within(EVENTS, *span, newest_first=True)) == found[::-1]
            return [int(record.frame.header.digest, 16) for record in found]

        assert between(5, 8) == [5, 6, 7]
        assert between(10.5, 90.5) == list(range(11, 91))
        assert between(-9e9, 9e9) == list(range(200))
        assert between(300, 400) == []
        (tmp_path / "log" / "2024-10-06.sqlite").unlink()
        assert between(30, 65) == [*range(30, 36), *range(60, 65)]


def test_a_search_by_time_finds_large_frames_too(
    tmp_path: Path, frame_of: FrameOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.embedded.frames.BYTES_AT_ONCE", 1_000)
    with open_log(tmp_path, reserve_bytes=0) as log:
        for future in [log.append(EVENTS, frame_of(number, NOON + number, 300)) for number in range(100)]:
            future.result(10)
        found = list(log.within(EVENTS, NOON + 10, NOON + 90))
        assert [record.offset for record in found] == list(range(10, 90))
        assert list(log.within(EVENTS, NOON + 10, NOON + 90, newest_first=True)) == found[::-1]


# One owner


def test_a_second_owner_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with open_log(tmp_path, clock=lambda: 0.0) as log:
        with pytest.raises(LockedError, match=f"pid {os.getpid()}, since 1970-01-01T00:00:00") as caught:
            open_log(tmp_path)
        assert str(tmp_path) in caught.value.where
        assert "stop that process" in caught.value.hint
        assert log.read(EVENTS, 0) == ()
    open_log(tmp_path).close()


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be written") as caught:
        open_log(tmp_path / "file" / "data")
    assert "--data" in caught.value.hint


def test_a_reader_that_keeps_up_gets_the_very_frame(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        frame = frame_of(1)
        offset = log.append(EVENTS, frame).result(10)
        assert log.read(EVENTS, offset)[0].frame is frame


def test_a_partition_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with open_log(tmp_path) as log, pytest.raises(StorageError, match="no partition 1 of 'events'"):
        log.read(Stream("events", 1), 0)


def test_a_closed_log_takes_nothing_and_lets_readers_go(tmp_path: Path, frame_of: FrameOf) -> None:
    log = open_log(tmp_path, reserve_bytes=0)
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(log.read(EVENTS, 0, wait=60)))
    reader.start()
    log.close()
    reader.join(10)
    assert answers == [()]
    assert isinstance(log.append(EVENTS, frame_of(1)).exception(10), StorageError)


# Room


def test_events_are_refused_before_the_reserve_is_touched_and_taken_again_after(
    tmp_path: Path, frame_of: FrameOf
) -> None:
    disk = Disk()
    with open_log(tmp_path, usage=lambda _: disk) as log:
        log.append(EVENTS, frame_of(0)).result(10)
        disk.free = 5 << 30
        refused = log.append(EVENTS, frame_of(1)).exception(10)
        assert isinstance(refused, FullError)
        assert "5.0 GiB left, of which 5.0 GiB are reserved" in refused.what
        assert refused.hint
        # What works off what was accepted may use the reserve.
        log.append(FINDINGS, frame_of(2)).result(10)
        log.append(EVENTS, Frame(Header(received=NOON, content="tick", codec="none"), b"")).result(10)
        log.save(Snapshot("task", 1, 1, b"", {}))
        disk.free = 6 << 30
        log.append(EVENTS, frame_of(3)).result(10)


def test_the_reserve_of_a_small_disk_is_a_tenth(tmp_path: Path, frame_of: FrameOf) -> None:
    disk = Disk(total=10 << 30, free=(1 << 30) + 1_000_000)
    with open_log(tmp_path, usage=lambda _: disk) as log:
        log.append(EVENTS, frame_of(0)).result(10)
        disk.free = (1 << 30) - 1
        assert isinstance(log.append(EVENTS, frame_of(2)).exception(10), FullError)


def random_frame(number: int, size: int) -> Frame:
    """A frame that does not compress."""
    header = Header(received=NOON, count=1, digest=f"{number:064x}", codec="none")
    return Frame(header, os.urandom(size))


def test_a_disk_that_is_full_in_the_middle_of_it_loses_nothing_accepted(tmp_path: Path) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        log.append(EVENTS, random_frame(0, 10_000)).result(10)
        connection = log._streams[EVENTS]._connection
        assert connection is not None
        connection.execute("PRAGMA max_page_count=20")
        outcomes = [log.append(EVENTS, random_frame(number, 30_000)) for number in range(1, 20)]
        refused = [number for number, outcome in enumerate(outcomes, 1) if outcome.exception(10) is not None]
        assert any(isinstance(outcome.exception(10), FullError) for outcome in outcomes)
        # After a failure the file is opened afresh, and so without the limit.
        log.append(EVENTS, random_frame(20, 10)).result(10)
        assert targets(log) == [number for number in range(21) if number not in refused]
    with open_log(tmp_path, reserve_bytes=0) as log:
        assert targets(log) == [number for number in range(21) if number not in refused]
    assert verify_chain(tmp_path)[0].fault is None


def run(program: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.crash
def test_a_file_size_limit_is_an_error_with_a_hint_and_loses_nothing_accepted(tmp_path: Path) -> None:
    program = """
        import os, resource, sys
        from pathlib import Path
        from stream.errors import StorageError
        from stream.frame import Frame, Header
        from stream.log import EVENTS
        from stream.sqlite import open_log
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
        log = open_log(Path(sys.argv[1]), reserve_bytes=0)
        for number in range(100):
            frame = Frame(Header(received=1.0, digest=f"{number:064x}", codec="none"), os.urandom(20_000))
            try:
                log.append(EVENTS, frame).result(10)
            except StorageError as error:
                print("refused", error.hint, flush=True)
                os._exit(0)
            print(number, flush=True)
    """
    child = run(program, str(tmp_path))
    said = child.communicate(timeout=60)[0].splitlines()
    assert said[-1].startswith("refused")
    assert "quota" in said[-1]
    with open_log(tmp_path, reserve_bytes=0) as log:
        found = targets(log)
        assert found[: len(said) - 1] == [int(line) for line in said[:-1]]
        assert len(found) <= len(said)


# Damage


def test_a_damaged_frame_is_named_and_those_before_it_are_read(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        for number in range(10):
            log.append(EVENTS, frame_of(number)).result(10)
    path = tmp_path / "log" / "2024-10-04.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('UPDATE frames SET payload = zeroblob(9) WHERE "offset" = 6')
    with open_log(tmp_path, reserve_bytes=0) as log:
        assert len(log.read(EVENTS, 0, limit=6)) == 6
        with pytest.raises(DamagedError, match="payload") as caught:
            log.read(EVENTS, 4)
        assert caught.value.where == f"{path}, offset 6"
        assert "tocsin verify" in caught.value.hint


def test_a_file_that_is_no_database_is_named(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        log.append(EVENTS, frame_of(0)).result(10)
    path = tmp_path / "log" / "2024-10-04.sqlite"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(DamagedError, match="not what was written") as caught:
        open_log(tmp_path)
    assert caught.value.where == str(path)
    path.unlink()
    open_log(tmp_path).close()


def test_a_file_whose_end_was_cut_off_is_refused(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        for number in range(5):
            log.append(EVENTS, frame_of(number)).result(10)
    path = tmp_path / "log" / "2024-10-04.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('DELETE FROM frames WHERE "offset" = 4')
    with pytest.raises(DamagedError, match="up to offset 4 were written, but it ends at 3"):
        open_log(tmp_path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path, frame_of: FrameOf) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        log.append(EVENTS, frame_of(0)).result(10)
    for name in ("log/2024-10-04.sqlite", "state.sqlite"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("PRAGMA user_version=99")
        with pytest.raises(StorageError, match="another version"):
            open_log(tmp_path)
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("PRAGMA user_version=1")


def test_a_damaged_snapshot_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.save(Snapshot("task", 1, 1, b"meta", {"a": b"bucket"}))
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as connection, connection:
        connection.execute("UPDATE buckets SET content = 'other'")
    with open_log(tmp_path) as log:
        with pytest.raises(DamagedError, match="bucket a of the snapshot of task") as caught:
            log.load("task")
        assert "rebuilt from the log" in caught.value.hint


# Being killed

_APPENDER = """
    import sys
    from collections import deque
    from pathlib import Path
    from stream.frame import Frame, Header
    from stream.log import EVENTS, Snapshot
    from stream.sqlite import open_log
    log = open_log(Path(sys.argv[1]), reserve_bytes=0)
    start = log.end(EVENTS)
    waiting = deque()
    for number in range(start, start + 100_000):
        day = 86_400.0 * (number // 50)
        header = Header(received=day, digest=f"{number:064x}", codec="none")
        waiting.append((number, log.append(EVENTS, Frame(header, bytes(5_000)))))
        if len(waiting) >= 8:
            number, future = waiting.popleft()
            assert future.result(10) == number
            print(number, flush=True)
        if number % 20 == 0:
            log.save(Snapshot("task", 1, number, b"%d" % number, {"bucket": b"%d" % number}))
"""


@pytest.mark.crash
def test_a_process_killed_while_it_appends_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    answered = -1
    for acknowledgements in (1, 7, 23, 60, 111):
        with run(_APPENDER, str(tmp_path)) as child:
            assert child.stdout is not None
            for _ in range(acknowledgements):
                answered = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            rest = child.stdout.read().splitlines()
        answered = max([answered, *(int(line) for line in rest if line)])
        with open_log(tmp_path, reserve_bytes=0) as log:
            found = targets(log)
            assert found == list(range(len(found)))
            assert len(found) > answered
            snapshot = log.load("task")
            assert snapshot is not None
            assert snapshot.buckets["bucket"] == snapshot.meta == b"%d" % snapshot.position
        assert verify_chain(tmp_path)[0].fault is None


@pytest.mark.crash
@pytest.mark.parametrize(("point", "frames"), [("log.before_commit:3", 2), ("log.after_commit:3", 3)])
def test_a_commit_is_whole_or_not_at_all(tmp_path: Path, point: str, frames: int) -> None:
    program = """
        import sys
        from pathlib import Path
        from stream.frame import Frame, Header
        from stream.log import EVENTS
        from stream.sqlite import open_log
        log = open_log(Path(sys.argv[1]), reserve_bytes=0)
        for number in range(9):
            log.append(EVENTS, Frame(Header(received=1.0, digest=f"{number:064x}", codec="none"), b"x")).result(10)
            print(number, flush=True)
    """
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        env={**os.environ, "TOCSIN_CRASH_AT": point},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 137
    assert child.stdout.splitlines() == ["0", "1"]
    with open_log(tmp_path, reserve_bytes=0) as log:
        assert targets(log) == list(range(frames))


def test_the_write_ahead_log_is_emptied_while_frames_come(tmp_path: Path) -> None:
    with open_log(tmp_path, reserve_bytes=0) as log:
        for start in range(0, 640, 8):
            for future in [log.append(EVENTS, random_frame(start + lane, 100_000)) for lane in range(8)]:
                future.result(30)
        size = (tmp_path / "log" / "2024-10-04.sqlite-wal").stat().st_size
        assert size < 32 << 20
    assert not list((tmp_path / "log").glob("*-wal"))
