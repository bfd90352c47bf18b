"""A detector on Kafka whose workers die, sleep and come back finds what one process finds that is left alone."""

import secrets
import signal

import pytest

from stream.broker.address import Address
from stream.frame import Frame
from stream.kafka import KafkaLog
from stream.log import EVENTS, FINDINGS
from tests.services.kafka import fresh_log
from tests.tocsin.kafka_workers import Found, Worker, found_by_one, found_in, simulated, until

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """A tiny simulated set."""
    return simulated(tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def expected(history: list[Frame]) -> Found:
    """What one process finds."""
    return found_by_one(history)


@pytest.fixture
def address(kafka_server: str) -> Address:
    """A log of one partition: all kinds of entities are in it, as they are in one process."""
    return fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 1)


def last_output(log: KafkaLog) -> int:
    """The input offset of the last output."""
    end = log.end(FINDINGS)
    records = log.read(FINDINGS, max(0, end - 1))
    return records[-1].frame.header.origin.offset if records and records[-1].frame.header.origin is not None else -1


@pytest.mark.slow
@pytest.mark.crash
def test_workers_that_die_sleep_and_come_back_find_what_one_process_finds(
    kafka_server: str, address: Address, history: list[Frame], expected: Found
) -> None:
    assert len(expected[0]) > 10, "the set is there to be found"
    quarter = len(history) // 4
    with KafkaLog(address) as log, Worker(kafka_server, address.prefix) as first:

        def feed(part: int) -> int:
            futures = [log.append(EVENTS, frame) for frame in history[part * quarter : (part + 1) * quarter or None]]
            return [future.result(60) for future in futures][-1]

        first.took_over()
        feed(0)
        until(lambda: last_output(log) > quarter // 2, "the first worker puts something out")
        with Worker(kafka_server, address.prefix) as second:
            first.send(signal.SIGKILL)
            second.took_over()
            feed(1)
            until(lambda: last_output(log) > quarter, "the second goes on")
            second.send(signal.SIGSTOP)
            feed(2)
            with Worker(kafka_server, address.prefix) as third:
                third.took_over()
                until(lambda: last_output(log) > 2 * quarter, "the third goes on")
                second.send(signal.SIGCONT)
                for frame in history[3 * quarter :]:
                    last = log.append(EVENTS, frame)
                end = last.result(60)
                until(lambda: last_output(log) >= end, "all of it was folded")
                assert third.ends() == 0
                # The one that slept may have the partition again: what it repeats must not count twice.
                assert second.ends() == 0
        assert found_in(log) == expected
