"""One producer: what is folded of its events, and what closed cells show of restarts, sampling and its clock."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from detectors.base import NOTHING, Cell, Entity
from detectors.batch import Batch
from detectors.gaps.cells import Beats, Hour, Lives
from detectors.gaps.numbers import Numbers
from detectors.gaps.rhythm import Rhythm
from detectors.gaps.telling import Teller, of_producer
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

FIVE: Final = 300
QUARTER: Final = 900
HOUR: Final = 3_600
DAY: Final = 86_400
RUNS: Final = 64
"""Runs of one producer whose numbers are followed; beyond it the one that was not heard of for longest is forgotten."""
SERVERS: Final = 16
"""Servers of one producer that are remembered, for maintenance windows and for whose it is."""
HELD: Final = 3 * HOUR
"""Seconds after its end for which an open cell is kept at most."""
GOODBYE: Final = "stopped"
"""The reason of the `lifecycle` event with which a worker says that it ends."""


class Run:
    """One run of a producer: its numbers, when it was last heard of by the log's clock, and whether it said goodbye."""

    numbers: Numbers
    last: float
    stopped: bool

    def __init__(self) -> None:
        self.numbers = Numbers()
        self.last = 0.0
        self.stopped = False


class Lost:
    """The numbers told as missing that gaps of one hour lack, how many of them came since, and how often all had."""

    told: int
    came: int
    rounds: int

    def __init__(self) -> None:
        self.told = self.came = self.rounds = 0


class Producer:
    """What is kept of one producer; moments are the log's clock but for the cells, which are of event time.

    `heard` is when anything of it was last received and `since` when first, `excused` from when on its silence counts,
    `interval` how often it sends heartbeats (0 where it does not). `told` is when it was last told as silent, `group`
    the moment that names those who were told together with it. `check` is the earliest moment at which its silence may
    have become too long by its rhythm.
    """

    heard: float
    since: float
    excused: float
    interval: float
    told: float
    group: float
    check: float
    gap: float
    runs: dict[str, Run]
    servers: set[str]
    rates: set[float]
    rhythm: Rhythm
    beating: dict[int, list[str]]
    lost: dict[int, Lost]
    fives: dict[int, Beats]
    quarters: dict[int, Lives]
    hours: dict[int, Hour]

    def __init__(self) -> None:
        self.heard = self.since = self.excused = self.interval = self.told = self.group = self.check = self.gap = 0.0
        self.runs = {}
        self.servers = set()
        self.rates = set()
        self.rhythm = Rhythm()
        self.beating = {}
        self.lost = {}
        self.fives = {}
        self.quarters = {}
        self.hours = {}

    @property
    def active(self) -> bool:
        """Whether a worker that was heard of until the end has not said goodbye."""
        lately = self.heard - (4 * self.interval + 60 if self.interval else HOUR)
        return not self.runs or any(not run.stopped and run.last >= lately for run in self.runs.values())


