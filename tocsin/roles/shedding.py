"""Shedding on Kafka: whoever has the first partition decides for all, by how far its own partitions are behind."""

from collections.abc import Callable, Collection

from detectors.base import AnyDetector
from stream.control import Shed
from stream.kafka import KafkaLog
from stream.log import EVENTS, Stream
from tocsin.learning.shedding import Shedding
from tocsin.roles.detect import Detecting


class Behind:
    """How many seconds the partitions of this process are behind; None where that is not known, or not its to say.

    What waited when a partition was taken over is history to be caught up with, and no overload.
    """

    def __init__(self, detecting: Detecting, log: KafkaLog, clock: Callable[[], float]) -> None:
        self._detecting = detecting
        self._log = log
        self._clock = clock
        self._targets: dict[int, int] = {}

    def __call__(self) -> float | None:
        """The seconds now. Raises StorageError."""
        tasks = dict(self._detecting.tasks)
        if self._detecting.leading is None or not self._detecting.settled:
            self._targets = {}
            return None
        for number in tasks.keys() - self._targets.keys():
            self._targets[number] = self._log.end(Stream(EVENTS.name, number))
        if any(task.position < self._targets[number] for number, task in tasks.items()):
            return None
        return max(0.0, self._clock() - min(task.engine.clock for task in tasks.values()))


def shedding_of(
    detecting: Detecting,
    log: KafkaLog,
    detectors: Collection[AnyDetector],
    tell: Callable[[Shed], object],
    clock: Callable[[], float],
    wait: Callable[[float], bool],
) -> Shedding:
    """What decides here while this process has the first partition; `tell` says it to all partitions."""

    def shed() -> Collection[str]:
        engine = detecting.leading
        return engine.warmup.shed if engine is not None else ()

    return Shedding(Behind(detecting, log, clock), shed, tell, [one.spec.name for one in detectors], wait)
