"""The alert task: reads the findings stream and makes each frame take effect exactly once."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.fold import Folder
from alerting.merge import Heard, Merge
from alerting.observe import Observer, Unobserved
from alerting.routing.route import Routes
from alerting.telling.tell import Decided
from alerting.unit import Unit
from alerting.wording.texts import Texts
from stream import control
from stream.control import Act, DirectoryVersion
from stream.crashpoints import crash_point
from stream.errors import DamagedError
from stream.finding import DECODER, Finding
from stream.frame import Frame, Origin, Record, unpack
from stream.log import FINDINGS, Log, Stream

T = TypeVar("T")

TICK: Final = 1.0
"""Seconds of the clock after which time alone takes effect, where several tasks tell of it."""
BATCH: Final = 64
"""Frames that are read at once."""
MANY: Final = 2_000
"""Findings after which a transaction ends, so that whoever delivers or acts need not wait until a storm is over."""


def _nobody() -> None:
    """Nobody waits for the outbox."""


class AlertTask:
    """Folds findings and operators' acts into incidents, decisions and the outbox.

    Each frame's effects stand in one transaction with the mark of its origin and the position in the stream, so that a
    crash, a repeated output or a second start changes nothing. All time is the stream's clock, the running maximum of
    `received`. `wake` is called after a commit, for whoever delivers. `tasks` is how many tasks of detectors put out
    findings: those of several are brought into the order of their clocks (see `alerting.merge`).
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
        tasks: int = 1,
    ) -> None:
        self._log = log
        self._store = store
        self._folder = Folder(policies, routes or Routes(), texts)
        self._stream = stream
        self._observer = observer or Unobserved()
        self._wake = wake
        self._tasks = tasks
        self.position, self.clock, self._read = 0, 0.0, 0
        self._merge = Merge(tasks, self._findings)
        with store.unit() as unit:
            self._go_on(*unit.places.position(stream))

    @property
    def held(self) -> int:
        """Frames that wait until every task has shown a later clock."""
        return len(self._merge)

    def advance(self, *, wait: float, limit: int = BATCH, patient: bool = True) -> int:
        """Fold the frames that are there, waiting up to `wait` seconds for one; how many there were.

        Where it is not `patient`, what is held takes effect though some task has not come as far. Raises StorageError
        where the log or the database does not work; nothing took effect then, and calling again tries again.
        """
        records = self._log.read(self._stream, self._read, limit=limit, wait=wait)
        self._merge.add(records)
        if records:
            self._read = records[-1].offset + 1
        groups = self._merge.ready(all_=not patient)
        if groups and not self._merely_time(groups):
            try:
                self._take_all(groups)
            except BaseException:
                self._go_on(self.position, self.clock)
                raise
        return len(records)

    def _merely_time(self, groups: Sequence[Sequence[Heard]]) -> bool:
        """Whether nothing came but ticks of several tasks, too little of it for a transaction."""
        headers = [group[0].record.frame.header for group in groups]
        return self._tasks > 1 and all(
            header.content == "tick" and header.received < self.clock + TICK for header in headers
        )

    def _go_on(self, position: int, clock: float) -> None:
        self.position = self._read = position
        self.clock = clock
        self._merge = Merge(self._tasks, self._findings)

    def _take_all(self, groups: Sequence[Sequence[Heard]]) -> None:
        """Take groups in as few transactions as hold MANY findings each."""
        while groups:
            end, many = 0, 0
            while end < len(groups) and (not many or many + _count(groups[end]) <= MANY):
                many += _count(groups[end])
                end += 1
            rest = groups[end:]
            waiting = [one.record.offset for group in rest for one in group]
            if self._merge.oldest is not None:
                waiting.append(self._merge.oldest)
            if not self._take(groups[:end], min(waiting, default=self._read)):
                return
            groups = rest

    def _take(self, groups: Sequence[Sequence[Heard]], reached: int) -> bool:
        """Take groups in one transaction, after which reading goes on at `reached`; False where another went on."""
        acting = any(self._matters(one) for group in groups for one in group)
        crash_point("alert.before_transaction", acting=acting)
        clock, decided, rejected = self.clock, list[Decided](), list[tuple[Act, str]]()
        marks: dict[tuple[str, int], tuple[int, int] | None] = {}
        with self._store.unit() as unit:
            position, moved = unit.places.position(self._stream)
            if position != self.position:
                # Another process decided meanwhile, which thinks that this one is gone: go on from there.
                self._go_on(position, moved)
                return False
            for group in groups:
                received = group[0].record.frame.header.received
                clock = max(clock, received)
                new = [one for one in group if self._is_new(unit, one.record.frame.header.origin, marks)]
                if new:
                    # What several tasks found is decided at its own clock, as one process does.
                    self._fold(unit, new, received if self._tasks > 1 else clock, decided, rejected)
                self._folder.due(unit, clock)
            for (task, partition), mark in marks.items():
                if mark is not None:
                    unit.places.set_mark(Origin(task, partition, *mark))
            unit.places.set_position(self._stream, reached, clock)
            unit.flush()
            crash_point("alert.before_commit", acting=acting)
        crash_point("alert.after_commit", acting=acting)
        self.position, self.clock = reached, clock
        self._wake()
        for finding, decision, page_id in decided:
            self._observer.decided(finding, decision, page_id, clock)
        for change, why in rejected:
            self._observer.rejected(change, why)
        return True

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
        group: Sequence[Heard],
        clock: float,
        decided: list[Decided],
        rejected: list[tuple[Act, str]],
    ) -> None:
        header = group[0].record.frame.header
        if findings := [finding for one in group for finding in one.findings]:
            decided += self._folder.findings(unit, findings, clock, imported=header.imported)
        elif header.content == "control":
            for said in self._decoded(group[0].record, control.DECODER):
                if isinstance(said, DirectoryVersion):
                    decided += self._folder.directory(unit, said, clock)
                elif isinstance(said, Act) and (why := self._folder.act(unit, said, clock)) is not None:
                    rejected.append((said, why))

    def _matters(self, heard: Heard) -> bool:
        """Whether a record has findings or acts, and not just facts or the time."""
        if heard.record.frame.header.content != "control":
            return bool(heard.findings)
        return any(isinstance(said, Act) for said in self._decoded(heard.record, control.DECODER))

    def _findings(self, record: Record) -> list[Finding]:
        return self._decoded(record, DECODER)

    def _decoded(self, record: Record, decoder: msgspec.json.Decoder[T]) -> list[T]:
        try:
            return [decoder.decode(line) for line in unpack(record.frame).splitlines()]
        except (msgspec.DecodeError, DamagedError) as error:
            raise DamagedError(
                f"a frame of the findings stream cannot be read ({error})",
                where=f"{self._stream.name}/{self._stream.partition} at {record.offset}",
                hint="restore the log from a backup; `tocsin verify` names every damaged place",
            ) from error


def _count(group: Sequence[Heard]) -> int:
    return sum(len(one.findings) for one in group)


def act_frame(act: Act, received: float) -> Frame:
    """The frame that brings an operator's act into the findings stream; `received` is the wall clock in seconds."""
    return control.control_frame(act, received, source=act.by)
