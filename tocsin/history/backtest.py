"""Backtest: the engine and the decisions of `run` over files, without storing anything."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from alerting.database.store import MEMORY, Store
from alerting.deciding.decide import Decision
from alerting.deciding.policy import Policies
from alerting.observe import Unobserved
from alerting.routing.route import Receiver, Routes
from alerting.task import AlertTask
from collector.enrich import Enricher, Options
from collector.format import Format
from collector.inspection.inspector import Inspector
from detectors.base import AnyDetector
from detectors.engine.engine import Engine
from detectors.engine.standstill import ENDED
from detectors.engine.task import DetectTask
from stream.control import Warmth, control_frame
from stream.directory import Directory
from stream.facts import Facts
from stream.finding import Finding, public
from stream.frame import Frame, Header
from stream.log import EVENTS, FINDINGS
from stream.memory import MemoryLog
from tocsin.history.files import Progress, Reading, frames

TICK: Final = 30.0
"""Seconds of the clock between two ticks where no events come."""
DAY: Final = 86_400.0
AFTER: Final = 300.0
"""Seconds past the end of the last day, so that every cell of the history closes."""
BATCH: Final = 256
"""Frames of events between two looks at the findings."""

Told = Callable[[dict[str, Any]], None]


class Summary(NamedTuple):
    """What a backtest came to."""

    events: int
    bad_lines: int
    findings: int
    incidents: int
    pages: int
    seconds: float
    events_per_second: float


class Hearing(Unobserved):
    """Hands every decided finding on, and counts."""

    def __init__(self, told: Told | None) -> None:
        self.findings = 0
        self.incidents: set[str] = set()
        self.pages: set[str] = set()
        self._told = told

    def decided(self, finding: Finding, decision: Decision, page_id: str | None, clock: float) -> None:  # noqa: ARG002  # the observer's signature
        """Count a finding and hand it on as others see it."""
        self.findings += 1
        self.incidents.add(decision.incident)
        if page_id is not None:
            self.pages.add(page_id)
        if self._told is not None:
            record = public(finding)
            record.update(incident=decision.incident, paged=page_id is not None, reason=decision.reason)
            if page_id is not None:
                record["page_id"] = page_id
            self._told(record)


def backtest(
    files: list[Path],
    *,
    detectors: Iterable[AnyDetector],
    directory: Directory,
    policies: Policies,
    form: Format,
    reading: Reading,
    modes: Iterable[Warmth] = (),
    told: Told | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Run detectors and decisions over files; `told` hears each finding with `incident`, `paged` and `page_id`.

    `modes` are those that the operator gave detectors and tenants, whatever their warm-up says.

    Raises RejectedError where a file cannot be read; bad lines are counted in `reading`.
    """
    begin = time.perf_counter()
    content = Enricher(Options(inspector=Inspector()), lambda: directory)
    history = ticking(frames(files, form, reading, progress=progress, enrich=content))
    hearing = fold(history, detectors, directory, policies, modes=modes, told=told)
    seconds = time.perf_counter() - begin
    return Summary(
        events=reading.good,
        bad_lines=reading.bad,
        findings=hearing.findings,
        incidents=len(hearing.incidents),
        pages=len(hearing.pages),
        seconds=round(seconds, 3),
        events_per_second=round(reading.good / seconds, 1) if seconds else 0.0,
    )


def fold(
    history: Iterable[Frame],
    detectors: Iterable[AnyDetector],
    directory: Directory,
    policies: Policies,
    *,
    modes: Iterable[Warmth] = (),
    told: Told | None = None,
    since: float = 0.0,
) -> Hearing:
    """Fold frames with one engine, and decide what it finds from a moment of the clock on; nothing is stored."""
    log, found, hearing = MemoryLog(), MemoryLog(), Hearing(told)
    store = Store(MEMORY)
    try:
        detect = DetectTask(log, Engine(detectors, Facts(directory)), tick=TICK)
        alert = decider(found, store, policies, hearing)
        for mode in modes:
            log.append(EVENTS, control_frame(mode, 0.0))
        for pending, frame in enumerate(history):
            log.append(EVENTS, frame)
            detect.advance(wait=0.0)
            if pending % BATCH == BATCH - 1:
                _drain(detect, log, found, alert, since)
        _drain(detect, log, found, alert, since)
        alert.finish()
    finally:
        store.close()
    return hearing


def decider(log: MemoryLog, store: Store, policies: Policies, hearing: Hearing, tasks: int = 1) -> AlertTask:
    """What decides findings as `run` does, with one pager that nobody carries."""
    routes = Routes((Receiver("backtest", pagers=("nobody",)),))
    return AlertTask(log, store, policies, routes=routes, observer=hearing, tasks=tasks)


def ticking(history: Iterable[Frame]) -> Iterator[Frame]:
    """Frames with ticks where the clock goes on without any, to the end of the last day and a little more."""
    clock: float | None = None
    for frame in history:
        received = frame.header.received
        if clock is not None:
            yield from _ticks(clock, received)
        clock = received if clock is None else max(clock, received)
        yield frame
    if clock is not None:
        end = (clock // DAY + 1) * DAY + AFTER
        yield from _ticks(clock, end, ENDED)
        yield _tick(end, ENDED)


def ndjson(write: Callable[[str], object]) -> Told:
    """A hearer that writes one finding a line."""

    def told(record: dict[str, Any]) -> None:
        write(json.dumps(record, separators=(",", ":")) + "\n")

    return told


def _ticks(start: float, end: float, source: str = "") -> Iterator[Frame]:
    moment = start + TICK
    while moment < end:
        yield _tick(moment, source)
        moment += TICK


def _tick(received: float, source: str = "") -> Frame:
    return Frame(Header(received=received, content="tick", codec="none", source=source), b"")


def _drain(detect: DetectTask, log: MemoryLog, found: MemoryLog, alert: AlertTask, since: float) -> None:
    detect.flush()
    position = 0
    while records := log.read(FINDINGS, position):
        for record in records:
            if record.frame.header.received >= since:
                found.append(FINDINGS, record.frame)
        position = records[-1].offset + 1
    while alert.advance(wait=0.0, limit=4 * BATCH):
        pass
