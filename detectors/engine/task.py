"""The detect task: reads one partition of events, folds it, and appends what it found, each output exactly once."""

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import Final, Protocol

import msgspec

from stream.crashpoints import crash_point
from stream.finding import ENCODER, Finding
from stream.frame import Frame, Header, Origin, Record, pack
from stream.log import EVENTS, FINDINGS, Log, Snapshot, Stream

TASK: Final = "detect"
TICK: Final = 1.0
"""Seconds of the log's clock after which the findings stream hears of it, findings or not."""


class Drafted(Protocol):
    """A snapshot in the making."""

    @property
    def meta(self) -> bytes:
        """Small and whole from the beginning."""
        ...

    def advance(self, *, idle: bool) -> bool:
        """Do a slice, all that is left where there is nothing else to do; whether it is done."""
        ...

    def rows(self) -> dict[str, bytes | None]:
        """The buckets that changed since the snapshot before."""
        ...


class Folding(Protocol):
    """What the task needs of an engine."""

    clock: float
    version: int

    def fold(self, record: Record) -> list[Finding]:
        """Fold one frame; the findings it makes, a function of the frames so far alone."""
        ...

    def snapshot(self) -> tuple[bytes, dict[str, bytes | None]]:
        """Small whole meta, and the buckets that changed since the snapshot before."""
        ...

    def draft(self) -> Drafted:
        """As `snapshot`, made in slices while frames are folded; one at a time."""
        ...

    def restore(self, meta: bytes, buckets: dict[str, bytes]) -> None:
        """Become what a snapshot describes."""
        ...


class Observer(Protocol):
    """Hears what the task did, for metrics; never decides anything."""

    def folded(self, record: Record, findings: Sequence[Finding]) -> None:
        """A frame was folded."""
        ...


class _Meta(msgspec.Struct, array_like=True):
    engine: bytes
    outputs: int
    told: float
    known: int = -1
    ordinal: int = 0


def resume(engine: Folding, snapshot: Snapshot) -> _Meta:
    """Bring an engine to where a snapshot of this task was made, and what else the snapshot says."""
    meta = msgspec.msgpack.decode(snapshot.meta, type=_Meta)
    engine.restore(meta.engine, {name: bucket for name, bucket in snapshot.buckets.items() if bucket is not None})
    return meta


def state_name(task: str, partition: int) -> str:
    """What a task's snapshots of a partition are called: those of the first, which may be the only one, as the task."""
    return f"{task}/{partition}" if partition else task


