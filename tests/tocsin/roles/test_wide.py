"""Several partitions, however many workers share them and whoever dies, find what one process finds."""

import secrets
import signal
from contextlib import ExitStack

import pytest

from stream.frame import Frame, Header
from stream.kafka import KafkaLog
from stream.log import EVENTS, FINDINGS
from stream.spread import Spread
from tests.services.kafka import fresh_log
from tests.tocsin.kafka_workers import Worker, found_by_one, found_in, simulated, until

pytestmark = [pytest.mark.kafka, pytest.mark.crash, pytest.mark.xdist_group("kafka")]

PATIENCE = 300.0


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """Some busy hours of a tiny simulated set."""
    return simulated(tmp_path_factory.mktemp("simulated"), hours=(33.0, 35.0))


class Watched:
    """How far the tasks of every partition have come, by what they put out."""

    def __init__(self, log: KafkaLog) -> None:
        self._log = log
        self._position = 0
        self.clocks: dict[tuple[str, int], float] = {}

    def __str__(self) -> str:
        return f"all of it is folded, not only {sorted(self.clocks.items())}"

    def reached(self, clock: float) -> bool:
        """Whether every task has said that its clock is at a moment."""
        while records := self._log.read(FINDINGS, self._position):
            for record in records:
                origin = record.frame.header.origin
                assert origin is not None
                place = (origin.task, origin.partition)
                self.clocks[place] = max(self.clocks.get(place, 0.0), record.frame.header.received)
            self._position = records[-1].offset + 1
        return len(self.clocks) == 2 * self._log.partitions and min(self.clocks.values()) >= clock


def test_a_worker_that_takes_over_from_a_killed_one_finds_what_one_process_finds(
    kafka_server: str, day: list[Frame]
) -> None:
    begin = day[0].header.received
    part = [frame for frame in day if frame.header.received < begin + 1800]
    come_and_go(kafka_server, part, partitions=3, workers=1, more=False)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_that_come_and_go_finds_what_one_process_finds(
    kafka_server: str, day: list[Frame], workers: int
) -> None:
    come_and_go(kafka_server, day, partitions=8, workers=workers)


def come_and_go(server: str, history: list[Frame], *, partitions: int, workers: int, more: bool = True) -> None:
    """Feed a history by thirds; after the first a worker is killed and one comes, after the second too and one goes."""
    expected = found_by_one(history)
    assert len(expected[0]) > 10, "the set is there to be found"
    address = fresh_log(server, f"t{secrets.token_hex(6)}", partitions)
    third = len(history) // 3
    with KafkaLog(address) as log, ExitStack() as ended:
        spread, watched = Spread(log), Watched(log)

        def feed(part: int) -> float:
            own = history[part * third : (part + 1) * third if part < 2 else None]
            futures = []
            for number, frame in enumerate(own):
                frame.decoded = None
                futures.append(spread.append(EVENTS, frame))
                if number % 200 == 199:
                    futures[-1].result(60)
            # Time passes everywhere, as it does where idle partitions tick.
            passed = Header(received=own[-1].header.received, content="tick", codec="none")
            futures.append(spread.append(EVENTS, Frame(passed, b"")))
            for future in futures:
                future.result(60)
            return own[-1].header.received

        running = [ended.enter_context(Worker(server, address.prefix)) for _ in range(workers)]
        running[0].took_over()
        reached = feed(0)
        until(lambda: watched.reached(reached - 900), watched, PATIENCE)
        running[0].send(signal.SIGKILL)
        running.append(ended.enter_context(Worker(server, address.prefix)))
        reached = feed(1)
        until(lambda: watched.reached(reached - 900), watched, PATIENCE)
        if more:
            running.append(ended.enter_context(Worker(server, address.prefix)))
            assert running[1].ends() == 0
        reached = feed(2)
        until(lambda: watched.reached(reached - 2), watched, PATIENCE)
        for worker in running[2 if more else 1 :]:
            assert worker.ends() == 0
        assert found_in(log, partitions) == expected
