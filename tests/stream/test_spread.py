"""Frames spread over partitions say what the whole frame said."""

from concurrent.futures import Future

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.control import Warmth, control_frame
from stream.decode import decode
from stream.errors import StorageError
from stream.frame import Frame, Header, bitmap, pack
from stream.log import EVENTS, Stream
from stream.memory import MemoryLog
from stream.spread import Spread, key_of, partition_of, spread

NOW = 1_700_000_000.0
PARTITIONS = 8


def frame_of(users: list[str | None], late: list[bool]) -> Frame:
    lines = []
    for index, user in enumerate(users):
        event = {"time": NOW - index, "server": "s", "method": "tools/call", "source_ip": f"192.0.2.{index % 5}"}
        lines.append(msgspec.json.encode(event | ({"user": user} if user is not None else {})))
    header = Header(
        received=NOW, count=len(users), first=NOW - len(users) + 1, last=NOW, digest="d" * 64, line=3, late=bitmap(late)
    )
    return pack(header, b"\n".join(lines))


def plain(frame: Frame) -> list[dict[str, object]]:
    frame.decoded = None
    return [msgspec.to_builtins(event) for event in decode(frame)]


users_and_lateness = st.lists(st.tuples(st.sampled_from([None, "a", "b", "c", "d", "e"]), st.booleans()), min_size=1)


@given(users_and_lateness)
def test_every_event_is_in_one_part_as_it_was_in_the_whole(rows: list[tuple[str | None, bool]]) -> None:
    whole = frame_of([user for user, _ in rows], [late for _, late in rows])
    parts = spread(whole, PARTITIONS)
    together = [event for part in parts.values() for event in plain(part)]
    assert sorted(together, key=str) == sorted(plain(whole), key=str)
    assert all(part.header.count == len(plain(part)) for part in parts.values())
    for place, part in parts.items():
        part.decoded = None
        assert {partition_of(key_of(event), PARTITIONS) for event in decode(part)} == {place}


@given(users_and_lateness)
def test_a_principal_is_in_one_partition_and_its_events_keep_their_order(rows: list[tuple[str | None, bool]]) -> None:
    whole = frame_of([user for user, _ in rows], [late for _, late in rows])
    parts = spread(whole, PARTITIONS)
    for user in {user for user, _ in rows if user is not None}:
        own = [[e["time"] for e in plain(part) if e.get("user") == user] for part in parts.values()]
        assert [times for times in own if times] == [[e["time"] for e in plain(whole) if e.get("user") == user]]


def test_a_tenant_does_not_part_a_principal_from_itself() -> None:
    events = decode(frame_of(["a", "a"], [False, False]))
    events[0].tenant = "acme"
    assert key_of(events[0]) == key_of(events[1])


class Several(MemoryLog):
    partitions = PARTITIONS


def test_a_fact_goes_to_every_partition() -> None:
    log = Several()
    Spread(log).append(EVENTS, control_frame(Warmth("live"), NOW)).result(1)
    assert all(len(log.read(Stream("events", place), 0)) == 1 for place in range(PARTITIONS))


def test_an_append_is_done_only_when_every_part_is() -> None:
    class Slow(Several):
        def __init__(self) -> None:
            super().__init__()
            self.waiting: list[Future[int]] = []

        def append(self, stream: Stream, frame: Frame) -> Future[int]:
            self.waiting.append(Future())
            return self.waiting[-1]

    log = Slow()
    done = Spread(log).append(EVENTS, frame_of(["a", "b", "c", "d"], [False] * 4))
    assert len(log.waiting) > 1
    for future in log.waiting[1:]:
        future.set_result(4)
    assert not done.done()
    log.waiting[0].set_exception(StorageError("the broker is gone"))
    with pytest.raises(StorageError, match="the broker is gone"):
        done.result(1)
