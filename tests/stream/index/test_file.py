"""The index rules out no frame that holds what is looked for, shows nobody what it holds, and fits its log."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.encryption.crypt import Crypt
from stream.encryption.keys import KeyRing, Master, new_master
from stream.frame import Frame, Header, pack
from stream.index.file import AT_ONCE, FILE, MOST, Entry, FrameIndex
from stream.index.indexer import Indexer
from stream.index.terms import PRINCIPAL, inside, principal, server, target, tenant, terms
from stream.log import EVENTS
from stream.sqlite import SqliteLog, open_log
from tocsin_audit.event import AuditEvent

NOON = 1_795_000_000.0


@pytest.fixture
def index(tmp_path: Path) -> Iterator[FrameIndex]:
    with closing(FrameIndex(tmp_path / FILE)) as made:
        yield made


def entry(offset: int, *names: str) -> Entry:
    return Entry(offset, NOON + offset, NOON + offset + 0.5, {PRINCIPAL: set(names)})


def all_of(event: AuditEvent) -> set[str]:
    return {kind + name for kind, names in terms([event]).items() for name in names}


def fitting(index: FrameIndex, *names: str, since: float = 0.0, until: float = 1e12) -> list[int]:
    return list(index.fitting(since, until, [principal(name) for name in names]))


def test_only_frames_that_have_all_terms_fit_the_newest_first(index: FrameIndex) -> None:
    index.put([entry(0, "alice", "bob"), entry(1, "bob"), entry(5, "alice"), entry(6, "alice", "bob")], 7, NOON)
    assert fitting(index, "alice") == [6, 5, 0]
    assert fitting(index, "alice", "bob") == [6, 0]
    assert fitting(index, "eve") == []
    assert fitting(index) == [6, 5, 1, 0]


def test_only_frames_with_events_in_the_time_fit(index: FrameIndex) -> None:
    index.put([entry(offset, "alice") for offset in range(10)], 10, NOON)
    assert fitting(index, "alice", since=NOON + 3, until=NOON + 6) == [5, 4, 3]
    assert fitting(index, "alice", since=NOON + 100) == []


def test_a_long_stretch_is_looked_at_piece_by_piece(index: FrameIndex) -> None:
    chosen = list(range(0, 3 * AT_ONCE, 700))
    index.put([entry(offset, "alice" if offset in chosen else "bob") for offset in range(3 * AT_ONCE)], 1, NOON)
    assert fitting(index, "alice") == chosen[::-1]


def test_a_frame_of_more_terms_than_are_kept_fits_every_search(index: FrameIndex) -> None:
    index.put(
        [Entry(3, NOON, NOON, {PRINCIPAL: {f"u{n}" for n in range(MOST + 1)}}), Entry(4, NOON, NOON, None)], 5, NOON
    )
    assert fitting(index, "eve") == [4, 3]


def test_frames_that_are_gone_are_forgotten_and_those_that_lost_lines_looked_at_anew(index: FrameIndex) -> None:
    index.put([entry(offset, "alice", "bob") for offset in range(6)], 6, NOON)
    index.forget(0, 2)
    index.replace([entry(3, "bob"), entry(40, "alice")])
    assert fitting(index, "alice") == [5, 4, 2]
    assert fitting(index, "bob") == [5, 4, 3, 2]


@settings(max_examples=25)
@given(st.lists(st.sets(st.text(max_size=12), max_size=30), max_size=8), st.text(max_size=12))
def test_whatever_a_frame_has_it_is_found_by(frames: list[set[str]], stranger: str) -> None:
    with TemporaryDirectory() as folder, closing(FrameIndex(Path(folder) / FILE)) as index:
        index.put([Entry(at, NOON, NOON, {PRINCIPAL: names}) for at, names in enumerate(frames)], 9, 0.0)
        for name in {stranger, *(name for names in frames for name in names)}:
            having = [at for at, names in enumerate(frames) if name in names]
            assert set(having) <= set(fitting(index, name))


@given(st.text(max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_a_target_has_every_word_that_stands_whole_in_a_part_of_it(part: str, before: str, after: str) -> None:
    whole = before + part + after
    assert set(inside(part)) <= all_of(AuditEvent(time=1.0, server="s", target=whole))


def test_the_words_at_the_ends_of_a_text_say_nothing() -> None:
    assert inside("customers") == []
    assert inside("crm://ACME/cust") == ["wacme"]


def test_terms_of_different_kinds_never_meet() -> None:
    found = all_of(AuditEvent(time=1.0, server="x", user="u", tenant="x", target="x", client="c"))
    assert found == {principal("u"), principal("c"), tenant("x"), server("x"), target("x"), "wx"}
    assert len(found) == 6


def test_the_file_shows_no_name_and_differs_from_that_of_another_log(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with closing(FrameIndex(tmp_path / name / FILE)) as index:
            index.put([entry(0, "alice-of-acme")], 1, NOON)
            rows = index._connection.execute("SELECT hashes FROM terms").fetchall()
        made.append(rows)
        assert b"alice" not in b"".join(path.read_bytes() for path in (tmp_path / name).iterdir())
    assert made[0] != made[1]


def test_with_encryption_neither_the_key_nor_a_hash_is_there_in_clear(tmp_path: Path) -> None:
    master = Master(new_master())
    crypt = Crypt(KeyRing(tmp_path, master), NOON)
    with closing(FrameIndex(tmp_path / FILE, crypt)) as index:
        index.put([entry(0, "alice"), entry(1, "bob"), entry(2, "alice")], 3, NOON)
        key, hashes = index._key, index._hash(principal("alice"))
    raw = b"".join(path.read_bytes() for path in tmp_path.glob(f"{FILE}*"))
    assert key not in raw
    assert hashes not in raw
    again = Crypt(KeyRing(tmp_path, master), NOON)
    with closing(FrameIndex(tmp_path / FILE, again)) as index:
        assert (index.position, fitting(index, "alice")) == (3, [2, 0])


def test_an_index_from_before_encryption_is_made_anew(tmp_path: Path) -> None:
    with closing(FrameIndex(tmp_path / FILE)) as index:
        index.put([entry(0, "alice")], 1, NOON)
    crypt = Crypt(KeyRing(tmp_path, Master(new_master())), NOON)
    with closing(FrameIndex(tmp_path / FILE, crypt)) as index:
        assert (index.position, fitting(index)) == (0, [])


def a_frame(number: int, *users: str) -> Frame:
    lines = b"\n".join(
        b'{"time":%d,"server":"s","method":"m","user":"%s"}' % (NOON + number, user.encode()) for user in users
    )
    header = Header(received=NOON + number, count=len(users), first=NOON + number, last=NOON + number)
    return pack(header, lines)


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[SqliteLog]:
    """Frames with a tick between each two of them."""
    with open_log(tmp_path / "data", reserve_bytes=0) as log:
        for number in range(5):
            log.append(EVENTS, a_frame(number, "alice" if number % 2 else "bob")).result(60)
            log.append(EVENTS, Frame(Header(received=NOON + number, content="tick", codec="none"), b"")).result(60)
        yield log


def test_the_indexer_stays_behind_and_goes_on_where_it_was(filled: SqliteLog, index: FrameIndex) -> None:
    bound = 5
    indexer = Indexer(index, filled, lambda: bound)
    assert indexer.advance()
    assert not indexer.advance()
    assert (index.position, fitting(index)) == (5, [4, 2, 0])
    bound = 10
    assert Indexer(index, filled, lambda: bound).advance()
    assert (index.position, fitting(index, "alice"), fitting(index, "bob")) == (10, [6, 2], [8, 4, 0])


def test_an_index_of_another_log_begins_anew(filled: SqliteLog, index: FrameIndex, tmp_path: Path) -> None:
    index.put([entry(99, "alice")], 100, NOON)
    assert Indexer(index, filled, lambda: 10).index.position == 0
    index.put([entry(3, "alice")], 4, NOON - 1)
    assert Indexer(index, filled, lambda: 10).index.position == 0
    index.put([entry(0, "bob")], 4, NOON + 1)
    assert Indexer(index, filled, lambda: 10).index.position == 4
