"""Workers on Kafka and what comes of them, beside what one process finds that is left alone."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from alerting import queries
from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.runbook import Runbooks
from alerting.task import AlertTask
from collector.formats import native
from detectors.engine.engine import Engine
from detectors.engine.task import DetectTask
from stream.control import DirectoryVersion, control_frame
from stream.facts import Facts
from stream.finding import DECODER
from stream.frame import Frame, unpack
from stream.log import EVENTS, FINDINGS, Log
from stream.memory import MemoryLog
from tocsin.config.directory_file import read_directory
from tocsin.config.whole import parse_config
from tocsin.history.backtest import ticking
from tocsin.history.files import Reading, frames
from tocsin.roles.tasks import tasks_in
from tocsin.setup import assemble
from tocsin.simulation import simulate

WORKER = Path(__file__).with_name("kafka_worker.py")
DEADLINE = 90.0
Found = tuple[set[tuple[str, str, str]], dict[tuple[Any, ...], frozenset[str]]]


def until(condition: Callable[[], object], what: object, seconds: float = DEADLINE) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:g} seconds: {what}"
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


def simulated(
    out: Path, *, seed: int = 5, preset: str = "tiny", hours: tuple[float, float] | None = None
) -> list[Frame]:
    """A simulated set, or some hours of it, as frames with a rebuilt clock, the directory first."""
    simulate(seed, None, out, preset=preset)
    directory, digest = read_directory(out / "directory.yaml")
    made = list(ticking(frames([out / "events.ndjson.zst"], native.FORMAT, Reading())))
    if hours is not None:
        begin = made[0].header.received
        made = [one for one in made if hours[0] <= (one.header.received - begin) / 3_600 < hours[1]]
    return [control_frame(DirectoryVersion(directory, digest), made[0].header.received), *made]


def found_by_one(history: list[Frame]) -> Found:
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


def found_in(log: Log, partitions: int = 1) -> Found:
    """The findings that take effect, and the incidents with their members."""
    findings: set[tuple[str, str, str]] = set()
    store = Store(MEMORY)
    position, marks = 0, dict[tuple[str, int], tuple[int, int]]()
    kept = MemoryLog()
    task = AlertTask(kept, store, Policies(), tasks=tasks_in(partitions))
    runbooks = Runbooks()
    while records := log.read(FINDINGS, position):
        for record in records:
            kept.append(FINDINGS, record.frame)
            origin = record.frame.header.origin
            assert origin is not None
            place, mark = (origin.task, origin.partition), (origin.offset, origin.ordinal)
            if mark > marks.get(place, (-1, -1)) and record.frame.header.content == "findings":
                marks[place] = mark
                decoded = [DECODER.decode(line) for line in unpack(record.frame).splitlines()]
                findings |= {(finding.id, finding.class_, finding.severity) for finding in decoded}
        position = records[-1].offset + 1
        while task.advance(wait=0.0):
            pass
    task.advance(wait=0.0, patient=False)
    incidents = {}
    for incident in queries.list_incidents(store, queries.Filter(state="all", limit=1000)):
        shown = queries.show(store, incident.id, runbooks)
        key = (incident.id, incident.tenant, incident.family, json.dumps(incident.entity, sort_keys=True))
        incidents[key] = frozenset(finding["id"] for finding in shown["findings"])
    store.close()
    return findings, incidents
