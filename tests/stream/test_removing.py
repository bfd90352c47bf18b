"""What is removed is gone from disk and search, and everything else is still proved; a crash changes nothing of it."""

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stream import rewrite
from stream.decode import decode
from stream.encryption.crypt import Crypt
from stream.encryption.keys import KeyRing, Master, new_master
from stream.frame import Header, pack
from stream.index.file import FILE as INDEX
from stream.index.file import FrameIndex
from stream.index.indexer import Indexer
from stream.index.terms import principal
from stream.ledger.file import FILE, Ledger
from stream.ledger.proof import read_proof, write_proof
from stream.ledger.reading import LedgerFile
from stream.ledger.removals import DONE, KIND
from stream.ledger.verify import prove
from stream.log import EVENTS, FINDINGS
from stream.removing import Job, Remover, events_of
from stream.rewrite import Line
from stream.salt import fresh_salt
from stream.sqlite import SqliteLog, open_log
from tests.stream.ledgers import (
    DAY,
    DAYS,
    KEY,
    NOON,
    ROWS,
    a_sealer,
    an_events_frame,
    verify,
    write,
)
from tocsin.proof import proving
from tocsin.proof.frames import Files

JOB = Job("job-1", "retention of 30 days")


class Bench:
    """A sealed store that something is removed from."""

    def __init__(self, folder: Path, log: SqliteLog, ledger: Ledger, index: FrameIndex, crypt: Crypt | None) -> None:
        self.folder, self.log, self.ledger, self.index = folder, log, ledger, index
        self.sealer = a_sealer(folder, log, ledger)
        self.sealer.finish()
        self.remover = Remover(
            log,
            self.sealer.note,
            lambda stream: ledger.next(*stream),
            crypt=crypt,
            index=index,
        )
        indexer = Indexer(index, log, lambda: log.end(EVENTS))
        while indexer.advance():
            pass

    def path(self, day: int) -> Path:
        return self.folder / "log" / DAYS[day]

    def found(self, name: str) -> list[int]:
        return list(self.index.fitting(0.0, 1e12, [principal(name)]))

    def users(self) -> list[str]:
        return [event.user or "" for record in self.log.within(EVENTS, 0.0, 1e12) for event in decode(record.frame)]

    def take(self, user: Callable[[str], bool], day: int = 1, job: Job = JOB) -> int:
        return self.remover.lines(EVENTS, self.path(day), self.remover.pick(EVENTS, self.path(day), named(user)), job)


def named(user: Callable[[str], bool]) -> Callable[[Header, list[Line]], Collection[int]]:
    return lambda header, lines: [at for at, event in events_of(header, lines) if user(event.user or "")]


@contextmanager
def opened(folder: Path, crypt: Crypt | None = None) -> Iterator[Bench]:
    with (
        open_log(folder, reserve_bytes=0, salt=fresh_salt, crypt=crypt) as log,
        Ledger(folder / FILE, KEY.verifier.name) as ledger,
        closing(FrameIndex(folder / INDEX, crypt)) as index,
    ):
        yield Bench(folder, log, ledger, index, crypt)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    write(tmp_path)
    with opened(tmp_path) as made:
        yield made


def test_a_day_is_gone_and_the_proof_of_the_others_stays(bench: Bench) -> None:
    freed = bench.remover.file(EVENTS, bench.path(0), JOB)
    assert freed > 0
    assert not list((bench.folder / "log").glob(f"{DAYS[0]}*"))
    assert [record.offset for record in bench.log.read(EVENTS, 0, limit=100)] == list(range(10, 30))
    store = verify(bench.folder)
    assert store.faults == []
    assert (store.accounts[0].stream, store.accounts[0].gone) == ("events", 10)


def test_a_day_in_the_middle_leaves_a_gap_that_a_note_explains(bench: Bench) -> None:
    assert bench.remover.file(EVENTS, bench.path(1), JOB) > 0
    assert [record.offset for record in bench.log.read(EVENTS, 5, limit=100)] == [*range(5, 10), *range(20, 30)]
    assert [record.offset for record in bench.log.read(EVENTS, 15, limit=100)] == list(range(20, 30))
    assert verify(bench.folder).faults == []
    bench.path(0).unlink()
    assert verify(bench.folder).faults != []


