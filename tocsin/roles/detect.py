"""The detect role: the tasks of each partition that the group gives this process."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from detectors.base import AnyDetector
from detectors.engine.engine import Engine
from detectors.engine.exchange import OwnerTask, PartitionTask
from detectors.engine.task import TASK, DetectTask
from stream.broker.group import Membership
from stream.broker.state import Fence, Size
from stream.control import Model
from stream.directory import EMPTY, Directory
from stream.errors import StorageError
from stream.frame import Frame, Header
from stream.kafka import KafkaLog
from stream.log import EVENTS, WIDE, Stream
from tocsin.learning.nightly import Nightly
from tocsin.roles.tasks import FIRST, Tasks

logger = logging.getLogger("tocsin.detect")

GROUP: Final = "detect"
WAIT: Final = 0.25
"""Seconds that an idle pass waits for a frame."""
AT_ONCE: Final = 16
"""Frames of one partition that are folded before the next has its turn."""
HARDLY: Final = 1e-6
"""A wait that only asks for what was fetched already."""
TICK: Final = 1.0


class Detecting:
    """Folds the partitions that are ours, hands them over with a last snapshot, and takes others' over.

    `clock` gives the wall clock in seconds since the epoch, for ticks and for when to save; no decision hears of it.
    """

    def __init__(
        self,
        log: KafkaLog,
        membership: Membership,
        tasks: Tasks,
        *,
        snapshot_seconds: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tasks: dict[int, DetectTask] = {}
        self.owners: dict[int, OwnerTask] = {}
        self.restored = 0
        self.restore_seconds = self.save_seconds = 0.0
        self._log = log
        self._membership = membership
        self._make = tasks
        self._every = snapshot_seconds
        self._clock = clock
        self._due: dict[int, float] = {}
        self._at: dict[int, int] = {}
        self._seen = 0

    @property
    def settled(self) -> bool:
        """Whether the group has given out its partitions and all of ours are past what was known of their outputs."""
        if not self._membership.joined:
            return False
        return self._membership.owned <= self.tasks.keys() and not any(task.replaying for task in self._all())

    @property
    def leading(self) -> Engine | None:
        """The engine of the first partition, where that is ours: whoever has it does what is done once for all."""
        task = self.tasks.get(FIRST)
        return task.engine if task is not None and isinstance(task.engine, Engine) else None

    def held(self) -> int:
        """Parts of our wide entities that wait for slower partitions."""
        return sum(owner.held for owner in list(self.owners.values()))

    def waiting(self) -> int:
        """Partitions of ours that stand at a boundary until all others have come to it."""
        return sum(isinstance(task, PartitionTask) and task.waiting for task in list(self.tasks.values()))

    def restoring(self) -> int:
        """Partitions that are ours and not yet past what was known of their outputs."""
        tasks, owners = dict(self.tasks), dict(self.owners)
        behind = {number for parts in (tasks, owners) for number, task in parts.items() if task.replaying}
        return len(behind | (self._membership.owned - tasks.keys()))

    def replay(self) -> int:
        """Frames that were folded before by somebody else and are folded again."""
        return sum(task.left for task in self._all())

    def delay(self) -> float:
        """Seconds that the clock of our slowest partition is behind; 0 where we have none."""
        clocks = [task.engine.clock for task in self._all() if task.engine.clock]
        return max(0.0, self._clock() - min(clocks)) if clocks else 0.0

    def sizes(self) -> Size:
        """Bytes of our partitions' snapshots."""
        found = [self._log.size(task.name) for task in self._all()]
        return Size(sum(size.whole for size in found), sum(size.last for size in found))

    def _all(self) -> list[DetectTask]:
        return [*list(self.tasks.values()), *list(self.owners.values())]

    def lag(self) -> int:
        """Frames of our partitions that are not folded yet."""
        tasks = dict(self.tasks)
        return sum(max(0, self._log.end(_events(number)) - task.position) for number, task in tasks.items())

    def turn(self) -> None:
        """One pass: follow the group, fold what is there, save what is due."""
        self._follow()
        folded = 0
        for number, task in list(self.tasks.items()):
            if number not in self._membership.owned or not self._membership.holds(number):
                break
            for one in self._of(number, task):
                folded += one.advance(wait=HARDLY, limit=AT_ONCE)
            if self._clock() >= self._due[number]:
                self._save(number, task)
        if not folded:
            self._seen = self._log.moved(self._seen, WAIT)

    def tick(self) -> None:
        """Move the clock of every partition of ours that stood still since this was last asked."""
        for number, task in list(self.tasks.items()):
            waiting = isinstance(task, PartitionTask) and task.waiting
            if self._at.get(number) == task.position and not waiting:
                frame = Frame(Header(received=self._clock(), content="tick", codec="none"), b"")
                self._log.append(_events(number), frame).result()
            self._at[number] = task.position

    def stop(self) -> None:
        """Make last snapshots, so that whoever takes over has nothing to replay, and leave the group."""
        for number in list(self.tasks):
            if number in self._membership.owned:
                self._let_go(number, last_words=True)
        self._membership.close()

    def _follow(self) -> None:
        asked_back = self._membership.asked_back
        owned = self._membership.owned
        for number in list(self.tasks):
            if number not in owned or not self._membership.holds(number):
                self._let_go(number, last_words=number in asked_back)
        for number in asked_back:
            self._membership.released(number)
        for number in sorted(owned - self.tasks.keys()):
            self._take_over(number)
            if self._membership.asked_back:
                return

    def _take_over(self, number: int) -> None:
        begin = time.monotonic()
        self._membership.begin(number)
        task, owner = self._make(number)
        self.restore_seconds = time.monotonic() - begin
        self.restored += 1
        if owner is not None:
            self.owners[number] = owner
        self.tasks[number] = task
        if task.outdated is not None:
            logger.warning(
                "the state of a partition is another version's: all that the log still has of it is folded again",
                extra={"partition": number, "version": task.outdated, "frames": task.left},
            )
        self._due[number] = self._clock() + self._every
        logger.info(
            "partition taken over",
            extra={"partition": number, "position": task.position, "seconds": round(self.restore_seconds, 3)},
        )

    def _let_go(self, number: int, *, last_words: bool) -> None:
        task = self.tasks.pop(number)
        owner = self.owners.pop(number, None)
        try:
            for one in (task, owner):
                if last_words and one is not None:
                    one.save()
        except StorageError as error:
            logger.info("no last snapshot of partition %d: %s", number, error)
        self._log.forget(_events(number))
        if owner is not None:
            self._log.forget(Stream(WIDE, number))
        logger.info("partition given up", extra={"partition": number, "position": task.position})

    def _of(self, number: int, task: DetectTask) -> Sequence[DetectTask]:
        owner = self.owners.get(number)
        return (task,) if owner is None else (task, owner)

    def _save(self, number: int, task: DetectTask) -> None:
        begin = self._clock()
        try:
            for one in self._of(number, task):
                one.save()
        finally:
            # One that takes long is made less often, so that snapshots never cost more than a twentieth.
            now = self._clock()
            self.save_seconds = max(0.0, now - begin)
            self._due[number] = now + self._every + 20 * max(0.0, now - begin)


def fence_of(log_topic: str, membership: Membership) -> Callable[[str], Fence | None]:
    """For the name of a task's state, who may save it: who has the partition; None for what no group gives out."""

    def fence(task: str) -> Fence | None:
        name, _, number = task.partition("/")
        return Fence(log_topic, int(number or 0), membership.proof) if name in (TASK, WIDE) else None

    return fence


def nightly_of(
    log: KafkaLog, detecting: Detecting, detectors: tuple[AnyDetector, ...], tell: Callable[[Model], object]
) -> Nightly:
    """The nightly training, done by whoever has the first partition when its hour comes, with the facts known there."""

    def directory() -> Directory:
        engine = detecting.leading
        return engine.facts.directory if engine is not None else EMPTY

    def clock() -> float:
        engine = detecting.leading
        return engine.clock if engine is not None else 0.0

    return Nightly(log, directory, detectors, clock, tell, ours=lambda: detecting.leading is not None)


def _events(number: int) -> Stream:
    return Stream(EVENTS.name, number)
