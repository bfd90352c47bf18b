"""What a worker does for a partition of the events: one task where it is the only one, else two that exchange."""

from collections.abc import Callable, Iterable
from typing import Final

from detectors.base import AnyDetector
from detectors.engine.engine import SECRET, Engine
from detectors.engine.exchange import OwnerTask, PartitionTask
from detectors.engine.owner_engine import OwnerEngine
from detectors.engine.partition_engine import PartitionEngine
from detectors.engine.task import DetectTask, Observer
from stream.facts import Facts
from stream.log import EVENTS, Log, Stream

FIRST: Final = 0

Tasks = Callable[[int], tuple[DetectTask, OwnerTask | None]]
"""For a partition, the task of its events, and where there are several that of the wide entities which fall to it."""


def tasks_in(partitions: int) -> int:
    """How many tasks there are over all partitions."""
    return 1 if partitions == 1 else 2 * partitions


def tasks_of(
    log: Log,
    partitions: int,
    detectors: Iterable[AnyDetector],
    *,
    secret: bytes = SECRET,
    observer: Observer | None = None,
) -> Tasks:
    """How the tasks of a partition are made, each from its last snapshot.

    They begin with no facts but the log's, so that every worker knows the same at the same place.
    """
    chosen = list(detectors)

    def make(number: int) -> tuple[DetectTask, OwnerTask | None]:
        events = Stream(EVENTS.name, number)
        if partitions == 1:
            return DetectTask(log, Engine(chosen, Facts(), secret=secret), stream=events, observer=observer), None
        first = number == FIRST
        folding = PartitionEngine(chosen, Facts(), owners=partitions, first=first, secret=secret)
        owning = OwnerEngine(chosen, Facts(), first=first, secret=secret)
        return (
            PartitionTask(log, folding, stream=events, observer=observer),
            OwnerTask(log, owning, number, observer=observer),
        )

    return make
