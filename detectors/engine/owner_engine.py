"""The engine of what is wide, for the entities of one owner: merges what all partitions gathered."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from detectors.base import AnyDetector, Cell, Kind
from detectors.engine.engine import Engine
from detectors.engine.held import Held, HeldState, Source
from detectors.engine.partial import Answer, Part, Partial, batch_of
from detectors.engine.partition_engine import PRINCIPAL
from detectors.engine.settling import Settling
from detectors.engine.state import Codec
from detectors.engine.table import Table
from detectors.keys import Raw
from stream import control
from stream.control import PeerSummary
from stream.facts import Facts
from stream.finding import Finding
from stream.frame import Record

_ENCODE: Final = msgspec.msgpack.Encoder().encode


class _Settling(Settling):
    """Settles wide entities and collects what groups tell their members."""

    told: list[PeerSummary]

    def add(self, detector: AnyDetector, kind: Kind, raw: Raw, value: Any, cell: Cell) -> None:
        """Merge what a member told of a closed cell."""
        self._merge(self._kinds[kind], detector, raw, value, cell)

    def settle_groups(self, boundary: int) -> list[PeerSummary]:
        """Settle the groups' cells that close at a boundary; what they tell."""
        self._settle_groups(boundary)
        told, self.told = self.told, []
        return told

    def _learn(self, summary: PeerSummary) -> None:
        self.told.append(summary)
        super()._learn(summary)


