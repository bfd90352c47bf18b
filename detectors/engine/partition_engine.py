"""The engine of one partition of several: principals are folded, all that is wide is gathered for its owners."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from detectors import keys
from detectors.base import AnyDetector, Cell, Entity, Kind, Spec
from detectors.engine.alarms import Alarms
from detectors.engine.engine import Engine
from detectors.engine.live import LATENESS, Live
from detectors.engine.outlet import Outlet
from detectors.engine.partial import LAST, Answer, Layout, Part, Partial, Told
from detectors.engine.settling import Settling
from detectors.engine.state import Codec
from detectors.engine.table import Table
from detectors.keys import Raw
from stream.facts import Facts
from stream.finding import Finding
from stream.frame import Record, unpack
from tocsin_audit.event import AuditEvent

PRINCIPAL: Final = "principal"
PRODUCER: Final = "producer"
"""Producers are few and judged together (who fell silent at once?), so that the first owner has them all."""
FIRST: Final = 0

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_KNOWN: Final = 16_384
"""Wide entities of a kind whose names are remembered from frame to frame."""


class Gathered(Live):
    """A wide entity as one frame has it; `pending` holds the detectors stepped in each minute's cell.

    What its steps raise is its owner's to tell. `first` are tenant, source and producer of its first event.
    """

    __slots__ = ("first",)

    def __init__(
        self, raw: Raw, identity: int, entity: Entity, states: list[Any], first: tuple[str | None, str, str | None]
    ) -> None:
        super().__init__(raw, identity, entity, states)
        self.first = first


class _Outlet(Outlet):
    """Lets through what is found of principals alone."""

    def emit(self, spec: Spec, live: Live, raised: Iterable[Finding], cell: Cell | None = None) -> None:
        if live.__class__ is not Gathered:
            super().emit(spec, live, raised, cell)


class _Settling(Settling):
    """Settles principals; what they tell their groups is collected, and wide entities only note their cells."""

    told: list[Told]

    def touch(self, table: Table, live: Live, time: float, stamp: int, bits: int) -> None:
        if live.__class__ is not Gathered:
            super().touch(table, live, time, stamp, bits)
            return
        table.make_ready(live, bits)
        if live.stamp != stamp:
            live.bits = 0
        live.stamp = stamp
        live.bits |= bits
        minute = int(time) // 60
        live.pending[minute] = live.pending.get(minute, 0) | bits

    def tell(self, clock: float) -> list[Told]:
        """What principals tell at a boundary; whatever of theirs closed before it is settled."""
        self.told = []
        self._tell(clock)
        return self.told

    def _merge(self, table: Table, detector: AnyDetector, raw: Raw, partial: Any, cell: Cell) -> None:
        self.told.append(Told(table.kind, raw, detector.spec.name, cell.seconds, cell.start, partial))


class PartitionEngine(Engine):
    """Folds what is about principals and gathers what is wide; `parts` takes what the last frame made for each owner.

    Between `boundary` frames there is `tell` and, once all owners have answered, `hear`: no frame beyond a boundary
    may be folded before. `asked` is the boundary whose answers are waited for, `heard` the last one that was passed,
    `places` where the owners' next answers are to be read.
    """

    def __init__(
        self, detectors: Iterable[AnyDetector], facts: Facts | None = None, *, owners: int, first: bool, **kept: Any
    ) -> None:
        super().__init__(detectors, facts, **kept)
        self.owners = owners
        self._first = first
        self._outlet = _Outlet(self._warmup)
        self._telling = _Settling(self._tables, self.facts, self._outlet, self._warmup, self._caps)
        self._settling = self._telling
        self._alarms = Alarms((), self._outlet)
        self._alone = False
        self._wide = [table for table in self._tables if table.kind != PRINCIPAL]
        self._codecs = {
            table.kind: [Codec(type(detector.start(table.kind))) for detector in table.detectors]
            for table in self._wide
        }
        self._fresh = {
            table.kind: [
                codec.pack(detector.start(table.kind))
                for codec, detector in zip(self._codecs[table.kind], table.detectors, strict=True)
            ]
            for table in self._wide
        }
        self._step = max((detector.spec.tells for detector in self.detectors), default=0)
        self._names: dict[Kind, dict[Raw, tuple[Entity, int]]] = {table.kind: {} for table in self._wide}
        self._reported: set[str] = set()
        self._begun = False
        self._warm: dict[int, int] = {}
        self.heard = 0
        self.asked: int | None = None
        self.places = [0] * owners
        self._early: list[Finding] = []

    @property
    def layout(self) -> Layout:
        """How indexes and bits of the partials are to be read."""
        return {
            table.kind: [(one.spec.name, one.spec.state_version) for one in table.detectors] for table in self._wide
        }

    def boundary(self, received: float) -> int | None:
        """The first boundary at or before a moment that was not passed yet, None where there is none.

        The first frame of all begins after the boundary before it.
        """
        step = self._step
        if not step:
            return None
        if not self.heard:
            self.heard = int((received - LATENESS) // step) * step + LATENESS
        return self.heard + step if self.heard + step <= received else None

    def fold(self, record: Record) -> list[Finding]:
        """The findings that a frame makes, and what was found at the boundaries before it."""
        early, self._early = self._early, []
        return [*early, *super().fold(record)]

    def tell(self, boundary: int, offset: int, *, imported: bool) -> list[Part]:
        """What each owner is told at a boundary before the frame at an offset."""
        self.asked = boundary
        self.clock = self.facts.clock = max(self.clock, float(boundary))
        self._outlet.begin(self.clock, imported=imported)
        parts = [Part(offset, boundary, self.clock, imported, told=[]) for _ in range(self.owners)]
        for told in self._telling.tell(self.clock):
            into = parts[self._owner(keys.digest(told.kind, told.raw, self._secret))].told
            assert into is not None
            into.append(told)
        parts[0].warmed = sorted(
            (group, count - self._warm.get(group, 0))
            for group, count in self._warmup.peers().items()
            if count != self._warm.get(group, 0)
        )
        self._early += self._outlet.found
        return parts

    def hear(self, boundary: int, answers: Sequence[Answer], offset: int) -> list[Part]:
        """Take in what the owners said at a boundary; what the first partition passes on to each of them."""
        told = [summary for answer in answers for summary in answer.summaries]
        for summary in told:
            self.facts.learn(summary)
        for answer in answers:
            self._warmup.seen_elsewhere(answer.begin, answer.since)
            self._warmup.count_peers(dict(answer.warm))
        self._warm = dict(self._warmup.peers())
        self._reported = set(self._warmup.first_seen()[1])
        self.heard, self.asked = boundary, None
        if not self._first or not told:
            return []
        return [Part(offset, boundary + 1, self.clock, heard=told) for _ in answers]

    def catch_up(self, answer: Answer) -> None:
        """Take in an answer from before this partition's first frame; one that was heard changes nothing."""
        for summary in answer.summaries:
            self.facts.learn(summary)
        self._warmup.seen_elsewhere(answer.begin, answer.since)

    def take(self, record: Record) -> dict[int, Part]:
        """What the frame that was folded last made for each owner that it concerns."""
        header = record.frame.header
        found: dict[int, Part] = {}

        def part(owner: int) -> Part:
            known = found.get(owner)
            if known is None:
                known = found[owner] = Part(record.offset, LAST, self.clock, header.imported)
            return known

        for table in self._wide:
            for live in table.live.values():
                assert isinstance(live, Gathered)
                owner = FIRST if table.kind == PRODUCER else self._owner(live.id)
                part(owner).partials.setdefault(table.kind, []).append(self._partial(table, live))
            table.live.clear()
        if (arrived := self._arrived()) or (self._first and header.content == "control"):
            lines = unpack(record.frame).split(b"\n") if self._first and header.content == "control" else []
            for owner in range(self.owners):
                one = part(owner)
                one.arrived, one.control = arrived, [line for line in lines if line]
        return found

    def restore(self, meta: bytes, buckets: Mapping[str, bytes]) -> None:
        """Become what snapshots described; see `Engine.restore`."""
        whole = msgspec.msgpack.decode(meta, type=_Meta)
        super().restore(whole.engine, buckets)
        self.heard, self._warm, self.places = whole.heard, whole.warm, whole.places
        self.asked, self._early = whole.asked, whole.early
        self._reported, self._begun = set(self._warmup.first_seen()[1]), whole.begun

    def _meta(self) -> bytes:
        return _ENCODE(
            _Meta(super()._meta(), self.heard, self._warm, self._begun, self.places, self.asked, self._early)
        )

    def _owner(self, identity: int) -> int:
        return identity % self.owners

    def _admit(self, table: Table, raw: Raw, event: AuditEvent, source: str) -> Live:
        if table.kind == PRINCIPAL:
            return super()._admit(table, raw, event, source)
        names = self._names[table.kind]
        known = names.get(raw)
        if known is None:
            if len(names) >= _KNOWN:
                names.clear()
            identity = keys.digest(table.kind, raw, self._secret)
            known = names[raw] = keys.entity_of(table.kind, raw, self.facts), identity
        entity, identity = known
        states: list[Any] = [None] * len(table.detectors)
        live = table.live[raw] = Gathered(raw, identity, entity, states, (event.tenant, source, event.producer))
        return live

    def _obey(self, record: Any) -> None:
        super()._obey(record)
        for names in self._names.values():
            names.clear()

    def _partial(self, table: Table, live: Gathered) -> Partial:
        codecs, fresh = self._codecs[table.kind], self._fresh[table.kind]
        states: list[tuple[int, bytes]] = []
        for index, state in enumerate(live.states):
            if state is not None and (packed := codecs[index].pack(state)) != fresh[index]:
                states.append((index, packed))
        return Partial(live.raw, *live.first, sorted(live.pending.items()), states)

    def _arrived(self) -> list[str | None]:
        """Tenants that this partition saw for the first time; None stands for the first event of all."""
        begin, since = self._warmup.first_seen()
        arrived: list[str | None] = []
        if begin and not self._begun:
            self._begun = True
            arrived.append(None)
        if len(since) != len(self._reported):
            arrived += sorted(since.keys() - self._reported)
            self._reported = set(since)
        return arrived


class _Meta(msgspec.Struct, array_like=True):
    engine: bytes
    heard: int
    warm: dict[int, int]
    begun: bool
    places: list[int]
    asked: int | None
    early: list[Finding]
