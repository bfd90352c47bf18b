"""A broker that dies and comes back while frames are written and read."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from stream.broker.writer import KafkaWriter
from stream.errors import StorageError, TocsinError
from stream.frame import Frame
from stream.kafka import KafkaLog
from stream.log import EVENTS, Snapshot
from tests.services.kafka import OwnBroker, fresh_log

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.slow, pytest.mark.xdist_group("kafka")]

COUNT = 300
DEADLINE = 120.0


@pytest.fixture(scope="module")
def own_broker(kafka_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A broker that may be killed and put to sleep."""
    del kafka_server  # asking for it skips where Kafka cannot be had
    broker = OwnBroker(tmp_path_factory.mktemp("kafka") / "own")
    broker.start()
    yield broker
    broker.kill()


def test_what_was_answered_survives_a_kill_of_the_broker_and_everybody_goes_on(
    own_broker: OwnBroker, frame_of: Callable[..., Frame]
) -> None:
    with KafkaLog(fresh_log(f"127.0.0.1:{own_broker.port}", "first")) as log, ThreadPoolExecutor(2) as pool:
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
        own_broker.kill()
        own_broker.start()
        offsets = writing.result(DEADLINE)
        found = reading.result(DEADLINE)
        assert offsets == sorted(set(offsets))
        assert sorted(set(found)) == list(range(COUNT)), "none is lost"
        firsts = [found.index(number) for number in range(COUNT)]
        assert firsts == sorted(firsts), "their order stays"
        log.save(Snapshot("task", 1, 2, b"after", {"b": b"2"}))
        assert log.load("task") == Snapshot("task", 1, 2, b"after", {"a": b"1", "b": b"2"})


def test_whatever_waits_for_a_broker_that_sleeps_is_refused_in_the_end_and_said(own_broker: OwnBroker) -> None:
    address = fresh_log(f"127.0.0.1:{own_broker.port}", "second", 2)
    writer = KafkaWriter(address, patience=4.0)
    topic = f"{address.prefix}.events"
    assert writer.append(topic, 0, b"before").result(60) == 0

    def problem() -> TocsinError | None:
        return writer.problem

    assert problem() is None
    own_broker.signal(signal.SIGSTOP)
    try:
        waiting = [writer.append(topic, 0, b"first")]
        time.sleep(2)  # those behind it expire later, if the client does not forget them
        waiting += [writer.append(topic, number % 2, b"behind") for number in range(6)]
        for future in waiting:
            assert isinstance(future.exception(60), StorageError)
        assert problem() is not None
        assert writer.in_flight == 0
    finally:
        own_broker.signal(signal.SIGCONT)
    deadline = time.monotonic() + DEADLINE
    while problem() is not None:
        assert time.monotonic() < deadline
        for future in [writer.append(topic, number, b"after") for number in (0, 1)]:
            future.exception(60)
    writer.close()