class OwnerEngine(Engine):
    """Folds batches of partials in place of events.

    `answers` are what the last frame made the owner say, `moments` what it found by the clock at which it did.
    """

    def __init__(
        self, detectors: Iterable[AnyDetector], facts: Facts | None = None, *, first: bool, **kept: Any
    ) -> None:
        super().__init__(detectors, facts, **kept)
        self._first = self._alone = first
        self._tables = [table for table in self._tables if table.kind != PRINCIPAL]
        self._by_kind = {table.kind: table for table in self._tables}
        self._codecs = {
            table.kind: [Codec(type(detector.start(table.kind))) for detector in table.detectors]
            for table in self._tables
        }
        self._places: dict[Kind, list[tuple[str, int]]] = {
            table.kind: [(one.spec.name, one.spec.state_version) for one in table.detectors] for table in self._tables
        }
        self._groups = _Settling(self._tables, self.facts, self._outlet, self._warmup, self._caps)
        self._groups.told = []
        self._settling = self._groups
        self.held = Held()
        self.answers: list[Answer] = []
        self.moments: list[tuple[float, list[Finding]]] = []
        self._boundary = 0
        self._warm: dict[int, int] = {}
        self._said: set[str] = set()
        self._begun = False
        self._imported = False

    def fold(self, record: Record) -> list[Finding]:
        """The findings that a batch makes, and of what was held until it came. Raises DamagedError."""
        self.answers = []
        self.moments = []
        self.held.add(batch_of(record.frame))
        for source in self.held.ready():
            if self._boundary and source.part.told is None:
                self._note(self._close())
            self._note(self._take(source))
        # Whoever stands at a boundary goes on only with the answer, so that it has to be given now.
        if self._boundary:
            self._note(self._close())
        self._note(self._pass_time())
        return [finding for _, found in self.moments for finding in found]

    def restore(self, meta: bytes, buckets: Mapping[str, bytes]) -> None:
        """Become what snapshots described; see `Engine.restore`."""
        whole = msgspec.msgpack.decode(meta, type=_Meta)
        super().restore(whole.engine, buckets)
        self.held.unpack(whole.held)
        self._warm, self._said, self._begun = whole.warm, set(whole.said), whole.begun

    def _note(self, found: list[Finding]) -> None:
        if found and self.moments and self.moments[-1][0] == self.clock:
            self.moments[-1][1].extend(found)
        elif found:
            self.moments.append((self.clock, list(found)))

    def _meta(self) -> bytes:
        whole = _Meta(super()._meta(), self.held.pack(), self._warm, sorted(self._said), self._begun)
        return _ENCODE(whole)

    def _take(self, source: Source) -> list[Finding]:
        part = source.part
        if part.clock > self.clock:
            self.clock = self.facts.clock = part.clock
        self._imported = part.imported
        self._outlet.begin(self.clock, imported=part.imported)
        if part.told is not None:
            self._listen(part)
            return self._outlet.found
        if part.heard is not None:
            for summary in part.heard:
                self.facts.learn(summary)
            return self._outlet.found
        self._pass(tick=False)
        self._tidy()
        for line in part.control:
            self._obey(control.DECODER.decode(line))
        for tenant in part.arrived:
            self._warmup.arrived(tenant, part.clock)
        for kind, partials in part.partials.items():
            table = self._by_kind.get(kind)
            if table is not None:
                moves = _moves(source.layout.get(kind, []), self._places[kind])
                for partial in partials:
                    self._fold_partial(table, partial, moves)
        return self._outlet.found

    def _fold_partial(self, table: Table, partial: Partial, moves: list[int]) -> None:
        raw = partial.raw
        live = table.live.get(raw)
        if live is None:
            live = self._admit_for(table, raw, partial.tenant, partial.source, partial.producer)
        now = int(self.clock) // 60
        for minute, bits in partial.touches:
            known = _moved(bits, moves)
            if known:
                self._settling.touch(table, live, minute * 60.0, minute << 32 | now, known)
        for old, packed in partial.states:
            index = moves[old] if old < len(moves) else -1
            if index < 0:
                continue
            detector = table.detectors[index]
            try:
                state = table.state(live, index)
                raised = detector.merge(state, self._codecs[table.kind][index].unpack(packed), live.entity, self.facts)
            except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                self._outlet.failed(detector.spec, error, self.clock)
                continue
            if raised:
                self._outlet.emit(detector.spec, live, raised)
        self._alarms.arm(table, live)

    def _pass_time(self) -> list[Finding]:
        """Time passes for an owner as for all others, though nothing came that concerns it."""
        if self.held.clock <= self.clock:
            return []
        self.clock = self.facts.clock = self.held.clock
        self._outlet.begin(self.clock, imported=self._imported)
        self._pass(tick=True)
        self._tidy()
        return self._outlet.found

    def _listen(self, part: Part) -> None:
        self._boundary = part.ordinal
        for group, count in part.warmed:
            self._warm[group] = self._warm.get(group, 0) + count
        for told in part.told or ():
            table = self._by_kind.get(told.kind)
            detector = next((one for one in table.detectors if one.spec.name == told.detector), None) if table else None
            if detector is None:
                continue
            cell = Cell(told.seconds, told.start)
            try:
                self._groups.add(detector, told.kind, told.raw, told.value, cell)
            except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                self._outlet.failed(detector.spec, error, cell.end)

    def _close(self) -> list[Finding]:
        """All have told: settle the groups, and answer."""
        boundary, self._boundary = self._boundary, 0
        self._outlet.begin(self.clock, imported=self._imported)
        answer = Answer(boundary, self._groups.settle_groups(boundary))
        if self._first:
            begin, since = self._warmup.first_seen()
            answer.since = {tenant: moment for tenant, moment in since.items() if tenant not in self._said}
            answer.begin = 0.0 if self._begun else begin
            answer.warm = sorted(self._warm.items())
            self._said, self._begun = set(since), bool(begin)
        self.answers.append(answer)
        return self._outlet.found


class _Meta(msgspec.Struct, array_like=True):
    engine: bytes
    held: HeldState
    warm: dict[int, int]
    said: list[str]
    begun: bool


def _moves(theirs: list[tuple[str, int]], ours: list[tuple[str, int]]) -> list[int]:
    """Where each of the sender's detectors stands here, -1 for one that does not."""
    if theirs == ours:
        return list(range(len(ours)))
    return [ours.index(one) if one in ours else -1 for one in theirs]


def _moved(bits: int, moves: list[int]) -> int:
    return sum(1 << new for old, new in enumerate(moves) if new >= 0 and bits >> old & 1)
