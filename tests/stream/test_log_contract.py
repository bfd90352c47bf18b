"""What every implementation of the log promises."""

import inspect
import pkgutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from importlib import import_module

import stream
from stream.frame import Frame, Record
from stream.log import EVENTS, FINDINGS, Log, Snapshot, Stream

Reopen = Callable[[], AbstractContextManager[Log]]
FrameOf = Callable[..., Frame]


def everything(log: Log, of: Stream = EVENTS, limit: int = 7) -> list[Record]:
    found: list[Record] = []
    while part := log.read(of, found[-1].offset + 1 if found else 0, limit=limit):
        found += part
    return found


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(record.frame.header.digest, 16) for record in records]


def test_every_implementation_is_under_this_suite(implementations: frozenset[str]) -> None:
    methods = {name for name, _ in inspect.getmembers(Log, inspect.isfunction) if not name.startswith("_")}
    found = set()
    for module in pkgutil.iter_modules(stream.__path__, "stream."):
        for name, member in inspect.getmembers(import_module(module.name), inspect.isclass):
            own = member.__module__ == module.name and not getattr(member, "_is_protocol", False)
            if own and all(hasattr(member, method) for method in methods):
                found.add(f"{module.name}.{name}")
    # One reader, no restart: what the suite asks for is not what it is for. And what spreads is over another log.
    assert found - {"stream.memory.MemoryLog", "stream.spread.Spread"} == implementations


def test_a_new_log_is_empty_and_does_not_wait(log: Log) -> None:
    assert log.read(EVENTS, 0) == ()


def test_frames_come_back_as_they_were_in_the_order_of_the_calls(log: Log, frame_of: FrameOf) -> None:
    frames = [frame_of(number) for number in range(50)]
    futures = [log.append(EVENTS, frame) for frame in frames]
    offsets = [future.result(10) for future in futures]
    assert offsets == sorted(set(offsets))
    records = everything(log)
    assert [record.offset for record in records] == offsets
    assert [record.frame for record in records] == frames


def test_streams_are_apart(log: Log, frame_of: FrameOf) -> None:
    log.append(EVENTS, frame_of(1)).result(10)
    log.append(FINDINGS, frame_of(2)).result(10)
    assert numbers(everything(log, EVENTS)) == [1]
    assert numbers(everything(log, FINDINGS)) == [2]


def test_what_was_answered_is_there_after_a_restart_and_offsets_go_on(reopen: Reopen, frame_of: FrameOf) -> None:
    with reopen() as log:
        first = [log.append(EVENTS, frame_of(number)).result(10) for number in range(20)]
    with reopen() as log:
        assert numbers(everything(log)) == list(range(20))
        assert log.append(EVENTS, frame_of(20)).result(10) > first[-1]
        assert numbers(everything(log)) == list(range(21))


def test_a_position_between_and_a_limit_are_kept(log: Log, frame_of: FrameOf) -> None:
    offsets = [future.result(10) for future in [log.append(EVENTS, frame_of(number)) for number in range(600)]]
    assert numbers(log.read(EVENTS, offsets[3], limit=5)) == [3, 4, 5, 6, 7]
    assert numbers(log.read(EVENTS, offsets[598], limit=5)) == [598, 599]
    assert numbers(everything(log, limit=64)) == list(range(600))


def test_a_waiting_reader_is_woken_by_a_frame(log: Log, frame_of: FrameOf) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(log.read, EVENTS, 0, wait=30.0)
        log.append(EVENTS, frame_of(1))
        assert numbers(waiting.result(20)) == [1]


def test_waiting_ends_with_nothing_when_nothing_comes(log: Log) -> None:
    begin = time.monotonic()
    assert log.read(EVENTS, 0, wait=0.05) == ()
    assert time.monotonic() - begin >= 0.05


def test_many_threads_append_and_read_at_once(log: Log, frame_of: FrameOf) -> None:
    done = threading.Event()

    def follow() -> list[Record]:
        found: list[Record] = []
        while len(found) < 400 and not done.is_set():
            found += log.read(EVENTS, found[-1].offset + 1 if found else 0, limit=9, wait=1.0)
        return found

    def produce(lane: int) -> list[int]:
        futures = [log.append(EVENTS, frame_of(lane * 100 + number)) for number in range(100)]
        return [future.result(30) for future in futures]

    with ThreadPoolExecutor(7) as pool:
        readers = [pool.submit(follow) for _ in range(3)]
        lanes = [future.result(60) for future in [pool.submit(produce, lane) for lane in range(4)]]
        timer = threading.Timer(60, done.set)
        timer.start()
        seen = [future.result(70) for future in readers]
        timer.cancel()
    assert seen[0] == seen[1] == seen[2]
    assert sorted(numbers(seen[0])) == list(range(400))
    assert [record.offset for record in seen[0]] == sorted({offset for lane in lanes for offset in lane})
    for lane in lanes:
        assert lane == sorted(lane)


def test_there_is_no_snapshot_before_the_first(log: Log) -> None:
    assert log.load("task") is None


def test_a_snapshot_changes_only_the_buckets_it_names(reopen: Reopen) -> None:
    with reopen() as log:
        log.save(Snapshot("task", 1, 10, b"one", {"a": b"1", "b": b"2", "c": b"3"}))
        log.save(Snapshot("task", 1, 20, b"two", {"b": b"4", "c": None, "d": b""}))
        log.save(Snapshot("other", 1, 5, b"", {"a": b"9"}))
    with reopen() as log:
        assert log.load("task") == Snapshot("task", 1, 20, b"two", {"a": b"1", "b": b"4", "d": b""})
        assert log.load("other") == Snapshot("other", 1, 5, b"", {"a": b"9"})


def test_a_snapshot_of_another_version_takes_nothing_over(log: Log) -> None:
    log.save(Snapshot("task", 1, 10, b"one", {"a": b"1"}))
    log.save(Snapshot("task", 2, 3, b"two", {"b": b"2"}))
    assert log.load("task") == Snapshot("task", 2, 3, b"two", {"b": b"2"})