def test_neither_the_file_being_written_nor_what_is_not_sealed_goes(bench: Bench) -> None:
    assert bench.remover.file(EVENTS, bench.path(2), JOB) == 0
    bench.log.append(EVENTS, an_events_frame(99, NOON + 2 * DAY)).result(60)
    assert [one.offset for one in bench.remover.pick(EVENTS, bench.path(2), named(lambda _: True))] == [*range(20, 30)]


def test_some_lines_are_gone_from_disk_log_and_index_and_the_others_are_proved(bench: Bench) -> None:
    victim = "user-13-2"
    assert bench.found(victim) == [13]
    assert bench.take(lambda user: user == victim) == 1
    assert victim not in bench.users()
    assert "user-13-1" in bench.users()
    assert len(bench.users()) == 149
    assert bench.found(victim) == []
    assert bench.found("user-13-1") == [13]
    bench.remover.compact(EVENTS, [bench.path(1)])
    raw = b"".join(path.read_bytes() for path in (bench.folder / "log").iterdir())
    assert victim.encode() not in raw
    store = verify(bench.folder)
    assert store.faults == []
    assert (store.accounts[0].removed, store.chains[0].removed) == (1, 1)


def test_lines_can_go_again_and_at_last_all_of_a_frame(bench: Bench) -> None:
    for line in range(5):
        assert bench.take(lambda user, line=line: user == f"user-14-{line}") == 1  # type: ignore[misc]  # bound early
        assert verify(bench.folder).faults == []
    assert [record.offset for record in bench.log.read(EVENTS, 13, limit=2)] == [13, 15]
    assert bench.take(lambda user: user.startswith("user-14")) == 0


def test_what_is_left_keeps_its_ids_and_numbers(bench: Bench) -> None:
    before = {event.user: event.id for record in bench.log.within(EVENTS, 0, 1e12) for event in decode(record.frame)}
    bench.take(lambda user: user.endswith(("-0", "-3")))
    after = {event.user: event.id for record in bench.log.within(EVENTS, 0, 1e12) for event in decode(record.frame)}
    assert len(after) == 130
    assert all(before[user] == id_ for user, id_ in after.items())


def test_removed_lines_leave_nothing_to_try_guesses_at(bench: Bench) -> None:
    """The salt of the whole frame is gone, and of a line that was taken out only its salted hash is left."""
    (record,) = bench.log.read(EVENTS, 13, limit=1)
    salt = record.frame.payload[-16:]
    bench.take(lambda user: user == "user-13-2")
    bench.remover.compact(EVENTS, [bench.path(1)])
    assert salt not in b"".join(path.read_bytes() for path in (bench.folder / "log").iterdir())


def test_what_is_left_of_a_frame_can_be_proved_to_others(bench: Bench) -> None:
    bench.take(lambda user: user == "user-13-2")
    bench.sealer.finish()
    chosen = proving.span(Files(bench.folder), NOON + DAY, NOON + DAY + 1)
    ledger = LedgerFile(bench.folder / FILE)
    with closing(ledger):
        proved = prove(ledger, [KEY.verifier])
        (_, note) = list(ledger.checkpoints())[-1]
        lines = list(write_proof(ledger, proved, note, chosen.wanted))
    read = read_proof(lines, [KEY.verifier])
    shown = [one.text for one in read.shown if one.offset == 13]
    assert [text[-3:-2] for text in shown] == [b"0", b"1", b"3", b"4"]
    assert all(b"user-13-2" not in text for text in lines)
    assert {one.line for one in read.shown if one.offset == 13} == {1, 2, 4, 5}


