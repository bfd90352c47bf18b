"""The engine: folds the frames of one partition, in order, into findings.

What comes out is a function of the records alone: no clock but theirs, no order but what is defined here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any, Final

import msgspec

from detectors import keys
from detectors.base import KINDS, AnyDetector, Cell, Kind
from detectors.due import Due, Unit
from detectors.emitted import first_time, memory
from detectors.flood import Flood
from detectors.journal import Journal
from detectors.keys import Raw
from detectors.live import LATENESS, Live
from detectors.marks import marks_of, own_denial
from detectors.meta import Meta
from detectors.table import BUCKETS, HOUR, Table
from detectors.warmup import Warmup
from stream import control
from stream.decode import decode
from stream.dedup import Duplicates
from stream.directory import Directory
from stream.errors import ConfigError, DamagedError
from stream.facts import Facts
from stream.finding import Finding
from stream.frame import Header, Record, unpack
from tocsin_audit.event import AuditEvent

SECRET: Final = b"tocsin"
"""The key of entities' ids where the program gives none."""
PER_FRAME: Final = 128
"""Settlings that one frame of events pays for, besides a thirty-second of those that are due."""
PER_TICK: Final = 4_096
"""The same for a tick, which has nothing else to do."""
PACKED_PER_FRAME: Final = 256
"""Quiet entities of one kind that are packed in one frame."""
EXPIRED_PER_MINUTE: Final = 16
"""Buckets of each kind in which entities are forgotten, per minute of the clock: once round in about four hours."""
SAMPLED: Final = 1 << 14
"""Beside an event's marks: it comes from a sampled source, which never feeds counts."""
STUB_MINUTES: Final = 60
"""Minutes after which an entity is forgotten of which nothing is worth remembering."""
LIVE_LIMIT: Final = 20_000
"""Entities of one kind that are objects; all others are packed."""

_DAY: Final = 1_440
CAPS: Final[dict[Kind, tuple[int, int]]] = {
    "principal": (2_000_000, 35 * _DAY),
    "tenant": (100_000, 35 * _DAY),
    "source": (500_000, 8 * _DAY),
    "client": (200_000, 35 * _DAY),
    "token": (1_000_000, 8 * _DAY),
    "server": (10_000, 35 * _DAY),
    "handle": (1_000_000, 8 * _DAY),
    "object": (1_000_000, 35 * _DAY),
    "population": (4_096, 35 * _DAY),
    "producer": (10_000, 35 * _DAY),
}
"""By kind: how many entities there may be, and after how many minutes without an event one is forgotten."""
ORDER: Final[tuple[Kind, ...]] = tuple(reversed(KINDS))
"""Kinds in the order of settling: groups before their members, so that members know what their peers did."""
_RANKS: Final[dict[Kind, int]] = {kind: rank for rank, kind in enumerate(ORDER)}
_PRODUCER: Final = 1 << _RANKS["producer"]
_POPULATION: Final = 1 << _RANKS["population"]
_OBJECT: Final = 1 << _RANKS["object"]
_HANDLE: Final = 1 << _RANKS["handle"]
_CLIENT: Final = 1 << _RANKS["client"]

Steps = tuple[tuple[int, Any], ...]
Entry = tuple[int, Callable[[Raw], Live | None], int, Steps, Table]
"""Of one kind: its rank, which is also the place of its raw key; the look-up, the detectors as bits, their steps."""
Plan = tuple[int, tuple[Entry, ...]]
"""The kinds that are needed, as bits by rank, and an entry for each."""

_DIRECTORY: Final = "directory"
_DUPLICATES: Final = "duplicates"
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_META: Final = msgspec.msgpack.Decoder(Meta)
_JSON: Final = msgspec.json.Encoder().encode
_DIRECTORY_DECODER: Final = msgspec.json.Decoder(Directory)


