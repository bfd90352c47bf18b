"""A search finds exactly the events that fit, the newest first looked for, and says where it stopped."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.formats.native import FORMAT
from stream.decode import decode
from stream.frame import Frame, Header, bitmap, pack
from stream.index.file import FILE, FrameIndex
from stream.index.indexer import Indexer
from stream.log import EVENTS
from stream.receipt import receive
from stream.salt import fresh_salt
from stream.sqlite import SqliteLog, open_log
from tests.tocsin.lines import NOON, line
from tocsin.search import Answer, Query, search, shown


def receipt(log: SqliteLog, received: float, *lines: dict[str, Any]) -> None:
    """Put lines into the log as one frame."""
    texts = [json.dumps(one).encode() for one in lines]
    events = [event for text in texts for event in FORMAT.parse(text)]
    frame = receive(events, b"\n".join(texts), received, source="k", digest="0" * 64, numbers=[*range(len(texts))])
    log.append(EVENTS, frame).result(10)


def tick(log: SqliteLog, received: float) -> None:
    log.append(EVENTS, Frame(Header(received=received, content="tick", codec="none"), b"")).result(10)


def ids(answer: Answer) -> list[str]:
    return [event["id"] for event in answer.events]


@pytest.fixture
def filled(store: SqliteLog) -> SqliteLog:
    """Five frames of two minutes, with ticks between them and one event that came late."""
    people = ("alice", "bob")
    for frame in range(5):
        begin = NOON + 60 * frame
        lines = [line(begin + i, id=f"{frame}.{i}", user=people[i % 2], tenant=f"t{frame % 2}") for i in range(4)]
        if frame == 4:
            lines.append(line(NOON, id="late", outcome="timeout", server="erp"))
        receipt(store, begin + 10, *lines)
        tick(store, begin + 30)
    return store


def test_everything_is_in_the_order_of_receipt(filled: SqliteLog) -> None:
    answer = search(filled, Query())
    assert ids(answer) == [f"{frame}.{i}" for frame in range(5) for i in range(4)] + ["late"]
    assert (answer.frames, answer.more, answer.back_to) == (5, False, None)


def test_time_bounds_are_those_of_the_event_and_need_not_read_other_frames(filled: SqliteLog) -> None:
    answer = search(filled, Query(since=NOON + 121, until=NOON + 182))
    assert ids(answer) == ["2.1", "2.2", "2.3", "3.0", "3.1"]
    assert answer.frames == 3, "frames 2 and 3, and the one whose late event is older"
    assert ids(search(filled, Query(until=NOON + 1))) == ["0.0", "late"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(principal="bob", tenant="t1"), ["1.1", "1.3", "3.1", "3.3"]),
        (Query(server="erp"), ["late"]),
        (Query(outcome="timeout"), ["late"]),
        (Query(id="2.2"), ["2.2"]),
        (Query(tenant="nobody"), []),
        (Query(principal="alice", outcome="timeout", server="crm"), []),
    ],
)
def test_all_that_is_asked_for_must_fit(filled: SqliteLog, query: Query, expected: list[str]) -> None:
    assert ids(search(filled, query)) == expected


def test_a_limit_keeps_the_newest_and_says_where_it_stopped(filled: SqliteLog) -> None:
    answer = search(filled, Query(limit=3))
    assert ids(answer) == ["4.2", "4.3", "late"]
    assert (answer.more, answer.back_to) == (True, "2026-11-02T12:04:10.000000Z")
    exact = search(filled, Query(limit=21))
    assert (len(exact.events), exact.more) == (21, False)


def test_a_long_search_ends_after_so_many_frames_and_says_how_far_it_went(filled: SqliteLog) -> None:
    answer = search(filled, Query(tenant="nobody"), frames=2)
    assert (answer.events, answer.frames, answer.more) == ([], 2, True)
    assert answer.back_to == "2026-11-02T12:03:10.000000Z"


def test_an_event_without_an_id_is_found_by_its_number(store: SqliteLog) -> None:
    receipt(store, NOON, line(NOON, id=None, producer="p", run="r", seq=7), line(NOON, id=None))
    (found,) = search(store, Query(id="p/r/7")).events
    assert (found["producer"], found["run"], found["seq"]) == ("p", "r", 7)


def test_an_event_is_shown_clean_with_what_tocsin_does_not_know(store: SqliteLog) -> None:
    receipt(store, NOON + 1, line(NOON, user="a\u202eb\u0007", shoe_size=43, ext={"x": [1]}, received=5))
    (found,) = search(store, Query()).events
    assert found["user"] == "ab"
    assert found["unknown"] == {"shoe_size": 43}
    assert found["ext"] == {"x": [1]}
    assert (found["time"], found["received"]) == ("2026-11-02T12:00:00.000000Z", "2026-11-02T12:00:01.000000Z")
    json.dumps(found)


def test_an_empty_log_has_nothing(store: SqliteLog) -> None:
    assert search(store, Query()) == Answer([], 0, more=False)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    since=st.integers(-10, 300),
    length=st.integers(0, 300),
    principal=st.sampled_from([None, "alice", "bob", "eve"]),
    limit=st.integers(1, 30),
)
def test_a_search_is_the_newest_part_of_all_that_fits(
    filled: SqliteLog, since: int, length: int, principal: str | None, limit: int
) -> None:
    low, high = NOON + since, NOON + since + length
    fitting = [
        event["id"]
        for event in search(filled, Query()).events
        if low <= _seconds(event) < high and principal in (None, event["user"])
    ]
    answer = search(filled, Query(since=low, until=high, principal=principal, limit=limit))
    assert ids(answer) == fitting[-limit:]
    assert answer.more == (len(fitting) > limit)


@pytest.fixture
def indexed(filled: SqliteLog, tmp_path: Path) -> Iterator[FrameIndex]:
    """An index that stays behind the last two frames."""
    with closing(FrameIndex(tmp_path / FILE)) as index:
        indexer = Indexer(index, filled, lambda: 6)
        while indexer.advance():
            pass
        yield index


@pytest.mark.parametrize(
    ("query", "frames"),
    [
        (Query(), 5),
        (Query(principal="bob"), 5),
        (Query(principal="bob", tenant="t1"), 3),
        (Query(tenant="t0", until=NOON + 130), 3),
        (Query(server="erp"), 2),
        (Query(tool="find_customer"), 5),
        (Query(tool="find_custome"), 2),
        (Query(text="CUSTOM"), 5),
        (Query(text="find_nothing_"), 2),
        (Query(outcome="timeout"), 5),
        (Query(principal="eve", limit=1), 2),
        (Query(limit=3), 1),
    ],
)
def test_an_index_finds_what_looking_at_everything_finds(
    filled: SqliteLog, indexed: FrameIndex, query: Query, frames: int
) -> None:
    plain, quick = search(filled, query), search(filled, query, index=indexed)
    assert quick.events == plain.events
    assert quick.more == plain.more
    assert quick.frames == frames, "the two newest frames are not in the index"


@pytest.mark.parametrize(
    "written",
    [
        '"user":"alice"',
        '"user":"\\u0061lice"',
        '"user":"al\\u202eice"',
        '"user":"al\u202eice"',
        '"user":"al\x7fice"',
        '"user" : "alice","shoe":"\\n"',
        '"client":"alice","note":"' + "x" * 2000 + '"',
    ],
)
def test_no_way_of_writing_a_name_hides_it(tmp_path: Path, written: str) -> None:
    lines = [b'{"time":%d,"server":"s","method":"m",%s}' % (NOON, text.encode()) for text in ('"user":"bob"', written)]
    body = b"\n".join(lines)
    with open_log(tmp_path / "data", reserve_bytes=0) as log:
        header = Header(received=NOON, count=2, first=NOON, last=NOON, source="k", digest="0", line=1)
        log.append(EVENTS, pack(header, body)).result(60)
        (found,) = search(log, Query(principal="alice")).events
    assert found["id"] == "0.2"


def test_only_some_lines_are_decoded_and_each_keeps_what_its_frame_says_of_it(tmp_path: Path) -> None:
    users = [f"user-{at % 3}" for at in range(9)]
    lines = [b'{"time":%d,"server":"s","method":"m","user":"%s"}' % (NOON, user.encode()) for user in users]
    late = bitmap([at % 2 == 0 for at in range(9)])
    header = Header(
        received=NOON + 5, count=9, first=NOON, last=NOON + 5, source="k", digest="d", lines=tuple(range(10, 100, 10)),
        late=late, skewed=bitmap([at == 4 for at in range(9)]), tenant="acme",
    )  # fmt: skip
    with open_log(tmp_path / "data", reserve_bytes=0, salt=fresh_salt) as log:
        log.append(EVENTS, pack(header, b"\n".join(lines))).result(60)
    with open_log(tmp_path / "data", reserve_bytes=0) as log:
        (record,) = log.read(EVENTS, 0)
        whole = [shown(event, line) for event, line in zip(decode(record.frame), lines, strict=True)]
        for name in ("user-0", "user-1", "user-2"):
            expected = [event for event in whole if event["user"] == name]
            assert search(log, Query(principal=name, tenant="acme")).events == expected
    assert [event.get("late") for event in whole].count(True) == 5


def _seconds(event: dict[str, Any]) -> float:
    minutes, seconds = event["time"][14:16], event["time"][17:19]
    return NOON + 60 * int(minutes) + int(seconds)