FORGED: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "another reason": lambda file: file.execute(
        """UPDATE frames SET gone = json_set(gone, '$.note', 99) WHERE "offset" = 13"""
    ),
    "other words": lambda file: file.execute(
        """UPDATE frames SET gone = json_set(gone, '$.why', 'because') WHERE "offset" = 13"""
    ),
    "another line": lambda file: file.execute(
        """UPDATE frames SET gone = json_set(gone, '$.lines', '01') WHERE "offset" = 13"""
    ),
    "no reason": lambda file: file.execute('UPDATE frames SET gone = NULL WHERE "offset" = 13'),
    "no tombstone at all": lambda file: file.execute("""UPDATE frames SET gone = 'gone' WHERE "offset" = 13"""),
    "all of it": lambda file: file.execute('UPDATE frames SET payload = NULL WHERE "offset" = 13'),
    "all of it, said so": lambda file: file.execute(
        """UPDATE frames SET payload = NULL, gone = json_remove(gone, '$.lines', '$.digest') WHERE "offset" = 13"""
    ),
    "the payload of another": lambda file: file.execute(
        'UPDATE frames SET payload = (SELECT payload FROM frames WHERE "offset" = 14) WHERE "offset" = 13'
    ),
    "another frame's tombstone": lambda file: file.execute(
        'UPDATE frames SET gone = (SELECT gone FROM frames WHERE "offset" = 13), '
        'payload = (SELECT payload FROM frames WHERE "offset" = 13) WHERE "offset" = 14'
    ),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_changed_tombstone_is_found_and_its_place_named(tmp_path: Path, how: str) -> None:
    write(tmp_path)
    with opened(tmp_path) as bench:
        bench.take(lambda user: user in ("user-13-2", "user-16-1"))
    with closing(sqlite3.connect(tmp_path / "log" / DAYS[1])) as file, file:
        FORGED[how](file)
    (fault,) = verify(tmp_path).faults
    assert (fault.file.name, fault.offset) == (DAYS[1], 14 if how.startswith("another frame") else 13)