class Engine:
    """Detectors over the entities of one partition.

    `fold` takes the partition's records in order and gives each record's findings; `clock` is the running maximum of
    `received` in seconds since the epoch, and `backlog` the number of settlings that are due but not yet done.
    `secret` keys the entities' ids and must stay the same for the life of the state.
    """

    version = 1

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
        self.detectors = sorted(detectors, key=_name)
        self._caps = CAPS | (caps or {})
        self._due = Due()
        self._groups = Due()
        self._register: dict[int, Due] = {}
        self._warmup = Warmup()
        self._minute = int(self.clock) // 60
        self._expiring = 0
        self._bucket = 0
        self._tables: list[Table] = []
        self._by_rank: dict[int, Table] = {}
        self._floods: dict[Kind, Flood] = {}
        for rank, kind in enumerate(ORDER):
            concerned = [detector for detector in self.detectors if kind in detector.spec.by]
            if concerned:
                table = Table(kind, rank, concerned, self.facts, secret=secret, live_limit=live_limit)
                self._tables.append(table)
                self._by_rank[rank] = table
                self._register[rank] = self._groups if any(table.tells) else self._due
                self._floods[kind] = Flood(self._caps[kind][0])
        self._secret = secret
        self._duplicates = Duplicates()
        self._journal = Journal()
        self._parameters: dict[str, dict[str, Any]] = {}
        self._told_facts: Facts | None = None
        self._volume = any(table.volume for table in self._tables)
        self._learned = any("learned" in detector.spec.warm_up.values() for detector in self.detectors)
        lengths = [length for table in self._tables for length in table.lengths]
        self._shortest = min(lengths, default=60)
        self._plans: dict[int, Plan] = {}

    @property
    def backlog(self) -> int:
        """Settlings of closed cells that wait for their slice."""
        return self._due.backlog + self._groups.backlog

    def fold(self, record: Record) -> list[Finding]:
        """The findings that a record makes, in a defined order. Raises DamagedError for a frame that cannot be read."""
        header = record.frame.header
        content = header.content
        found: list[Finding] = []
        self._advance(header, found)
        if content == "events":
            self.fold_events(decode(record.frame), header, found)
        elif content == "control":
            for line in unpack(record.frame).split(b"\n"):
                if line:
                    self._obey(control.DECODER.decode(line))
        return found

    def fold_events(self, events: Sequence[AuditEvent], header: Header, found: list[Finding]) -> None:
        """Fold the decoded events of a frame whose `received` the clock already knows."""
        repeated = self._duplicates.take(header.source, events, self.clock)
        if repeated:
            again = set(repeated)
            events = [event for index, event in enumerate(events) if index not in again]
        facts = self.facts
        plans = self._plans
        source = header.source
        imported = header.imported
        shortest = self._shortest
        minute = int(self.clock) // 60
        learned = self._learned
        known_principals = bool(facts.directory.principals)
        for event in events:
            if known_principals and (known := facts.tenant(event)) != event.tenant:
                event = copy(event)
                event.tenant = known
            marks = marks_of(event, facts)
            if event.reason is not None and own_denial(event, marks):
                continue
            tenant = event.tenant
            if learned:
                self._warmup.arrived(tenant, self.clock)
            if event.sample_rate is not None and event.sample_rate < 1.0:
                marks |= SAMPLED
            plan = plans.get(marks)
            if plan is None:
                plan = plans[marks] = self._plan(marks)
            needs, entries = plan
            user = event.user
            raws: tuple[Raw | None, ...] = (
                (source, event.producer) if needs & _PRODUCER and event.producer is not None else None,
                keys.population(event, facts) if needs & _POPULATION else None,
                keys.target(event) if needs & _OBJECT else None,
                None,
                event.server or None,
                event.token,
                (tenant, event.client) if needs & _CLIENT and event.client is not None else None,
                event.source_ip,
                tenant,
                (tenant, user) if user is not None else keys.principal(event),
            )
            if needs & _HANDLE:
                raws, entries = _with_handles(raws, entries, event)
            stamp = int(event.time) // shortest << 32 | minute
            for slot, get, bits, steps, table in entries:
                raw = raws[slot]
                if raw is None:
                    continue
                live = get(raw)
                if live is None:
                    live = self._admit(table, raw, event, source)
                if live.stamp != stamp or bits & ~live.bits:
                    self._touch(table, live, event.time, stamp, bits, imported, found)
                states = live.states
                entity = live.entity
                for index, step in steps:
                    raised = step(states[index], entity, event, facts)
                    if raised:
                        self._emit(table, live, index, raised, imported, found)

    def sizes(self) -> dict[Kind, tuple[int, int]]:
        """By kind, how many entities there are and how many bytes they take when packed: for measurements."""
        return {table.kind: (table.count, table.size(self.clock)) for table in self._tables}

    def snapshot(self) -> tuple[bytes, dict[str, bytes | None]]:
        """The state between two records: small meta, always whole, and the rows changed since the last snapshot."""
        rows = self._journal.write(self._tables, self.clock)
        rows[_DUPLICATES] = self._duplicates.dump()
        if self._told_facts is not self.facts:
            self._told_facts = self.facts
            rows[_DIRECTORY] = _JSON(self.facts.directory)
        meta = Meta(
            clock=self.clock,
            minute=self._minute,
            expiring=self._expiring,
            bucket=self._bucket,
            check=self._check(),
            journal=(self._journal.number, self._journal.oldest),
            layouts={table.kind: table.layout() for table in self._tables},
            counts={table.kind: table.count for table in self._tables},
            floods={kind: flood.pack() for kind, flood in self._floods.items()},
            warmup=self._warmup.pack(),
            parameters=self._parameters,
            summaries=self.facts.summaries(),
        )
        return _ENCODE(meta), rows

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
            self._duplicates.restore(buckets[_DUPLICATES])
            self._journal.read(self._tables, buckets, *known.journal)
        except (msgspec.MsgspecError, KeyError, ValueError) as error:
            raise DamagedError(
                f"a snapshot of the detectors cannot be read ({error})",
                hint="remove state.sqlite to fold the log again",
            ) from error
        self.clock = known.clock
        self._minute, self._expiring, self._bucket = known.minute, known.expiring, known.bucket
        self._warmup.unpack(known.warmup)
        self._tune(known.parameters)
        self.facts = self._told_facts = Facts(directory, known.clock, known.summaries)
        for table in self._tables:
            table.rename(self.facts)
            table.count = known.counts.get(table.kind, 0)
            if table.kind in known.floods:
                self._floods[table.kind].unpack(known.floods[table.kind])
            layout = known.layouts.get(table.kind)
            if layout is not None and layout != table.layout():
                table.migrate(layout)
            for identity, code in table.waiting():
                end, seconds = code >> 4, table.lengths[code & 15]
                self._register[table.rank].register(end, seconds, table.rank, identity)
        self._due.close(self.clock)
        self._groups.close(self.clock)

    def _check(self) -> int:
        return keys.digest("check", "", self._secret)

    def _advance(self, header: Header, found: list[Finding]) -> None:
        if header.received > self.clock:
            self.clock = self.facts.clock = header.received
        clock = self.clock
        self._groups.close(clock)
        self._due.close(clock)
        self._settle_slice(self._groups, self._groups.backlog, header.imported, found)
        share = PER_TICK if header.content == "tick" else PER_FRAME
        self._settle_slice(self._due, self._due.backlog // 32 + share, header.imported, found)
        minute = int(clock) // 60
        if minute != self._minute:
            self._expiring = min(self._expiring + (minute - self._minute) * EXPIRED_PER_MINUTE, BUCKETS)
            self._minute = minute
            for table in self._tables:
                table.sweep(clock)
        for table in self._tables:
            table.pack_quiet(clock, PACKED_PER_FRAME)
        for _ in range(min(self._expiring, EXPIRED_PER_MINUTE)):
            self._expiring -= 1
            for table in self._tables:
                table.expire(self._bucket, minute, self._caps[table.kind][1], STUB_MINUTES)
            self._bucket = (self._bucket + 1) % BUCKETS

    def _settle_slice(self, due: Due, limit: int, imported: bool, found: list[Finding]) -> None:
        for _ in range(limit):
            if not due.backlog:
                return
            unit = due.take()
            while unit is not None and not self._settle_unit(unit, imported, found):
                unit = due.take()

    def _settle_unit(self, unit: Unit, imported: bool, found: list[Finding]) -> bool:
        table = self._by_rank[unit.rank]
        live = table.borrow(unit.identity)
        code = unit.end << 4 | table.lengths.index(unit.seconds)
        if live is None or code not in live.pending:
            return False
        self._settle(table, live, code, imported, found)
        table.give_back(live, self.clock)
        return True

    def _catch_up(self, table: Table, live: Live, imported: bool, found: list[Finding]) -> None:
        while live.due <= self.clock:
            self._settle(table, live, min(live.pending), imported, found)
        table.touch(live)

    def _settle(self, table: Table, live: Live, code: int, imported: bool, found: list[Finding]) -> None:
        bits = live.pending.pop(code)
        live.plan_due()
        self._register[table.rank].settled()
        number = code & 15
        seconds = table.lengths[number]
        cell = Cell(seconds, (code >> 4) - seconds)
        if seconds == HOUR and bits & table.volume:
            self._warmup.hour(live, cell.start)
        for index, detector in enumerate(table.detectors):
            if bits >> index & 1 and seconds in detector.spec.cells:
                state = table.state(live, index)
                raised = detector.settle(state, live.entity, cell, self.facts)
                if raised:
                    self._emit(table, live, index, raised, imported, found)
                if table.tells[index]:
                    values = detector.summary(state, live.entity, cell)
                    if values is not None:
                        name = detector.spec.name
                        self.facts.learn(control.PeerSummary(name, live.entity.key, seconds, cell.start, values))

    def _touch(
        self,
        table: Table,
        live: Live,
        time: float,
        stamp: int,
        bits: int,
        imported: bool,
        found: list[Finding],
    ) -> None:
        """What an event does to an entity before detectors see it, once for each of its cells and the clock's minutes.

        Cells are whole minutes long, so that no settling can come due while the clock's minute stays.
        """
        if live.due <= self.clock:
            self._catch_up(table, live, imported, found)
        table.make_ready(live, bits)
        if live.stamp >> 32 != stamp >> 32:
            live.bits = 0
        live.stamp = stamp
        live.bits |= bits
        live.seen = stamp & 0xFFFFFFFF
        if not live.dirty:
            table.touch(live)
        moment = int(time)
        pending = live.pending
        due = live.due
        for number, seconds in enumerate(table.lengths):
            if not bits & table.masks[number]:
                continue
            end = moment - moment % seconds + seconds
            closes = end + LATENESS
            if closes <= self.clock:
                continue
            code = end << 4 | number
            known = pending.get(code)
            if known is None:
                pending[code] = bits
                self._register[table.rank].register(end, seconds, table.rank, live.id)
                if closes < due:
                    due = live.due = closes
            elif bits & ~known:
                pending[code] = known | bits
            elif table.nested:
                break

    def _admit(self, table: Table, raw: Raw, event: AuditEvent, source: str) -> Live:
        identity, live = table.find(raw, self.clock)
        if live is None:
            flood = self._floods[table.kind]
            owner = flood.overflow(table.count, event.tenant, source, event.producer)
            if owner is not None:
                shared = keys.overflow(table.kind, *owner)
                live = table.live.get(shared)
                if live is None:
                    identity, live = table.find(shared, self.clock)
                    if live is None:
                        live = table.add(shared, identity, self.clock)
                return live
            flood.note(event.tenant, source, event.producer, self.clock)
            live = table.add(raw, identity, self.clock)
        if table.volume and table.kind == "principal" and not live.warm():
            group = keys.population(event, self.facts)
            live.peers = keys.digest("population", group, self._secret) if group is not None else 0
        return live

    def _emit(
        self, table: Table, live: Live, index: int, raised: Iterable[Finding], imported: bool, found: list[Finding]
    ) -> None:
        spec = table.detectors[index].spec
        for finding in raised:
            finding.detector = spec.name
            finding.version = spec.version
            finding.mode = self._warmup.mode(spec, finding, live, self.clock, imported=imported)
            if first_time(live, finding, self.clock, memory(spec)):
                found.append(finding)

    def _plan(self, marks: int) -> Plan:
        """Who wants to see an event with these marks."""
        entries: list[Entry] = []
        for table in self._tables:
            steps = tuple(
                (index, detector.step)
                for index, detector in enumerate(table.detectors)
                if (detector.spec.sampled or not marks & SAMPLED)
                and (table.kind not in detector.spec.wants or detector.spec.wants[table.kind] & marks)
            )
            if steps:
                bits = sum(1 << index for index, _ in steps)
                entries.append((table.rank, table.live.get, bits, steps, table))
        return sum(1 << entry[0] for entry in entries), tuple(entries)

    def _obey(self, record: control.Control) -> None:
        if isinstance(record, control.DirectoryVersion):
            summaries = self.facts.summaries()
            self.facts.retire()
            self.facts = Facts(record.directory, self.clock, summaries)
            for table in self._tables:
                table.rename(self.facts)
        elif isinstance(record, control.Warmth):
            self._warmup.obey(record)
        elif isinstance(record, control.PeerSummary):
            self.facts.learn(record)
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
        self._plans = {}


def _name(detector: AnyDetector) -> str:
    return detector.spec.name


def _with_handles(
    raws: tuple[Raw | None, ...], entries: tuple[Entry, ...], event: AuditEvent
) -> tuple[tuple[Raw | None, ...], tuple[Entry, ...]]:
    """One entry for each handle of the event in place of the one for handles."""
    handles = keys.handles(event)
    expanded: list[Entry] = []
    for entry in entries:
        if entry[0] == _RANKS["handle"]:
            _, get, bits, steps, table = entry
            expanded += [(len(raws) + index, get, bits, steps, table) for index in range(len(handles))]
        else:
            expanded.append(entry)
    return (*raws, *handles), tuple(expanded)
