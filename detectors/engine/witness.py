"""A witness: the engine, asked of one event how it was judged, who saw it, and where every counter stood after it."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Final, NamedTuple

from detectors import keys
from detectors.base import (
    AUTH_FAILED,
    AUTH_MISSING,
    CANARY,
    CHANGE,
    DATA,
    DENIED,
    HANDLES,
    HEARTBEAT,
    MANIFEST,
    NOT_FOUND,
    OWNED,
    SIGNALS,
    SUCCEEDED,
    TENANTLESS,
    UNOWNED,
    AnyDetector,
    Entity,
    Kind,
    Measure,
)
from detectors.engine.engine import Engine
from detectors.engine.live import Live
from detectors.engine.marks import marks_of, own_denial
from detectors.engine.plan import SAMPLED, SLOTS, Entries, Plan, plan_for, raw_keys
from detectors.engine.table import Table
from detectors.engine.warmup import Standing
from detectors.keys import Raw
from stream.decode import decode
from stream.facts import Facts
from stream.finding import Finding
from stream.frame import Frame, Record
from tocsin_audit.event import AuditEvent

MARKS: Final = (
    (AUTH_FAILED, "credentials rejected"),
    (AUTH_MISSING, "no credentials"),
    (SUCCEEDED, "answered"),
    (DENIED, "denied"),
    (NOT_FOUND, "not found or misfit parameters"),
    (DATA, "data handed out"),
    (OWNED, "owner other than the caller's tenant"),
    (HANDLES, "handles"),
    (SIGNALS, "signals in the content"),
    (CHANGE, "change of permissions or configuration"),
    (MANIFEST, "tool definitions"),
    (HEARTBEAT, "sign of life"),
    (UNOWNED, "an object without a known owner"),
    (TENANTLESS, "caller's tenant unknown"),
    (CANARY, "a canary"),
)
_KEYED: Final[dict[Kind, str]] = {
    "principal": "no user, client or agent is named",
    "tenant": "no tenant is named",
    "source": "no source address is named",
    "client": "no client is named",
    "token": "no token was fingerprinted",
    "server": "no server is named",
    "handle": "no handle was minted or presented",
    "object": "the target is no object",
    "population": "no tenant with a role or a client is named",
    "producer": "no producer is named",
}


_DUPLICATE: Final = "it was counted before"
_SHED: Final = "it was left out, since too much waited to be looked at"
_SHARED: Final = "it shares the counters that new keys get while one tenant or producer floods"

Stepped = tuple[str, Kind, str]
"""Who was stepped: the detector's name, the kind and key of the entity."""


class View(NamedTuple):
    """One detector and one entity of the event: `why` it was not stepped (empty where it was), and where it stands.

    `entity` is None where the event has no key of the kind.
    """

    detector: str
    kind: Kind
    entity: Entity | None
    why: str
    measures: Sequence[Measure] = ()
    standings: Sequence[Standing] = ()


class Account(NamedTuple):
    """What the engine made of one event; `findings` are those that it raised at once, with the modes they got."""

    tenant: str | None
    marks: tuple[str, ...]
    duplicate: bool
    denied: bool
    sampled: bool
    views: Sequence[View]
    findings: Sequence[Finding]


