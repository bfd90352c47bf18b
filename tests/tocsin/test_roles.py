"""A detector on Kafka whose workers die, sleep and come back finds what one process finds that is left alone."""

import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from alerting import queries
from alerting.policy import Policies
from alerting.runbook import Runbooks
from alerting.store import MEMORY, Store
from alerting.task import AlertTask
from collector.formats import native
from detectors.engine import Engine
from detectors.task import DetectTask
from stream.control import DirectoryVersion, control_frame
from stream.facts import Facts
from stream.finding import DECODER
from stream.frame import Frame, unpack
from stream.kafka import KafkaLog
from stream.kafka_address import Address
from stream.log import EVENTS, FINDINGS, Log
from stream.memory import MemoryLog
from tests.services.kafka import fresh_log
from tocsin.backtest import ticking
from tocsin.config import parse_config
from tocsin.directory_file import read_directory
from tocsin.history import Reading, frames
from tocsin.setup import assemble
from tocsin.simulation import simulate

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

WORKER = Path(__file__).with_name("kafka_worker.py")
DEADLINE = 90.0
Found = tuple[set[tuple[str, str, str]], dict[tuple[Any, ...], frozenset[str]]]


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not in {DEADLINE:g} seconds: {what}"
        time.sleep(0.02)


class Worker:
    """A worker in a process of its own."""

    def __init__(self, server: str, prefix: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WORKER), server, prefix], stdout=subprocess.PIPE, text=True, cwd=WORKER.parents[2]
        )
        self.said: queue.Queue[str] = queue.Queue()
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.send(signal.SIGCONT)
        self.send(signal.SIGKILL)
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def took_over(self) -> None:
        """Wait until it has a partition."""
        self.said.get(timeout=DEADLINE)

    def send(self, number: int) -> None:
        """Send it a signal."""
        if self._process.poll() is None:
            os.kill(self._process.pid, number)

    def ends(self) -> int:
        """Ask it to end; its exit code."""
        self.send(signal.SIGTERM)
        return self._process.wait(DEADLINE)

    def _hear(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.put(line)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> list[Frame]:
    """A tiny simulated set as frames with a rebuilt clock, the directory first."""
    out = tmp_path_factory.mktemp("simulated")
    simulate(5, None, out, preset="tiny")
    directory, digest = read_directory(out / "directory.yaml")
    made = list(ticking(frames([out / "events.ndjson.zst"], native.FORMAT, Reading())))
    return [control_frame(DirectoryVersion(directory, digest), made[0].header.received), *made]


@pytest.fixture(scope="module")
def expected(history: list[Frame]) -> Found:
    """What one process finds that nobody disturbs."""
    log = MemoryLog()
    kept = _Keeping(log)
    task = DetectTask(kept, Engine(assemble(parse_config(""), sinks=False).detectors, Facts()))
    for frame in history:
        frame.decoded = None
        log.append(EVENTS, frame)
        task.advance(wait=0.0)
    task.flush()
    return found_in(kept.outputs())


class _Keeping:
    """A log in memory that keeps what was put out."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._outputs: list[Frame] = []
        self.read, self.save, self.load = log.read, log.save, log.load

    def append(self, stream: Any, frame: Frame) -> Any:
        if stream == FINDINGS:
            self._outputs.append(frame)
        return self._log.append(stream, frame)

    def outputs(self) -> Log:
        log = MemoryLog()
        for frame in self._outputs:
            log.append(FINDINGS, frame)
        return log


def found_in(log: Log) -> Found:
    """The findings that take effect, and the incidents with their members."""
    findings: set[tuple[str, str, str]] = set()
    store = Store(MEMORY)
    position, mark = 0, (-1, -1)
    kept = MemoryLog()
    task = AlertTask(kept, store, Policies())
    runbooks = Runbooks()
    while records := log.read(FINDINGS, position):
        for record in records:
            kept.append(FINDINGS, record.frame)
            origin = record.frame.header.origin
            assert origin is not None
            if (origin.offset, origin.ordinal) > mark and record.frame.header.content == "findings":
                mark = (origin.offset, origin.ordinal)
                decoded = [DECODER.decode(line) for line in unpack(record.frame).splitlines()]
                findings |= {(finding.id, finding.class_, finding.severity) for finding in decoded}
        position = records[-1].offset + 1
        while task.advance(wait=0.0):
            pass
    incidents = {}
    for incident in queries.list_incidents(store, queries.Filter(state="all", limit=1000)):
        shown = queries.show(store, incident.id, runbooks)
        key = (incident.id, incident.tenant, incident.family, json.dumps(incident.entity, sort_keys=True))
        incidents[key] = frozenset(finding["id"] for finding in shown["findings"])
    store.close()
    return findings, incidents


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
