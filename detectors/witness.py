"""A witness: the engine, asked of one event how it was judged, who saw it, and where every counter stood after it."""

from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, Final, NamedTuple

from detectors import keys
from detectors.base import (
    AUTH_FAILED,
    AUTH_MISSING,
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
    TARGETED,
    TENANTLESS,
    AnyDetector,
    Entity,
    Kind,
    Measure,
)
from detectors.engine import Engine
from detectors.keys import Raw
from detectors.limits import RANKS
from detectors.live import Live
from detectors.marks import marks_of, own_denial
from detectors.plan import PRINCIPAL, SOURCE, TOKEN, raw_keys
from detectors.table import Table
from detectors.warmup import Standing
from stream.decode import decode
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
    (TARGETED, "a named object"),
    (TENANTLESS, "caller's tenant unknown"),
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
        sampled = event.sample_rate is not None and event.sample_rate < 1.0
        repeated = not duplicate and not denied and self._repeats(named, source)
        self._outlet.begin(self.clock, imported=frame.header.imported)
        self._fold([event], source)
        why = "it was counted before" if duplicate else "it is a denial by our own deny list" if denied else ""
        views = tuple(self._views(named, marks, source, why, sampled=sampled, repeated=repeated))
        names = tuple(name for mark, name in MARKS if marks & mark)
        return Account(named.tenant, names, duplicate, denied, sampled, views, tuple(self._outlet.found))

    def rest_of(self, record: Record, index: int) -> None:
        """Fold what stands behind an event in its frame, once its account was given."""
        self._fold(decode(record.frame)[index + 1 :], record.frame.header.source)

    def again(self, event: AuditEvent, source: str) -> list[View]:
        """The views of an event as they are now, after more was folded; none of them says why it was not stepped."""
        named, marks = self._judged(event)
        return list(self._views(named, marks, source, "", sampled=False, repeated=False))

    def _judged(self, event: AuditEvent) -> tuple[AuditEvent, int]:
        known = self.facts.tenant(event)
        if known != event.tenant:
            event = copy(event)
            event.tenant = known
        return event, marks_of(event, self.facts)

    def _repeats(self, event: AuditEvent, source: str) -> bool:
        if event.outcome != "ok" or event.late:
            return False
        raws = raw_keys(event, -1, source, self.facts)
        return (raws[PRINCIPAL], raws[SOURCE], raws[TOKEN]) in self._answers.of(int(event.time) // 60)

    def _views(
        self, event: AuditEvent, marks: int, source: str, why: str, *, sampled: bool, repeated: bool
    ) -> Iterator[View]:
        raws = raw_keys(event, -1, source, self.facts)
        handles = keys.handles(event)
        for table in reversed(self._tables):
            found: Sequence[Raw | None] = handles or [None] if table.kind == "handle" else [raws[RANKS[table.kind]]]
            for raw in found:
                for index, detector in enumerate(table.detectors):
                    if raw is None:
                        yield View(detector.spec.name, table.kind, None, _KEYED[table.kind])
                        continue
                    reason = why or _passed_over(detector, table.kind, marks, sampled=sampled, repeated=repeated)
                    yield self._view(table, index, raw, event, reason)

    def _view(self, table: Table, index: int, raw: Raw, event: AuditEvent, why: str) -> View:
        detector = table.detectors[index]
        _, live = table.find(raw, self.clock)
        own = keys.entity_of(table.kind, raw, self.facts)
        if live is None:
            if not why:
                why = "it shares the counters that new keys get while one tenant or producer floods"
            return View(detector.spec.name, table.kind, own, why)
        entity = live.entity
        if live.states[index] is None:
            return View(detector.spec.name, table.kind, entity, why, (), self._standings(detector, live, event))
        state: Any = table.state(live, index)
        measures = tuple(detector.explain(state, entity, event, self.facts))
        return View(detector.spec.name, table.kind, entity, why, measures, self._standings(detector, live, event))

    def _standings(self, detector: AnyDetector, live: Live, event: AuditEvent) -> tuple[Standing, ...]:
        tenant = live.entity.tenant if live.entity.tenant is not None else event.tenant
        standings = (
            self._warmup.standing(detector.spec, class_, tenant, live, self.clock) for class_ in detector.spec.classes
        )
        return tuple(dict.fromkeys(standings))


def _passed_over(detector: AnyDetector, kind: Kind, marks: int, *, sampled: bool, repeated: bool) -> str:
    spec = detector.spec
    if sampled and not spec.sampled:
        return "it comes from a sampled source, which feeds no counters"
    wanted = spec.wants.get(kind)
    if wanted is not None and not wanted & marks:
        names = [name for mark, name in MARKS if wanted & mark]
        return f"it looks at events with: {', '.join(names)}"
    if repeated and spec.once.get(kind, 0) & marks:
        return "the same caller was answered from there within this minute already: one more changes nothing"
    return ""
