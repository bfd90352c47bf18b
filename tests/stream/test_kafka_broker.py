"""A broker that dies and comes back while frames are written and read."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stream.errors import TocsinError
from stream.frame import Frame
from stream.kafka import KafkaLog
from stream.log import EVENTS, Snapshot
from tests.services.kafka import OwnBroker, fresh_log

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow, pytest.mark.xdist_group("kafka")]

COUNT = 300
DEADLINE = 120.0


def test_what_was_answered_survives_a_kill_of_the_broker_and_everybody_goes_on(
    kafka_server: str, tmp_path: Path, frame_of: Callable[..., Frame]
) -> None:
    broker = OwnBroker(tmp_path / "own")
    try:
        with KafkaLog(fresh_log(broker.start(), "own")) as log, ThreadPoolExecutor(2) as pool:
            log.save(Snapshot("task", 1, 1, b"before", {"a": b"1"}))

            def write() -> list[int]:
                offsets: list[int] = []
                deadline = time.monotonic() + DEADLINE
                while len(offsets) < COUNT:
                    assert time.monotonic() < deadline
                    try:
                        offsets.append(log.append(EVENTS, frame_of(len(offsets))).result(60))
                    except TocsinError:
                        continue  # as a sender does that got no answer: again
                return offsets

            def follow() -> list[int]:
                found: list[int] = []
                place = 0
                deadline = time.monotonic() + DEADLINE
                while len(set(found)) < COUNT and time.monotonic() < deadline:
                    for record in log.read(EVENTS, place, wait=1.0):
                        found.append(int(record.frame.header.digest, 16))
                        place = record.offset + 1
                return found

            reading = pool.submit(follow)
            writing = pool.submit(write)
            while log.end(EVENTS) < COUNT // 10:
                time.sleep(0.01)
            broker.kill()
            broker.start()
            offsets = writing.result(DEADLINE)
            found = reading.result(DEADLINE)
            assert offsets == sorted(set(offsets))
            assert sorted(set(found)) == list(range(COUNT)), "none is lost"
            firsts = [found.index(number) for number in range(COUNT)]
            assert firsts == sorted(firsts), "their order stays"
            log.save(Snapshot("task", 1, 2, b"after", {"b": b"2"}))
            assert log.load("task") == Snapshot("task", 1, 2, b"after", {"a": b"1", "b": b"2"})
    finally:
        broker.kill()