def test_lines_forged_while_others_were_taken_out_are_found_by_what_was_sealed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even whoever holds the signing key cannot have a removal change what it leaves."""

    def lying(lines: list[Line], removed: Collection[int]) -> list[Line]:
        made = honest(lines, removed)
        made[0] = made[0]._replace(text=b'{"time":1,"server":"s","method":"m","user":"forged"}')
        return made

    honest = rewrite.without
    monkeypatch.setattr(rewrite, "without", lying)
    bench.take(lambda user: user == "user-13-2")
    (fault,) = verify(bench.folder).faults
    assert (fault.offset, fault.line) == (13, 1)
    assert "not what was sealed" in fault.what


def test_findings_lose_lines_in_the_same_way(bench: Bench) -> None:
    path = bench.log.files(FINDINGS)[0]
    picked = list(bench.remover.pick(FINDINGS, path, lambda header, lines: range(len(lines)) if header.count else ()))
    assert len(picked) == 10
    assert bench.remover.lines(FINDINGS, path, picked[:4], JOB) == 4
    assert len(bench.log.read(FINDINGS, 0)) == 6
    assert verify(bench.folder).faults == []


def test_the_beginning_of_a_stream_in_one_file_goes_and_the_rest_is_proved(bench: Bench) -> None:
    path = bench.log.files(FINDINGS)[0]
    assert bench.remover.prefix(FINDINGS, 4, JOB) == 4
    assert [record.offset for record in bench.log.read(FINDINGS, 0)] == list(range(4, 10))
    assert verify(bench.folder).faults == []
    assert bench.remover.prefix(FINDINGS, 1000, JOB) == 6
    assert bench.remover.prefix(FINDINGS, 1000, JOB) == 0
    assert bench.log.append(FINDINGS, an_events_frame(1, NOON)).result(60) == 10
    assert [record.offset for record in bench.log.read(FINDINGS, 0)] == [10]
    assert verify(bench.folder).faults == []
    with closing(sqlite3.connect(path)) as file, file:
        file.execute('UPDATE meta SET "first" = 9')
    assert verify(bench.folder).faults != []


def test_a_log_that_lost_its_beginning_is_opened_again(tmp_path: Path) -> None:
    write(tmp_path)
    with opened(tmp_path) as bench:
        bench.remover.prefix(FINDINGS, 1000, JOB)
        bench.remover.file(EVENTS, bench.path(0), JOB)
    with opened(tmp_path) as bench:
        assert bench.log.end(FINDINGS) == 10
        assert bench.log.append(FINDINGS, an_events_frame(1, NOON)).result(60) == 10
        assert bench.log.read(EVENTS, 0)[0].offset == 10
    assert verify(tmp_path).faults == []


def test_encrypted_frames_lose_lines_and_stay_encrypted_and_proved(tmp_path: Path) -> None:
    crypt = Crypt(KeyRing(tmp_path, Master(new_master())), NOON)
    with closing(sqlite3.connect(tmp_path / ROWS)) as connection, connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    with open_log(tmp_path, reserve_bytes=0, salt=fresh_salt, crypt=crypt) as log:
        for number in range(30):
            log.append(EVENTS, an_events_frame(number, NOON + DAY * (number // 10))).result(60)
    with opened(tmp_path, crypt) as bench:
        assert bench.take(lambda user: user == "user-13-2") == 1
        assert len(bench.users()) == 149
        assert bench.found("user-13-2") == []
        assert verify(tmp_path).faults == []
        raw = b"".join(path.read_bytes() for path in (tmp_path / "log").iterdir())
        assert b"user-13" not in raw
    with closing(sqlite3.connect(tmp_path / "log" / DAYS[1])) as file, file:
        file.execute("UPDATE frames SET payload = substr(payload, 1, 60) || x'00' WHERE \"offset\" = 13")
    assert [fault.offset for fault in verify(tmp_path).faults] == [13]


@pytest.mark.parametrize("point", ["before_note", "after_note", "after_change", "between_files", "before_done"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_crash_at_any_point_is_made_good_by_whoever_starts_next(
    tmp_path: Path, point: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)

    def crash(name: str, left: list[int] = [times]) -> None:  # noqa: B006  # counts over the calls of this test
        if name == f"removal.{point}":
            left[0] -= 1
            if left[0] == 0:
                raise _CrashError

    def work(bench: Bench) -> None:
        if bench.path(0).exists():
            bench.remover.file(EVENTS, bench.path(0), JOB)
        bench.take(lambda user: user.endswith("-2"))
        bench.take(lambda user: user.startswith("user-2"), day=2)
        bench.remover.done(JOB)

    with opened(tmp_path) as bench:
        for module in ("removing", "embedded.removal"):
            monkeypatch.setattr(f"stream.{module}.crash_point", crash)
        with suppress(_CrashError):
            work(bench)
        monkeypatch.undo()
    with opened(tmp_path) as bench:
        ended = {b"job-1" for _, body in bench.ledger.said(DONE) if b"job-1" in body}
        resumed = bench.remover.resume(bench.ledger.said(KIND), {"job-1"} if ended else set())
        assert (resumed == []) is (bool(ended) or not bench.ledger.said(KIND))
        assert verify(tmp_path).faults == []
        noted = [body for _, body in bench.ledger.said(KIND)]
        if any(b'"file"' in body for body in noted):
            assert not list((tmp_path / "log").glob(f"{DAYS[0]}*"))
        if not ended:
            work(bench)
        assert not list((tmp_path / "log").glob(f"{DAYS[0]}*"))
        assert sorted(bench.users()) == sorted(f"user-{n}-{line}" for n in range(10, 20) for line in (0, 1, 3, 4))
        assert bench.found("user-13-2") == []
        assert verify(tmp_path).faults == []


class _CrashError(Exception):
    """Stands for the death of the process."""


def test_the_disk_gets_back_what_was_taken_out_of_a_file(bench: Bench) -> None:
    chance = Random(1)
    for _ in range(100):
        lines = [
            b'{"time":%d,"server":"s","method":"m","user":"u%d","note":"%s"}'
            % (NOON + 2 * DAY, at % 2, chance.randbytes(500).hex().encode())
            for at in range(20)
        ]
        header = Header(received=NOON + 2 * DAY, count=20, first=NOON + 2 * DAY, last=NOON + 2 * DAY, source="k")
        bench.log.append(EVENTS, pack(header, b"\n".join(lines))).result(60)
    bench.log.append(EVENTS, an_events_frame(9999, NOON + 3 * DAY)).result(60)
    bench.sealer.finish()
    assert bench.take(lambda user: user == "u1", day=2) == 1000
    before = bench.path(2).stat().st_size
    freed = bench.remover.compact(EVENTS, bench.log.files(EVENTS))
    assert freed == before - bench.path(2).stat().st_size
    assert freed > before / 3
    assert verify(bench.folder).faults == []
