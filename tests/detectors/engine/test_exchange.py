"""Several partitions that gather for one another find what one engine finds, however their tasks take turns."""

import random
from concurrent.futures import Future
from typing import Any

import pytest

from detectors.base import AnyDetector
from detectors.discovery import detector_names, load_detector
from detectors.engine.engine import Engine
from detectors.engine.exchange import OwnerTask, PartitionTask
from detectors.engine.held import Held
from detectors.engine.owner_engine import OwnerEngine
from detectors.engine.partial import LAST, Batch, Part, batch_of
from detectors.engine.partition_engine import PartitionEngine
from detectors.engine.task import DetectTask
from stream.facts import Facts
from stream.finding import DECODER
from stream.frame import Frame, Record, unpack
from stream.log import EVENTS, FINDINGS, PEERS, WIDE, Stream
from stream.memory import MemoryLog
from stream.spread import Spread
from tests.detectors.streams import HOUR, START, directory, event, frames, tick
from tests.detectors.traffic import DIRECTORY, mixed
from tocsin_audit.event import AuditEvent

PARTITIONS = 4
Told = set[tuple[str, str, str, str]]


class Kept(MemoryLog):
    """A log that any number of tasks read from any place."""

    def __init__(self, partitions: int = PARTITIONS) -> None:
        super().__init__()
        self.partitions = partitions
        self.streams: dict[Stream, list[Frame]] = {}

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        """Add a frame."""
        kept = self.streams.setdefault(stream, [])
        kept.append(frame)
        done: Future[int] = Future()
        done.set_result(len(kept) - 1)
        return done

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> list[Record]:
        """Frames from a position on."""
        kept = self.streams.get(stream, [])
        return [Record(number, kept[number]) for number in range(position, min(len(kept), position + limit))]

    def told(self) -> Told:
        """The findings that take effect: those above the marks of their tasks."""
        found: Told = set()
        marks: dict[tuple[str, int], tuple[int, int]] = {}
        for frame in self.streams.get(FINDINGS, []):
            origin = frame.header.origin
            assert origin is not None
            place = origin.offset, origin.ordinal
            if place <= marks.get((origin.task, origin.partition), (-1, -1)):
                continue
            marks[origin.task, origin.partition] = place
            if frame.header.content == "findings":
                decoded = [DECODER.decode(line) for line in unpack(frame).splitlines()]
                found |= {(one.id, one.class_, one.severity, one.mode) for one in decoded}
        return found


def detectors() -> list[AnyDetector]:
    return [load_detector(name)() for name in detector_names()]


def producers() -> list[AuditEvent]:
    """Heartbeats of producers that fall silent, one alone and seven at once, and calls of which some are lost."""
    told: list[AuditEvent] = []
    for name, until in (("alone", 2400), *((f"with-{number}", 3600 + number) for number in range(7))):
        for number, t in enumerate(range(until % 15, until, 15)):
            told.append(event(t, kind="heartbeat", producer=name, run="r", seq=number, tenant=None, id=None))
    for number in range(900):
        if not 300 <= number < 330:
            who = f"user-{number % 6}"
            told.append(event(number * 5.0, producer="work", run="r", seq=number, user=who, server="crm", id=None))
    return told


def history(seed: int) -> list[Frame]:
    """Two hours of everything, some of it late, with the time that passes before and after."""
    chance = random.Random(seed)
    events = sorted([*mixed(seed), *producers()], key=lambda one: one.time)
    delays = {id(one): 400.0 if chance.random() < 0.02 else chance.uniform(0, 5) for one in events}
    records = frames(events, lambda one: one.time - START + delays[id(one)])
    ticks = [tick(at) for at in (*range(-60, int(2 * HOUR), 30), *range(int(2 * HOUR), int(5 * HOUR), 120))]
    whole = sorted((*records, *ticks), key=lambda record: record.frame.header.received)
    return [directory(-60.0, DIRECTORY).frame, *(record.frame for record in whole)]


def found_by_one(made: list[Frame]) -> Told:
    log = Kept(1)
    for frame in made:
        log.append(EVENTS, frame)
    task = DetectTask(log, Engine(detectors(), Facts()))
    while task.advance(wait=0.0):
        pass
    task.flush()
    return log.told()


def partition_task(log: Kept, number: int) -> PartitionTask:
    engine = PartitionEngine(detectors(), Facts(), owners=log.partitions, first=number == 0)
    return PartitionTask(log, engine, stream=Stream(EVENTS.name, number))


def owner_task(log: Kept, number: int) -> OwnerTask:
    return OwnerTask(log, OwnerEngine(detectors(), Facts(), first=number == 0), number)


def drain(tasks: list[Any], chance: random.Random, log: Kept, *, restarts: float = 0.0) -> list[Any]:
    """Let tasks take turns by chance until nothing moves; some die and begin again at their last snapshot."""
    idle = 0
    zombies: list[Any] = []
    while idle < 40 * len(tasks):
        place = chance.randrange(len(tasks))
        moved = tasks[place].advance(wait=0.0, limit=chance.choice((1, 4, 64)))
        idle = 0 if moved else idle + 1
        dice = chance.random()
        if dice < restarts:
            if len(zombies) < 2:
                zombies.append(tasks[place])
            tasks[place] = partition_task(log, place) if place < log.partitions else owner_task(log, place - 4)
        elif dice < 4 * restarts:
            tasks[place].save()
        elif dice < 8 * restarts and zombies:
            chance.choice(zombies).advance(wait=0.0, limit=4)
    for task in tasks:
        task.flush()
    return tasks


