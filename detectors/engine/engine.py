"""The engine: folds the frames of one partition, in order, into findings.

What comes out is a function of the records alone: no clock but theirs, no order but what is defined here.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from detectors import keys
from detectors.base import AnyDetector, Entity, Kind
from detectors.batch import batch_in
from detectors.engine.alarms import Alarms
from detectors.engine.answers import Answers
from detectors.engine.batches import batched_in, show
from detectors.engine.draft import Draft
from detectors.engine.flood import Flood
from detectors.engine.forgetting import forget
from detectors.engine.journal import Journal
from detectors.engine.limits import CAPS, LIVE_LIMIT, ORDER, PACKED_PER_FRAME, RANKS, TIDIED_PER_MINUTE
from detectors.engine.live import Live
from detectors.engine.meta import Meta
from detectors.engine.outlet import Outlet
from detectors.engine.plan import Plan
from detectors.engine.settling import Settling
from detectors.engine.standstill import ENDED, Standstill
from detectors.engine.stepping import step_all
from detectors.engine.table import BUCKETS, Table
from detectors.engine.warmup import Warmup
from detectors.keys import Raw
from stream import control
from stream.decode import decode
from stream.dedup import Duplicates
from stream.directory import Directory
from stream.errors import ConfigError, DamagedError
from stream.facts import Facts
from stream.finding import Finding
from stream.frame import Header, Record
from stream.stretch import Stretch
from tocsin_audit.event import AuditEvent

SECRET: Final = b"tocsin"
"""The key of entities' ids where the program gives none."""

_DIRECTORY: Final = "directory"
_DUPLICATES: Final = "duplicates"
_MODELS: Final = "models"
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_META: Final = msgspec.msgpack.Decoder(Meta)
_JSON: Final = msgspec.json.Encoder().encode
_MODELS_DECODER: Final = msgspec.msgpack.Decoder(list[control.Model])
_DIRECTORY_DECODER: Final = msgspec.json.Decoder(Directory)


