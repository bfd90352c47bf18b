"""The log in memory: what a backtest asks of a log, and no more."""

from collections.abc import Callable

from stream.frame import Frame
from stream.log import EVENTS, FINDINGS, Snapshot
from stream.memory import MemoryLog

FrameOf = Callable[..., Frame]


def test_frames_are_there_at_once_in_order_and_streams_are_apart(frame_of: FrameOf) -> None:
    log = MemoryLog()
    frames = [frame_of(number) for number in range(10)]
    assert [log.append(EVENTS, frame).result(0) for frame in frames] == list(range(10))
    assert log.append(FINDINGS, frame_of(99)).result(0) == 0
    assert [record.frame for record in log.read(EVENTS, 0)] == frames
    assert [record.offset for record in log.read(EVENTS, 0, limit=3)] == [0, 1, 2]
    assert log.read(FINDINGS, 1) == []


def test_an_empty_log_does_not_wait() -> None:
    assert list(MemoryLog().read(EVENTS, 0, wait=60.0)) == []


def test_what_was_read_is_forgotten_and_offsets_go_on(frame_of: FrameOf) -> None:
    log = MemoryLog()
    for number in range(10):
        log.append(EVENTS, frame_of(number))
    assert [record.offset for record in log.read(EVENTS, 7)] == [7, 8, 9]
    assert [record.offset for record in log.read(EVENTS, 0)] == [7, 8, 9]
    assert list(log.read(EVENTS, 10)) == []
    assert log.append(EVENTS, frame_of(10)).result(0) == 10
    assert [record.offset for record in log.read(EVENTS, 10)] == [10]


def test_a_snapshot_changes_only_the_buckets_it_names() -> None:
    log = MemoryLog()
    assert log.load("task") is None
    log.save(Snapshot("task", 1, 10, b"one", {"a": b"1", "b": b"2", "c": b"3"}))
    log.save(Snapshot("task", 1, 20, b"two", {"b": b"4", "c": None, "d": b""}))
    log.save(Snapshot("other", 1, 5, b"", {"a": b"9"}))
    assert log.load("task") == Snapshot("task", 1, 20, b"two", {"a": b"1", "b": b"4", "d": b""})
    log.save(Snapshot("task", 2, 3, b"new", {"x": b"1"}))
    assert log.load("task") == Snapshot("task", 2, 3, b"new", {"x": b"1"}), "another version takes nothing over"