@pytest.mark.parametrize("seed", [1, 2])
def test_four_partitions_find_what_one_engine_finds(seed: int) -> None:
    made = history(seed)
    expected = found_by_one(made)
    assert [one for one in expected if one[1] == "audit_gap" and one[2] == "high"]
    log = Kept()
    spread = Spread(log)
    for frame in made:
        spread.append(EVENTS, frame)
    every = range(PARTITIONS)
    folding, owning = [partition_task(log, number) for number in every], [owner_task(log, number) for number in every]
    drain([*folding, *owning], random.Random(seed), log)
    assert log.told() == expected
    assert not any(task.waiting for task in folding)
    assert not any(task.held for task in owning)


def test_tasks_that_die_and_zombies_that_repeat_change_nothing() -> None:
    made = history(4)
    log = Kept()
    spread = Spread(log)
    for frame in made:
        spread.append(EVENTS, frame)
    every = range(PARTITIONS)
    tasks = [*(partition_task(log, number) for number in every), *(owner_task(log, number) for number in every)]
    drain(tasks, random.Random(4), log, restarts=0.01)
    assert log.told() == found_by_one(made)


def test_a_partition_waits_at_a_boundary_for_every_owner() -> None:
    log = Kept(2)
    spread = Spread(log)
    for frame in history(5):
        spread.append(EVENTS, frame)
    one, other = partition_task(log, 0), partition_task(log, 1)
    owner = owner_task(log, 0)
    for _ in range(200):
        for task in (one, other, owner):
            task.advance(wait=0.0)
    assert one.waiting, "the second owner has not answered"
    assert other.waiting
    assert log.streams[Stream(PEERS, 0)], "the first has"
    assert one.clock - START < HOUR


def part(offset: int, clock: float, *, told: bool = False) -> Part:
    return Part(offset, int(clock) if told else LAST, clock, told=[] if told else None)


def test_parts_are_released_in_the_order_of_clocks_once_nothing_can_precede_them() -> None:
    held = Held()
    held.add(Batch(0, 2, 30.0, {}, [part(0, 10.0), part(1, 30.0)]))
    assert list(held.ready()) == [], "the other has not been heard of"
    held.add(Batch(1, 2, 20.0, {}, [part(0, 5.0), part(1, 20.0)]))
    assert [source.part.clock for source in held.ready()] == [5.0, 10.0, 20.0]
    held.add(Batch(1, 2, 40.0, {}, [part(1, 20.0), part(2, 30.0, told=True)]))
    ready = list(held.ready())
    assert [(source.input, source.part.told) for source in ready] == [(1, []), (0, None)], "boundaries come first"


def test_what_is_held_and_what_was_seen_outlive_a_restart() -> None:
    held = Held()
    held.add(Batch(0, 2, 30.0, {}, [part(0, 10.0), part(1, 30.0)]))
    again = Held()
    again.unpack(held.pack())
    again.add(Batch(0, 2, 30.0, {}, [part(0, 10.0), part(1, 30.0)]))
    again.add(Batch(1, 2, 99.0, {}, []))
    assert [source.part.clock for source in again.ready()] == [10.0, 30.0]


def test_a_task_that_is_restored_at_a_boundary_waits_on_and_tells_nothing_twice() -> None:
    log = Kept(2)
    spread = Spread(log)
    for frame in history(6):
        spread.append(EVENTS, frame)
    task = partition_task(log, 0)
    while not task.waiting:
        task.advance(wait=0.0)
    task.save()
    told = len(log.streams[Stream(WIDE, 0)])
    again = partition_task(log, 0)
    assert (again.waiting, again.position, again.clock) == (True, task.position, task.clock)
    again.advance(wait=0.0)
    sent = [batch_of(frame) for frame in log.streams[Stream(WIDE, 0)][told:]]
    assert not any(batch.parts for batch in sent)


def test_what_an_owner_finds_in_one_batch_is_put_out_by_the_clock_at_which_it_was_found() -> None:
    made = history(7)
    log = Kept(2)
    spread = Spread(log)
    for frame in made:
        spread.append(EVENTS, frame)
    tasks = [partition_task(log, 0), partition_task(log, 1), owner_task(log, 0), owner_task(log, 1)]
    # In large batches, so that much is found at once.
    while sum(task.advance(wait=0.0, limit=10_000) for task in tasks):
        pass
    for task in tasks:
        task.flush()
    places: dict[tuple[str, int], tuple[int, int, float]] = {}
    most = 0
    for frame in log.streams[FINDINGS]:
        origin = frame.header.origin
        assert origin is not None
        before = places.get(origin[:2], (-1, -1, 0.0))
        after = origin.offset, origin.ordinal, frame.header.received
        assert after[:2] > before[:2]
        assert after[2] > before[2] or origin.offset > before[0], "one frame a clock"
        places[origin[:2]] = after
        most = max(most, origin.ordinal)
    assert most, "several clocks in a batch"
    assert log.told() == found_by_one(made)