class ProducerView:
    """What events and closed cells of a producer come to."""

    def __init__(self, teller: Teller, parameters: Mapping[str, float]) -> None:
        self._teller = teller
        self._wait = parameters["gap_seconds"]
        self._restarts = int(parameters["restarts"])
        self._skewed = int(parameters["skewed_events"])
        self._behind = parameters["behind_seconds"]

    def batch(self, state: Producer, entity: Entity, batch: Batch, facts: Facts) -> Sequence[Finding]:
        """Fold the events of one frame."""
        events = batch.events
        clock = facts.clock
        state.heard = max(state.heard, clock)
        state.since = min(state.since or clock, clock)
        servers = {event.server for event in events}
        if not servers <= state.servers:
            self._know(state, servers)
        stretch = batch.stretch
        if stretch is not None:
            found = self._see(state, entity, stretch.run, stretch.first, stretch.last, clock, facts)
        else:
            found = self._number(state, entity, events, facts)
        kinds = [event.kind for event in events]
        if kinds.count("request") < len(kinds):
            for event in events:
                if event.kind != "request":
                    self._lived(state, event)
        fresh = batch.fresh()
        if fresh.events:
            for number in fresh.cells(HOUR):
                inside = fresh.within(HOUR, number)
                minutes = [minute for minute in fresh.cells(60) if minute // 60 == number]
                _open(state.hours, number, Hour).add(inside, minutes, skewed=batch.skewed)
            self._live(state, fresh)
        return found

    def merge(self, state: Producer, partial: Producer, entity: Entity, facts: Facts) -> Sequence[Finding]:
        """Fold a partial state."""
        clock = facts.clock
        state.heard = max(state.heard, partial.heard)
        state.since = min(state.since or partial.since, partial.since or state.since)
        self._know(state, partial.servers)
        found: list[Finding] = []
        for name, other in sorted(partial.runs.items()):
            run = self._run(state, name, other.last)
            run.stopped |= other.stopped
            found += self._came(state, entity, run.numbers.merge(other.numbers, clock), facts)
            self._notice(state, run.numbers)
        _merge(state.fives, partial.fives, Beats)
        _merge(state.quarters, partial.quarters, Lives)
        _merge(state.hours, partial.hours, Hour)
        return found

    def settle(self, state: Producer, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Learn from a closed cell, and say what only the whole of it shows."""
        number = cell.start // cell.seconds
        if cell.seconds == FIVE:
            beats = state.fives.pop(number, None)
            return self._five(state, entity, cell, beats, facts) if beats is not None else NOTHING
        if cell.seconds == QUARTER:
            lives = state.quarters.pop(number, None)
            return self._quarter(state, entity, cell, lives, facts) if lives is not None else NOTHING
        hour = state.hours.pop(number, None)
        self._forget(state, cell)
        return self._hour(state, entity, cell, hour, facts) if hour is not None else NOTHING

    def _know(self, state: Producer, servers: Set[str]) -> None:
        for server in sorted(servers - state.servers)[: SERVERS - len(state.servers)]:
            state.servers.add(server)

    def _number(self, state: Producer, entity: Entity, events: Sequence[AuditEvent], facts: Facts) -> list[Finding]:
        """Follow the running numbers of events that are no stretch."""
        names = [event.run for event in events]
        seqs: list[Any] = [event.seq for event in events]
        count, clock = len(seqs), facts.clock
        found: list[Finding] = []
        begin = 0
        while begin < count:
            low = seqs[begin]
            end = begin + 1
            if low is not None:
                while end < count and names[end] == names[begin] and seqs[end] == low + end - begin:
                    end += 1
                found += self._see(state, entity, names[begin] or "", low, low + end - begin - 1, clock, facts)
            elif names[begin] is not None:
                self._run(state, names[begin] or "", clock)
            begin = end
        return found

    def _see(
        self, state: Producer, entity: Entity, name: str, low: int, high: int, clock: float, facts: Facts
    ) -> list[Finding]:
        numbers = self._run(state, name, clock).numbers
        stretches = len(numbers.spans)
        came = numbers.see(low, high, clock)
        if len(numbers.spans) > stretches:
            self._notice(state, numbers)
        return self._came(state, entity, came, facts) if came else []

    def _notice(self, state: Producer, numbers: Numbers) -> None:
        """Somebody has to look whether a gap that showed is still there after a while."""
        opened = numbers.first_open()
        if opened is not None:
            due = opened + self._wait
            state.gap = min(state.gap or due, due)

    def _came(self, state: Producer, entity: Entity, came: Mapping[float, int], facts: Facts) -> list[Finding]:
        """Numbers that were told as missing came after all; where none of an hour is missing any more, that is over."""
        found = []
        for opened, count in sorted(came.items()):
            hour = int(opened) // HOUR
            lost = state.lost.get(hour)
            if lost is None or not lost.told:
                continue
            lost.came += count
            if lost.came >= lost.told:
                found.append(
                    self._teller.filled(
                        of_producer(entity, state.servers, facts), hour, lost.rounds, lost.told, facts.clock
                    )
                )
                lost.told, lost.came, lost.rounds = 0, 0, lost.rounds + 1
        return found

    def _run(self, state: Producer, name: str, clock: float) -> Run:
        run = state.runs.get(name)
        if run is None:
            if len(state.runs) >= RUNS:
                gone = min(state.runs, key=lambda known: (state.runs[known].last, known))
                del state.runs[gone]
            run = state.runs[name] = Run()
        run.last = max(run.last, clock)
        return run

    def _live(self, state: Producer, batch: Batch) -> None:
        """When the runs were heard of; of one that lived long in a cell there is nothing more to know."""
        numbers = batch.cells(QUARTER)
        runs = {event.run for event in batch.events} if batch.stretch is None else {batch.stretch.run}
        if len(runs) == len(numbers) == 1:
            (run,) = runs
            if run is not None:
                lives = _open(state.quarters, numbers[0], Lives)
                if lives.brief(run):
                    times = [event.time for event in batch.events]
                    lives.add(run, min(times), max(times))
            return
        for event in batch.events:
            if event.run is not None:
                lives = _open(state.quarters, int(event.time) // QUARTER, Lives)
                if lives.brief(event.run):
                    lives.add(event.run, event.time, event.time)

    def _lived(self, state: Producer, event: AuditEvent) -> None:
        """A heartbeat, or a worker's last word."""
        goodbye = event.kind == "lifecycle" and event.reason == GOODBYE
        if goodbye:
            self._run(state, event.run or "", 0.0).stopped = True
        if (goodbye or event.kind == "heartbeat") and not event.late:
            _open(state.fives, int(event.time) // FIVE, Beats).add(event)

    def _five(self, state: Producer, entity: Entity, cell: Cell, beats: Beats, facts: Facts) -> list[Finding]:
        interval = beats.interval()
        if interval:
            state.interval = interval
        found: list[Finding] = []
        if interval and beats.behind is not None and beats.behind > self._behind:
            found.append(self._teller.behind(of_producer(entity, state.servers, facts), cell, beats.behind))
        number = cell.start // FIVE
        before = state.beating.get(number - 1, [])
        gone = [
            run
            for run in before
            if run not in beats.runs
            and run not in beats.stopped
            and not ((known := state.runs.get(run)) is not None and known.stopped)
        ]
        if gone and beats.runs:
            found.append(
                self._teller.worker_gone(of_producer(entity, state.servers, facts), cell, len(gone), len(before))
            )
        state.beating = {number: sorted(run for run, extent in beats.runs.items() if extent.count >= 3)[:RUNS]}
        return found

    def _quarter(self, state: Producer, entity: Entity, cell: Cell, lives: Lives, facts: Facts) -> list[Finding]:
        brief = [
            run
            for run, extent in lives.runs.items()
            if lives.brief(run) and extent.first >= cell.start + 60 and extent.last < cell.end - 60
        ]
        if len(brief) < self._restarts:
            return []
        return [self._teller.restarts(of_producer(entity, state.servers, facts), cell, len(brief), self._restarts)]

    def _hour(self, state: Producer, entity: Entity, cell: Cell, hour: Hour, facts: Facts) -> list[Finding]:
        found: list[Finding] = []
        state.rhythm.close(cell.start // HOUR, hour.minutes)
        if hour.skewed >= self._skewed:
            found.append(self._teller.ahead(of_producer(entity, state.servers, facts), cell, hour.skewed, hour.count))
        if hour.rates:
            if state.rates and min(hour.rates) < min(state.rates):
                found.append(
                    self._teller.sampled(
                        of_producer(entity, state.servers, facts), cell, min(state.rates), min(hour.rates)
                    )
                )
            state.rates = hour.rates
        return found

    def _forget(self, state: Producer, cell: Cell) -> None:
        """Let go of gaps that will not be filled any more, and of cells that nobody closed."""
        oldest = cell.end - DAY
        for run in state.runs.values():
            run.numbers.forget(oldest)
        for hour in [hour for hour in state.lost if (hour + 1) * HOUR < oldest]:
            del state.lost[hour]
        _drop(state.fives, FIVE, cell.start - HELD)
        _drop(state.quarters, QUARTER, cell.start - HELD)
        _drop(state.hours, HOUR, cell.start - HELD)


def _open(known: dict[int, Any], number: int, make: type[Any]) -> Any:
    cell = known.get(number)
    if cell is None:
        cell = known[number] = make()
    return cell


def _merge(known: dict[int, Any], other: Mapping[int, Any], make: type[Any]) -> None:
    for number, cell in sorted(other.items()):
        _open(known, number, make).merge(cell)


def _drop(known: dict[int, Any], seconds: int, before: float) -> None:
    for number in [number for number in known if (number + 1) * seconds < before]:
        del known[number]