class Engine:
    """Detectors over the entities of one partition.

    `fold` takes the partition's records in order and gives each record's findings; `clock` is the running maximum of
    `received` in seconds since the epoch, and `backlog` the number of settlings that are due but not yet done.
    `secret` keys the entities' ids and must stay the same for the life of the state.
    """

    version = 4

    def __init__(
        self,
        detectors: Iterable[AnyDetector],
        facts: Facts | None = None,
        *,
        secret: bytes = SECRET,
        live_limit: int = LIVE_LIMIT,
        caps: dict[Kind, tuple[int, int]] | None = None,
    ) -> None:
        self.facts = facts if facts is not None else Facts()
        self.clock = self.facts.clock
        self.detectors = sorted(detectors, key=attrgetter("spec.name"))
        self._caps = CAPS | (caps or {})
        self._secret = secret
        self._tables = [
            Table(kind, RANKS[kind], concerned, self.facts, secret=secret, live_limit=live_limit)
            for kind in ORDER
            if (concerned := [detector for detector in self.detectors if kind in detector.spec.by])
        ]
        self._floods = {table.kind: Flood(self._caps[table.kind][0]) for table in self._tables}
        self._warmup = Warmup()
        self._outlet = Outlet(self._warmup)
        self._settling = Settling(self._tables, self.facts, self._outlet, self._warmup, self._caps)
        self._alarms = Alarms(self._tables, self._outlet)
        self._standstill = Standstill()
        self._alone = True
        self._duplicates = Duplicates()
        self._journal = Journal()
        self._parameters: dict[str, dict[str, Any]] = {}
        self._written: Facts | None = None
        self._trained: control.Model | None = None
        self._minute = int(self.clock) // 60
        self._packing: list[Table] = []
        self._untidy = self._bucket = 0
        self._learned = any("learned" in detector.spec.warm_up.values() for detector in self.detectors)
        self._shortest = min((length for table in self._tables for length in table.lengths), default=60)
        self._plans: dict[int, Plan] = {}
        self._batched = batched_in(self._tables)
        self._answers = Answers()

    @property
    def backlog(self) -> int:
        """Settlings of closed cells that wait for their slice."""
        return self._settling.backlog

    @property
    def warmup(self) -> Warmup:
        """The evidence for promotion."""
        return self._warmup

    def sizes_known(self, kind: Kind) -> int:
        """How many entities of a kind there are."""
        return sum(table.count for table in self._tables if table.kind == kind)

    def warming(self, most: int) -> list[tuple[Entity, int, int]]:
        """The busy principals without a past of their own, those nearest to it first: active hours, and days of them.

        Safe to call from another thread than the one that folds.
        """
        known = [live for table in self._tables if table.kind == "principal" for live in list(table.live.values())]
        cold = [(live.entity, live.hours, live.days) for live in known if live.hours and not live.warm()]
        return sorted(cold, key=lambda one: (-one[1], one[0].key))[:most]

    def fold(self, record: Record) -> list[Finding]:
        """The findings that a record makes, in a defined order. Raises DamagedError for a frame that cannot be read."""
        header = record.frame.header
        content = header.content
        if header.received > self.clock:
            self.clock = self.facts.clock = header.received
        self._outlet.begin(self.clock, imported=header.imported)
        self._pass(tick=content == "tick", ended=header.source == ENDED)
        self._tidy()
        if content == "events":
            self._fold(decode(record.frame), header, record.frame.stretch)
        elif content == "control":
            for fact in control.facts_in(record.frame):
                self._obey(fact)
        return self._outlet.found

    def _fold(self, events: Sequence[AuditEvent], header: Header, stretch: Stretch | None = None) -> None:
        source = header.source
        repeated = self._duplicates.take(source, events, self.clock, stretch)
        if repeated:
            again = set(repeated)
            events = [event for index, event in enumerate(events) if index not in again]
            stretch = None
        if self._batched and events:
            show(
                self._batched,
                batch_in(header, events, stretch),
                source,
                admit=self._admit,
                settling=self._settling,
                outlet=self._outlet,
                alarms=self._alarms,
                facts=self.facts,
                shortest=self._shortest,
            )
        step_all(
            events,
            source,
            tables=self._tables,
            plans=self._plans,
            answers=self._answers,
            admit=self._admit,
            settling=self._settling,
            outlet=self._outlet,
            warmup=self._warmup,
            facts=self.facts,
            shortest=self._shortest,
            learned=self._learned,
        )

    def _pass(self, *, tick: bool, ended: bool = False) -> None:
        """The clock moved: say who was not heard, close cells."""
        pause = self._standstill.go_on(self.clock, tick=tick)
        if pause is not None and self._alone:
            self._outlet.stood_still(*pause)
        if not ended:
            self._alarms.ring(self.clock, self._standstill.since, self.facts)
        self._settling.advance(idle=tick)

    def sizes(self) -> dict[Kind, tuple[int, int]]:
        """By kind, how many entities there are and how many bytes they take when packed: for measurements."""
        return {table.kind: (table.count, table.size(self.clock)) for table in self._tables}

    def live(self) -> dict[Kind, tuple[int, int]]:
        """By kind, how many entities are objects now and how many may be: for measurements."""
        return {table.kind: (len(table.live), table.live_limit) for table in self._tables}

    def snapshot(self) -> tuple[bytes, dict[str, bytes | None]]:
        """The state between two records: small meta, always whole, and the rows changed since the last snapshot."""
        draft = self.draft()
        return draft.meta, draft.rows()

    def draft(self) -> Draft:
        """As `snapshot`, but to be packed in slices while records are folded; one at a time."""
        ready: dict[str, bytes | None] = {_DUPLICATES: self._duplicates.dump()}
        if self._written is not self.facts:
            self._written = self.facts
            ready[_DIRECTORY] = _JSON(self.facts.directory)
        if self._trained is not None:
            ready[_MODELS], self._trained = _ENCODE(self.facts.models()), None
        return self._journal.begin(self._tables, self.clock, self._meta, ready)

    def _meta(self) -> bytes:
        return _ENCODE(
            Meta(
                clock=self.clock,
                minute=self._minute,
                untidy=self._untidy,
                bucket=self._bucket,
                check=self._check(),
                journal=(self._journal.number, self._journal.oldest),
                layouts={table.kind: table.layout() for table in self._tables},
                counts={table.kind: table.count for table in self._tables},
                floods={kind: flood.pack() for kind, flood in self._floods.items()},
                warmup=self._warmup.pack(),
                parameters=self._parameters,
                summaries=self.facts.summaries(),
                faults=self._outlet.faults,
                history=self._outlet.history,
                standstill=self._standstill.pack(),
            )
        )

    def restore(self, meta: bytes, buckets: Mapping[str, bytes]) -> None:
        """Become, right after construction, what snapshots described.

        Raises ConfigError where they were made with another secret, DamagedError where they cannot be read.
        """
        try:
            known = _META.decode(meta)
            if known.check != self._check():
                raise ConfigError(
                    "the state of the detectors was made with another key",
                    hint="restore the data directory's key file, or remove state.sqlite to fold the log again",
                )
            directory = _DIRECTORY_DECODER.decode(buckets[_DIRECTORY])
            models = _MODELS_DECODER.decode(buckets[_MODELS]) if _MODELS in buckets else []
            self._duplicates.restore(buckets[_DUPLICATES])
            self._journal.read(self._tables, buckets, *known.journal)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise DamagedError(
                f"a snapshot of the detectors cannot be read ({error})",
                hint="remove state.sqlite to fold the log again",
            ) from error
        self.clock = known.clock
        self._minute, self._untidy, self._bucket = known.minute, known.untidy, known.bucket
        self._warmup.unpack(known.warmup)
        self._outlet.faults, self._outlet.history = known.faults, known.history
        self._tune(known.parameters)
        self.facts = self._written = Facts(directory, known.clock, known.summaries, models)
        for table in self._tables:
            table.rename(self.facts)
            table.count = known.counts.get(table.kind, 0)
            if table.kind in known.floods:
                self._floods[table.kind].unpack(known.floods[table.kind])
            layout = known.layouts.get(table.kind)
            if layout is not None and layout != table.layout():
                table.migrate(layout)
        self._settling.facts = self.facts
        self._settling.restored()
        self._standstill.unpack(known.standstill)
        self._alarms.restored()

    def _check(self) -> int:
        return keys.digest("check", "", self._secret)

    def _tidy(self) -> None:
        minute = int(self.clock) // 60
        if minute != self._minute:
            self._untidy = min(self._untidy + (minute - self._minute) * TIDIED_PER_MINUTE, BUCKETS)
            self._minute = minute
            for table in self._tables:
                table.sweep(self.clock)
            self._packing = [table for table in self._tables if table.quiet]
        for table in self._packing:
            table.pack_quiet(self.clock, PACKED_PER_FRAME)
        if self._untidy:
            self._untidy -= 1
            number = self._bucket
            for table in self._tables:
                if number in table.buckets:
                    table.tidy(number, minute, self._caps[table.kind][1])
            self._bucket = (self._bucket + 1) % BUCKETS

    def _admit(self, table: Table, raw: Raw, event: AuditEvent, source: str) -> Live:
        live = self._admit_for(table, raw, event.tenant, source, event.producer)
        if table.volume and not live.peers and table.kind == "principal" and not live.warm():
            group = keys.population(event, self.facts)
            live.peers = keys.digest("population", group, self._secret) if group is not None else 0
        return live

    def _admit_for(self, table: Table, raw: Raw, tenant: str | None, source: str, producer: str | None) -> Live:
        """The entity of a raw key, or in a flood the one that the flooding tenant's or producer's new keys share."""
        identity, live = table.find(raw, self.clock)
        if live is None:
            flood = self._floods[table.kind]
            owner = flood.overflow(table.count, tenant, source, producer)
            if owner is not None:
                raw = keys.overflow(table.kind, *owner)
                live = table.live.get(raw)
                if live is None:
                    identity, live = table.find(raw, self.clock)
                return live if live is not None else table.add(raw, identity, self.clock)
            flood.note(tenant, source, producer, self.clock)
            live = table.add(raw, identity, self.clock)
        return live

    def _obey(self, record: control.Control) -> None:
        if isinstance(record, control.DirectoryVersion):
            summaries, models = self.facts.summaries(), self.facts.models()
            self.facts.retire()
            self.facts = self._settling.facts = Facts(record.directory, self.clock, summaries, models)
            for table in self._tables:
                table.rename(self.facts)
        elif isinstance(record, control.Warmth):
            self._warmup.obey(record)
        elif isinstance(record, control.Shed):
            self._warmup.leave_out(record, self.clock)
            self._plans = {}
        elif isinstance(record, control.PeerSummary):
            self.facts.learn(record)
        elif isinstance(record, control.Model):
            self.facts.adopt(record)
            self._trained = record
        elif isinstance(record, control.Forgotten):
            forget(self._tables, record, self.clock)
        elif isinstance(record, control.Parameters):
            self._tune(record.detectors)

    def _tune(self, parameters: dict[str, dict[str, Any]]) -> None:
        if not parameters:
            return
        self._parameters = {**self._parameters, **parameters}
        tuned = {
            detector.spec.name: type(detector)(parameters[detector.spec.name])
            for detector in self.detectors
            if detector.spec.name in parameters
        }
        self.detectors = [tuned.get(detector.spec.name, detector) for detector in self.detectors]
        for table in self._tables:
            table.detectors = [tuned.get(detector.spec.name, detector) for detector in table.detectors]
        self._plans, self._batched = {}, batched_in(self._tables)