class Witness(Engine):
    """An engine that folds up to one event and then tells of it; with `rest_of` it can go on folding after that."""

    def account(self, record: Record, index: int) -> Account:
        """Fold a record up to its event at an index, and say what became of that one."""
        frame = record.frame
        event = decode(frame)[index]
        source = frame.header.source
        self.fold(Record(record.offset, Frame(frame.header, frame.payload, decode(frame)[:index])))
        named, marks = self._judged(event)
        duplicate = bool(self._duplicates.find(source, [event], self.clock))
        denied = own_denial(event, marks)
        sampled = event.echo is not None or (event.sample_rate is not None and event.sample_rate < 1.0)
        stepped: set[Stepped] = set()
        self._plans = {kind: self._watched(kind, stepped) for kind in (marks, marks | SAMPLED)}
        self._outlet.begin(self.clock, imported=frame.header.imported)
        self._fold([event], frame.header)
        self._plans = {}
        why = _DUPLICATE if duplicate else "it is a denial by our own deny list" if denied else ""
        views = tuple(self._views(named, marks, source, stepped, why, sampled=sampled))
        names = tuple(name for mark, name in MARKS if marks & mark)
        return Account(named.tenant, names, duplicate, denied, sampled, views, tuple(self._outlet.found))

    def rest_of(self, record: Record, index: int) -> None:
        """Fold what stands behind an event in its frame, once its account was given."""
        self._fold(decode(record.frame)[index + 1 :], record.frame.header)

    def again(self, event: AuditEvent, source: str) -> list[View]:
        """The views of an event as they are now, after more was folded; none of them says who was stepped."""
        named, marks = self._judged(event)
        return list(self._views(named, marks, source, set(), "", sampled=False))

    def _judged(self, event: AuditEvent) -> tuple[AuditEvent, int]:
        known = self.facts.tenant(event)
        if known != event.tenant:
            event = copy(event)
            event.tenant = known
        return event, marks_of(event, self.facts)

    def _watched(self, marks: int, stepped: set[Stepped]) -> Plan:
        """The plan for an event with these marks, whose steps note for whom they were taken."""
        needs, entries, repeats, callers, _ = plan_for(marks, self._tables, self._warmup.shed)
        noted = _noting(repeats, stepped) if repeats is not None else None
        return needs, _noting(entries, stepped), noted, callers, None

    def _views(
        self, event: AuditEvent, marks: int, source: str, stepped: set[Stepped], why: str, *, sampled: bool
    ) -> Iterator[View]:
        raws = raw_keys(event, keys.principal(event), -1, source, self.facts)
        handles = keys.handles(event)
        for table in reversed(self._tables):
            found: Sequence[Raw | None] = handles or [None] if table.kind == "handle" else [raws[SLOTS[table.kind]]]
            for raw in found:
                for index, detector in enumerate(table.detectors):
                    if raw is None:
                        yield View(detector.spec.name, table.kind, None, _KEYED[table.kind])
                        continue
                    entity = keys.entity_of(table.kind, raw, self.facts)
                    reason = ""
                    if detector.spec.batched:
                        reason = _DUPLICATE if why == _DUPLICATE else ""
                    elif detector.spec.name in self._warmup.shed:
                        reason = why or _SHED
                    elif (detector.spec.name, table.kind, entity.key) not in stepped:
                        reason = why or _passed_over(detector, table.kind, marks, sampled=sampled)
                    yield self._view(table, index, raw, entity, event, reason)

    def _view(self, table: Table, index: int, raw: Raw, entity: Entity, event: AuditEvent, why: str) -> View:
        detector = table.detectors[index]
        _, live = table.find(raw, self.clock)
        if live is None:
            return View(detector.spec.name, table.kind, entity, why or _SHARED)
        # What facts alone decide is explained where nothing had to be remembered, too.
        state = detector.start(table.kind) if live.states[index] is None else table.state(live, index)
        measures = tuple(detector.explain(state, entity, event, self.facts))
        return View(detector.spec.name, table.kind, entity, why, measures, self._standings(detector, live, event))

    def _standings(self, detector: AnyDetector, live: Live, event: AuditEvent) -> tuple[Standing, ...]:
        tenant = live.entity.tenant if live.entity.tenant is not None else event.tenant
        standings = (
            self._warmup.standing(detector.spec, class_, tenant, live, self.clock) for class_ in detector.spec.classes
        )
        return tuple(dict.fromkeys(standings))


def _noting(entries: Entries, stepped: set[Stepped]) -> Entries:
    return tuple(
        (
            slot,
            get,
            bits,
            tuple((index, _noted(table.detectors[index].spec.name, step, stepped)) for index, step in steps),
            table,
        )
        for slot, get, bits, steps, table in entries
    )


def _noted(
    name: str, step: Callable[..., Sequence[Finding]], stepped: set[Stepped]
) -> Callable[..., Sequence[Finding]]:
    def noting(state: Any, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        stepped.add((name, entity.kind, entity.key))
        return step(state, entity, event, facts)

    return noting


def _passed_over(detector: AnyDetector, kind: Kind, marks: int, *, sampled: bool) -> str:
    """Why a detector was not stepped with an event that was counted."""
    spec = detector.spec
    if sampled and not spec.sampled:
        return "it comes from a sampled source, or another vantage point counts it, so that it feeds no counters"
    wanted = spec.wants.get(kind)
    if wanted is not None and not wanted & marks:
        names = [name for mark, name in MARKS if wanted & mark]
        return f"it looks at events with: {', '.join(names)}"
    if spec.once.get(kind, 0) & marks:
        return "the same caller was answered from there within this minute already: one more changes nothing"
    return _SHARED