class DetectTask:
    """Folds the frames of one partition in order.

    Its outputs carry (task, partition, offset, ordinal). After a restore it folds again what came after the snapshot
    but appends nothing up to the last output that the findings stream already has. `position` is where it reads on,
    `settled` up to where all that came of it is durable. `outdated` is the version of the last snapshot where that is
    another one, so that everything is folded again.
    """

    def __init__(
        self,
        log: Log,
        engine: Folding,
        *,
        stream: Stream = EVENTS,
        outputs: Stream = FINDINGS,
        task: str = TASK,
        tick: float = TICK,
        observer: Observer | None = None,
    ) -> None:
        self.position = self.settled = 0
        self._log = log
        self._engine = engine
        self._stream = stream
        self._outputs = outputs
        self._task = task
        self._state = state_name(task, stream.partition)
        self._unsaved: Snapshot | None = None
        self._tick = tick
        self._observer = observer
        self._known = (-1, 0)
        self._told = 0.0
        self._out_position = 0
        self._outbox: deque[Frame] = deque()
        self._sent: Future[int] | None = None
        self._saved = 0
        self._draft: tuple[Drafted, Snapshot] | None = None
        self._keeping: Future[None] | None = None
        self.outdated: int | None = None
        self._restore()

    @property
    def engine(self) -> Folding:
        """What folds."""
        return self._engine

    @property
    def name(self) -> str:
        """What its snapshots are called."""
        return self._state

    @property
    def replaying(self) -> bool:
        """Whether outputs of the frames being folded are already known."""
        return self.left > 0

    @property
    def left(self) -> int:
        """Frames to fold until what comes of them is not known yet."""
        return max(0, self._known[0] + 1 - self.position)

    def advance(self, *, wait: float, limit: int = 64) -> int:
        """Fold the frames that are there, waiting up to `wait` seconds for one; how many were folded."""
        self.flush()
        records = self._log.read(self._stream, self.position, limit=limit, wait=wait)
        folded = 0
        for record in records:
            if not self._may_fold(record):
                break
            folded += 1
            findings = self._fold(record)
            if record.offset >= self._known[0]:
                self._emit(record, findings, last=record is records[-1])
            if record.offset > self._known[0] and self._observer is not None:
                self._observer.folded(record, findings)
            self.position = record.offset + 1
            self._go_on(idle=False)
        if not folded:
            self._go_on(idle=True)
        return folded

    def _may_fold(self, record: Record) -> bool:  # noqa: ARG002  # one process knows all that it needs
        """Whether what a frame depends on is known; if not it is asked again with the next `advance`."""
        return True

    def _fold(self, record: Record) -> Sequence[Finding]:
        return self._engine.fold(record)

    def flush(self) -> None:
        """Append every output, one after the other, and wait until the last is durable.

        Raises StorageError where one is not; calling again tries that one again, so that outputs never stand out of
        order, and nothing more is read until then.
        """
        while self._outbox:
            if self._sent is None:
                self._sent = self._log.append(self._outputs, self._outbox[0])
            sent, self._sent = self._sent, None
            self._out_position = sent.result() + 1
            self._outbox.popleft()
        self.settled = self.position

    @property
    def saving(self) -> bool:
        """Whether a snapshot is being made."""
        return self._draft is not None or self._unsaved is not None

    def begin_save(self) -> None:
        """Begin a snapshot at the present position, to be made and kept while frames are folded (`advance`).

        Nothing happens where there is no news, or one is being made.
        """
        if self.saving or self.position == self._saved:
            return
        self.flush()
        draft = self._engine.draft()
        self._draft = draft, self._snapshot(draft.meta, {})

    def save(self) -> None:
        """Make a snapshot of the state at the present position, once every output up to it is durable."""
        self._end_draft()
        self._keep()
        if self.position == self._saved:
            return
        self.flush()
        self._unsaved = self._snapshot(*self._engine.snapshot())
        self._keep()

    def _snapshot(self, meta: bytes, rows: Mapping[str, bytes | None]) -> Snapshot:
        whole = msgspec.msgpack.encode(_Meta(meta, self._out_position, self._told, *self._known))
        return Snapshot(self._state, self._engine.version, self.position, whole, rows)

    def _go_on(self, *, idle: bool) -> None:
        """A slice of the snapshot that is being made; another thread writes it, since a disk may take its time."""
        if self._draft is not None and self._draft[0].advance(idle=idle):
            self._end_draft()
        if self._keeping is not None and self._keeping.done():
            self._keep()
        if self._unsaved is not None and self._keeping is None:
            self._keeping = Future()
            Thread(target=_write, args=(self._log, self._unsaved, self._keeping), name="snapshot", daemon=True).start()

    def _end_draft(self) -> None:
        if self._draft is not None:
            draft, snapshot = self._draft
            self._unsaved, self._draft = snapshot._replace(buckets=draft.rows()), None

    def _keep(self) -> None:
        """See to it that the snapshot that was made is kept; one that could not be is tried again as it is.

        The engine gives what changed once only. Raises StorageError.
        """
        if self._unsaved is None:
            return
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            keeping = Future()
            _write(self._log, self._unsaved, keeping)
        keeping.result()
        self._saved, self._unsaved = self._unsaved.position, None

    def _restore(self) -> None:
        snapshot = self._log.load(self._state)
        if snapshot is not None and snapshot.version == self._engine.version:
            meta = resume(self._engine, snapshot)
            self.position = self._saved = snapshot.position
            self._out_position = meta.outputs
            self._told = meta.told
            # A snapshot that was made while catching up leaves outputs behind it that are known all the same.
            self._known = meta.known, meta.ordinal
        elif snapshot is not None:
            self.outdated = snapshot.version
        place = self._out_position
        while records := self._log.read(self._outputs, place):
            for record in records:
                origin = record.frame.header.origin
                if origin is not None and origin.task == self._task and origin.partition == self._stream.partition:
                    self._known = max(self._known, (origin.offset, origin.ordinal))
            place = records[-1].offset + 1
        self._out_position = max(self._out_position, place)

    def _told_at(self, findings: Sequence[Finding]) -> Sequence[tuple[float, Sequence[Finding]]]:
        """What a frame made, by the clock at which it was found."""
        return [(self._engine.clock, findings)] if findings else ()

    def _emit(self, record: Record, findings: Sequence[Finding], *, last: bool) -> None:
        place = self._stream.partition, record.offset
        moments = self._told_at(findings)
        for ordinal, (clock, found) in enumerate(moments):
            self._told = clock
            if (record.offset, ordinal) <= self._known:
                continue
            header = Header(
                received=clock,
                content="findings",
                count=len(found),
                first=min(finding.start for finding in found),
                last=max(finding.end for finding in found),
                origin=Origin(self._task, *place, ordinal),
                imported=record.frame.header.imported,
            )
            self._put_out(pack(header, ENCODER.encode_lines(found).rstrip(b"\n")))
        # While it catches up, one tick for all the frames that were read at once is enough.
        clock, ordinal = self._engine.clock, len(moments)
        if last and clock - self._told >= self._tick and (record.offset, ordinal) > self._known:
            self._told = clock
            origin = Origin(self._task, *place, ordinal)
            self._put_out(Frame(Header(received=clock, content="tick", codec="none", origin=origin), b""))

    def _put_out(self, frame: Frame) -> None:
        crash_point("detect.before_output")
        self._outbox.append(frame)
        if self._sent is None and len(self._outbox) == 1:
            self._sent = self._log.append(self._outputs, frame)
        crash_point("detect.after_output")


def _write(log: Log, snapshot: Snapshot, kept: Future[None]) -> None:
    """Keep a snapshot and tell."""
    crash_point("detect.before_snapshot")
    try:
        log.save(snapshot)
    except BaseException as error:  # noqa: BLE001  # whatever it is, it is raised where it is waited for
        kept.set_exception(error)
    else:
        kept.set_result(None)
