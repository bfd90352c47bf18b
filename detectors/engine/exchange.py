"""The two tasks of a partition among several: one folds its principals, the other the wide entities that it owns."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Final

from detectors.engine.owner_engine import OwnerEngine
from detectors.engine.partial import Answer, Batch, Part, answer_of, frame_of
from detectors.engine.partition_engine import PartitionEngine
from detectors.engine.task import DetectTask
from stream.finding import Finding
from stream.frame import Frame, Record
from stream.log import PEERS, WIDE, Log, Stream

SHOWN: Final = 0.25
"""Seconds of the clock after which an owner hears of it that had nothing to hear, where there are few of them."""
MOST_SHOWN: Final = 1.0
PAIRS: Final = 512
"""Pairs of a partition and an owner that show their clocks in a second at most; more of them do so less often."""
GATHERED: Final = 0.05
"""Seconds of the clock for which parts are gathered into one record an owner, unless there is nothing else to do."""
RECORDS: Final = 5_000
"""Records a second between partitions and owners at most: where there are many pairs, more is gathered into each."""
TICK: Final = 0.25
"""Seconds of the clock after which the findings hear of it: what others found waits for that (`alerting.merge`)."""
HARDLY: Final = 1e-6
"""A wait that only asks for what was fetched already."""


class _Outgoing:
    """Frames to several places, one under way to each: what is tried again can never stand behind what follows it."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: dict[Stream, tuple[Frame, Future[int] | None]] = {}

    def send(self, frames: dict[Stream, Frame]) -> None:
        """Append frames; those before must be durable (`flush`)."""
        assert not self._waiting
        self._waiting = {stream: (frame, self._log.append(stream, frame)) for stream, frame in frames.items()}

    def flush(self) -> None:
        """Wait until all are durable. Raises StorageError where one is not; calling again tries that one again."""
        for stream, (frame, sent) in list(self._waiting.items()):
            self._waiting[stream] = (frame, None)
            (sent if sent is not None else self._log.append(stream, frame)).result()
            del self._waiting[stream]


class PartitionTask(DetectTask):
    """Folds one partition of the events; stops before each boundary until every owner has answered.

    `clock` is how far it is, in seconds since the epoch.
    """

    def __init__(self, log: Log, engine: PartitionEngine, **kept: Any) -> None:
        self._outgoing = _Outgoing(log)
        self._folds = engine
        self._parts: list[list[Part]] = [[] for _ in range(engine.owners)]
        self._shown = [0.0] * engine.owners
        self._every = min(MOST_SHOWN, max(SHOWN, engine.owners**2 / PAIRS))
        self._gathers = min(MOST_SHOWN, max(GATHERED, engine.owners**2 / RECORDS))
        self._sent_at = 0.0
        self._heard: dict[int, Answer] = {}
        self._places: dict[int, int] = {}
        super().__init__(log, engine, tick=TICK, **kept)

    @property
    def waiting(self) -> bool:
        """Whether it stands at a boundary."""
        return self._folds.asked is not None

    @property
    def clock(self) -> float:
        """How far it is."""
        return self._folds.clock

    def advance(self, *, wait: float, limit: int = 64) -> int:
        """Fold what is there and may be folded, and tell the owners."""
        folded = super().advance(wait=wait, limit=limit)
        if not folded or self._folds.clock - self._sent_at >= self._gathers:
            self._send()
        return folded

    def flush(self) -> None:
        """Wait until all that was put out is durable; what is gathered is sent in its time, and before a snapshot."""
        settled = self.settled
        self._outgoing.flush()
        super().flush()
        if any(self._parts):
            self.settled = settled

    def save(self) -> None:
        """Make a snapshot; see `DetectTask.save`."""
        self._send()
        super().save()

    def begin_save(self) -> None:
        """Begin a snapshot; see `DetectTask.begin_save`."""
        self._send()
        super().begin_save()

    def _may_fold(self, record: Record) -> bool:
        engine = self._folds
        header = record.frame.header
        while (boundary := engine.boundary(header.received)) is not None:
            if engine.asked is None:
                parts = engine.tell(boundary, record.offset, imported=header.imported)
                for owner, part in enumerate(parts):
                    self._parts[owner].append(part)
                return False
            if not self._answered(boundary):
                return False
            passed_on = engine.hear(boundary, [self._heard[owner] for owner in range(engine.owners)], record.offset)
            for owner, part in enumerate(passed_on):
                self._parts[owner].append(part)
            for owner, place in self._places.items():
                engine.places[owner] = place
            self._heard, self._places = {}, {}
        return True

    def _fold(self, record: Record) -> Sequence[Finding]:
        found = super()._fold(record)
        for owner, part in self._folds.take(record).items():
            self._parts[owner].append(part)
        return found

    def _answered(self, boundary: int) -> bool:
        for owner in range(self._folds.owners):
            while owner not in self._heard:
                place = self._places.get(owner, self._folds.places[owner])
                records = self._log.read(Stream(PEERS, owner), place, limit=1, wait=HARDLY)
                if not records:
                    return False
                answer = answer_of(records[0].frame)
                if answer.boundary <= boundary:
                    self._places[owner] = records[0].offset + 1
                if answer.boundary == boundary:
                    self._heard[owner] = answer
                elif answer.boundary < boundary:
                    self._folds.catch_up(answer)
                else:
                    return False
        return True

    def _send(self) -> None:
        clock = self._sent_at = self._folds.clock
        due = [owner for owner, parts in enumerate(self._parts) if parts or clock - self._shown[owner] >= self._every]
        if not due:
            return
        self._outgoing.flush()
        frames: dict[Stream, Frame] = {}
        for owner in due:
            parts, self._parts[owner] = self._parts[owner], []
            self._shown[owner] = clock
            batch = Batch(self._stream.partition, self._folds.owners, clock, self._folds.layout, parts)
            frames[Stream(WIDE, owner)] = frame_of(batch, clock)
        self._outgoing.send(frames)


class OwnerTask(DetectTask):
    """Folds one partition of the wide stream and answers at boundaries."""

    def __init__(self, log: Log, engine: OwnerEngine, partition: int, **kept: Any) -> None:
        self._outgoing = _Outgoing(log)
        self._owns = engine
        super().__init__(log, engine, stream=Stream(WIDE, partition), task=WIDE, tick=TICK, **kept)

    @property
    def held(self) -> int:
        """Parts that wait for slower partitions."""
        return len(self._owns.held)

    def flush(self) -> None:
        """Wait until all that was put out is durable."""
        self._outgoing.flush()
        super().flush()

    def _told_at(self, findings: Sequence[Finding]) -> Sequence[tuple[float, Sequence[Finding]]]:
        return self._owns.moments if findings else ()

    def _fold(self, record: Record) -> Sequence[Finding]:
        found = super()._fold(record)
        for answer in self._owns.answers:
            self._outgoing.flush()
            self._outgoing.send({Stream(PEERS, self._stream.partition): frame_of(answer, self._owns.clock)})
        return found
