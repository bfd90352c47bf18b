"""A detector that keeps the contract and little else: five failures in a minute, unless that is usual."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from detectors.base import AUTH_FAILED, NOTHING, Cell, Detector, Documentation, Entity, Kind, Spec, event_id
from stream.facts import Facts
from stream.finding import Finding, evidence, finding_id
from tocsin_audit.event import AuditEvent

FLOOR: Final = 5
MINUTE: Final = 60
HELD: Final = 180


class Counts:
    """Failures by minute, and the most that a settled minute had."""

    minutes: dict[int, int]
    ids: set[str]
    usual: int

    def __init__(self) -> None:
        self.minutes = {}
        self.ids = set()
        self.usual = 0


class Reference(Detector[Counts]):
    """Counts failures."""

    spec = Spec(
        name="reference",
        version="1.0.0",
        by=("principal", "source", "tenant"),
        cells=(60,),
        classes=("brute",),
        wants=dict.fromkeys(("principal", "source", "tenant"), AUTH_FAILED),
        documentation=Documentation(*(("text",) * 9)),
    )

    def start(self, kind: Kind) -> Counts:
        return Counts()

    def step(self, state: Counts, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        minute = int(event.time) // MINUTE
        state.minutes[minute] = state.minutes.get(minute, 0) + 1
        if len(state.ids) < 20:
            state.ids.add(event_id(event))
        self.rest(state, facts.clock)
        return self._judge(state, entity, minute)

    def settle(self, state: Counts, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        count = state.minutes.get(cell.start // MINUTE, 0)
        if count < FLOOR + state.usual:
            state.usual = max(state.usual, count // 2)
        return NOTHING

    def rest(self, state: Counts, clock: float) -> None:
        oldest = int(clock) // MINUTE - HELD
        for minute in [minute for minute in state.minutes if minute < oldest]:
            del state.minutes[minute]

    def merge(self, state: Counts, partial: Counts, entity: Entity, facts: Facts) -> Sequence[Finding]:
        found: list[Finding] = []
        state.ids |= partial.ids
        for minute, count in sorted(partial.minutes.items()):
            state.minutes[minute] = state.minutes.get(minute, 0) + count
            found += self._judge(state, entity, minute)
        return found

    def _judge(self, state: Counts, entity: Entity, minute: int) -> Sequence[Finding]:
        count = state.minutes.get(minute, 0)
        if count < FLOOR + state.usual:
            return NOTHING
        bar = FLOOR + state.usual
        return [self._finding(state, entity, minute, level, count) for level in range(2) if count >= bar * 4**level]

    def _finding(self, state: Counts, entity: Entity, minute: int, level: int, count: int) -> Finding:
        return Finding(
            id=finding_id("reference", 1, "brute", entity.names, minute, level, entity.tenant),
            detector="reference",
            version="1.0.0",
            class_="brute",
            entity=dict(entity.names),
            tenant=entity.tenant,
            severity="high" if level else "medium",
            title="Failures",
            observed=f"{count} failures in a minute",
            start=minute * MINUTE,
            end=minute * MINUTE + MINUTE,
            time=minute * MINUTE + MINUTE,
            event_ids=evidence(state.ids),
            count=count,
            runbook="brute",
        )


class Theirs(Reference):
    """The same, offered by another distribution."""

    spec = replace(Reference.spec, name="theirs")
