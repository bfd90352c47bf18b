"""The alert task: reads the findings stream and makes each frame take effect exactly once."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from alerting.fold import Folder
from alerting.observe import Observer, Unobserved
from alerting.policy import Policies
from alerting.route import Routes
from alerting.store import Store
from alerting.tell import Decided, Texts
from alerting.unit import Unit
from stream import control
from stream.control import Act, DirectoryVersion
from stream.crashpoints import crash_point
from stream.errors import DamagedError
from stream.finding import DECODER
from stream.frame import Frame, Origin, Record, unpack
from stream.log import FINDINGS, Log, Stream

T = TypeVar("T")

BATCH: Final = 64
"""Frames that one transaction takes at most."""


def _nobody() -> None:
    """Nobody waits for the outbox."""


class AlertTask:
    """Folds findings and operators' acts into incidents, decisions and the outbox.

    Each frame's effects stand in one transaction with the mark of its origin and the position in the stream, so that a
    crash, a repeated output or a second start changes nothing. All time is the stream's clock, the running maximum of
    `received`. `wake` is called after a commit, for whoever delivers.
    """

    def __init__(
        self,
        log: Log,
        store: Store,
        policies: Policies,
        *,
        routes: Routes | None = None,
        texts: Texts | None = None,
        stream: Stream = FINDINGS,
        observer: Observer | None = None,
        wake: Callable[[], None] = _nobody,
    ) -> None:
        self._log = log
        self._store = store
        self._folder = Folder(policies, routes or Routes(), texts)
        self._stream = stream
        self._observer = observer or Unobserved()
        self._wake = wake
        with store.unit() as unit:
            self.position, self.clock = unit.places.position(stream)

    def advance(self, *, wait: float, limit: int = BATCH) -> int:
        """Fold the frames that are there, waiting up to `wait` seconds for one; how many there were.

        Raises StorageError where the log or the database does not work; nothing took effect then, and calling again
        tries again.
        """
        records = self._log.read(self._stream, self.position, limit=limit, wait=wait)
        if not records:
            return 0
        crash_point("alert.before_transaction")
        clock, decided, rejected = self.clock, list[Decided](), list[tuple[Act, str]]()
        marks: dict[tuple[str, int], tuple[int, int] | None] = {}
        with self._store.unit() as unit:
            position, moved = unit.places.position(self._stream)
            if position != self.position:
                # Another process decided meanwhile, which thinks that this one is gone: go on from there.
                self.position, self.clock = position, moved
                return 0
            for record in records:
                clock = max(clock, record.frame.header.received)
                if self._is_new(unit, record.frame.header.origin, marks):
                    self._fold(unit, record, clock, decided, rejected)
                self._folder.due(unit, clock)
            for (task, partition), mark in marks.items():
                if mark is not None:
                    unit.places.set_mark(Origin(task, partition, *mark))
            unit.places.set_position(self._stream, records[-1].offset + 1, clock)
            unit.flush()
            crash_point("alert.before_commit")
        crash_point("alert.after_commit")
        self.position, self.clock = records[-1].offset + 1, clock
        self._wake()
        for finding, decision, page_id in decided:
            self._observer.decided(finding, decision, page_id, clock)
        for change, why in rejected:
            self._observer.rejected(change, why)
        return len(records)

    def finish(self) -> None:
        """Tell at once what budgets hold back: the end of a replay, whose clock will not move on."""
        with self._store.unit() as unit:
            self._folder.due(unit, self.clock, all_=True)
        self._wake()

    def _is_new(self, unit: Unit, origin: Origin | None, marks: dict[tuple[str, int], tuple[int, int] | None]) -> bool:
        """Whether an output is above its task's high-water mark; what has no origin stands in the stream once."""
        if origin is None:
            return True
        key = (origin.task, origin.partition)
        mark = marks[key] if key in marks else unit.places.mark(*key)
        place = (origin.offset, origin.ordinal)
        new = mark is None or place > mark
        marks[key] = place if new else mark
        return new

    def _fold(
        self,
        unit: Unit,
        record: Record,
        clock: float,
        decided: list[Decided],
        rejected: list[tuple[Act, str]],
    ) -> None:
        header = record.frame.header
        if header.content == "findings":
            findings = self._decoded(record, DECODER)
            decided += self._folder.findings(unit, findings, clock, imported=header.imported)
        elif header.content == "control":
            for said in self._decoded(record, control.DECODER):
                if isinstance(said, DirectoryVersion):
                    decided += self._folder.directory(unit, said, clock)
                elif isinstance(said, Act) and (why := self._folder.act(unit, said, clock)) is not None:
                    rejected.append((said, why))

    def _decoded(self, record: Record, decoder: msgspec.json.Decoder[T]) -> list[T]:
        try:
            return [decoder.decode(line) for line in unpack(record.frame).splitlines()]
        except (msgspec.DecodeError, DamagedError) as error:
            raise DamagedError(
                f"a frame of the findings stream cannot be read ({error})",
                where=f"{self._stream.name}/{self._stream.partition} at {record.offset}",
                hint="restore the log from a backup; `tocsin verify` names every damaged place",
            ) from error


def act_frame(act: Act, received: float) -> Frame:
    """The frame that brings an operator's act into the findings stream; `received` is the wall clock in seconds."""
    return control.control_frame(act, received, source=act.by)
