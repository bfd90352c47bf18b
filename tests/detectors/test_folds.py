"""The rule of order for the detectors of authentication and tenancy, against habits and owners that were learned."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.base import AnyDetector, Cell, Kind
from detectors.cross_tenant import CrossTenant
from detectors.engine.marks import marks_of
from detectors.failed_auth import FailedAuth
from detectors.keys import Raw, entity_of
from stream.directory import from_builtins
from stream.facts import Facts
from tests.detectors.streams import DAY, HOUR, MINUTE, START, event, failure, frames, read, run, told
from tests.detectors.traffic import raw_keys
from tocsin_audit.event import AuditEvent

FACTS = {"canaries": [{"server": "crm", "target": "crm://acme/c/0"}]}
DETECTORS: tuple[type[AnyDetector], ...] = (FailedAuth, CrossTenant)

quick = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def past(hours: int = 3) -> list[AuditEvent]:
    """Ordinary hours, from which habits are learned."""
    return [
        event(t, user=f"p{n}", source_ip=f"10.0.0.{n % 3}", token=f"k:{n}", auth="valid")
        for n in range(6)
        for t in range(n, int(hours * HOUR), 400)
    ]


def present(chance: random.Random, begin: float, count: int = 80) -> list[AuditEvent]:
    """Half an hour of everything that the detectors look at, by few callers from few places."""
    events: list[AuditEvent] = []
    for _ in range(count):
        at = begin + chance.uniform(0, 30 * MINUTE)
        who: dict[str, Any] = {
            "user": chance.choice(("p0", "p1", "x1", "x2", "x3", "x4", "x5", "x6", None)),
            "source_ip": chance.choice(("10.0.0.0", "10.0.0.1", "203.0.113.1", "203.0.113.2", None)),
            "tenant": chance.choice(("acme", "acme", "globex", None)),
            "token": chance.choice((None, f"k:{chance.randrange(40)}")),
        }
        turn = chance.randrange(9)
        if turn < 4:
            reason = chance.choice(("bad password", "bad signature", "token expired", None))
            kind = chance.choice(("auth", "request"))
            events.append(failure(at, kind=kind, reason=reason, method="tools/call", **who))
        elif turn == 4:
            events.append(event(at, outcome="not_found", target=f"t{chance.randrange(40)}", **who))
        elif turn == 5:
            events.append(event(at, auth=chance.choice(("valid", "none")), target="export", **who))
        elif turn == 6:
            owners = tuple(chance.sample(("acme", "globex", "initech", "public"), chance.randrange(3)))
            outcome = chance.choice(("ok", "authz_denied"))
            events.append(event(at, resource_tenants=owners, outcome=outcome, **who))
        elif turn == 7:
            events.append(read(at, target=f"crm://acme/c/{chance.randrange(3)}", **who))
        else:
            handle = (f"h{chance.randrange(3)}",)
            events.append(event(at, **who, **{chance.choice(("handles_minted", "handles_presented")): handle}))
    return events


@pytest.mark.parametrize("kind", DETECTORS)
@given(seed=st.integers(0, 10**6))
@quick
def test_any_order_within_the_lateness_gives_the_same_findings(kind: type[AnyDetector], seed: int) -> None:
    chance = random.Random(seed)
    before, now = past(), present(chance, 3 * HOUR + 20 * MINUTE)
    events = before + now
    straight = [one.time - START for one in events]
    bent = straight[: len(before)] + [moment + chance.uniform(-55, 115) for moment in straight[len(before) :]]
    assert told(run([kind()], frames(events, straight), facts=FACTS)) == told(
        run([kind()], frames(events, bent), facts=FACTS)
    )


@pytest.mark.parametrize("kind", DETECTORS)
@given(seed=st.integers(0, 10**6))
@quick
def test_partials_merged_into_learned_state_say_what_folding_says(kind: type[AnyDetector], seed: int) -> None:
    chance = random.Random(seed)
    detector = kind()
    facts = Facts(from_builtins(FACTS))
    before, now = past(), present(chance, 3 * HOUR + 20 * MINUTE)
    for wide in detector.spec.by:
        if wide == "principal":
            continue
        then = grouped(detector, wide, before, facts)
        for raw, belonging in grouped(detector, wide, now, facts).items():
            entity = entity_of(wide, raw, facts)
            whole, merged = (learned(detector, wide, raw, then.get(raw, []), facts) for _ in range(2))
            facts.clock = START + 4 * HOUR
            expected = [found for one in belonging for found in detector.step(whole, entity, one, facts)]
            parts = [detector.start(wide) for _ in range(3)]
            for one in belonging:
                detector.step(chance.choice(parts), entity, one, facts)
            found = [one for part in parts for one in detector.merge(merged, part, entity, facts)]
            for cell in cells(detector, belonging):
                facts.clock = cell.end + 120.0
                expected += detector.settle(whole, entity, cell, facts)
                found += detector.settle(merged, entity, cell, facts)
            assert told(found) == told(expected), (wide, raw)


def learned(detector: AnyDetector, kind: Kind, raw: Raw, events: Sequence[AuditEvent], facts: Facts) -> Any:
    """A state that has lived through the past."""
    state = detector.start(kind)
    entity = entity_of(kind, raw, facts)
    for one in events:
        facts.clock = one.time
        detector.step(state, entity, one, facts)
    for cell in cells(detector, events):
        if cell.end <= START + 3 * HOUR:
            facts.clock = cell.end + 120.0
            detector.settle(state, entity, cell, facts)
    return state


def grouped(
    detector: AnyDetector, kind: Kind, events: Sequence[AuditEvent], facts: Facts
) -> dict[Raw, list[AuditEvent]]:
    groups: dict[Raw, list[AuditEvent]] = {}
    for one in events:
        if detector.spec.wants[kind] & marks_of(one, facts):
            for raw in raw_keys(kind, one, facts):
                groups.setdefault(raw, []).append(one)
    return groups


def cells(detector: AnyDetector, events: Sequence[AuditEvent]) -> list[Cell]:
    found = {Cell(length, int(one.time) // length * length) for one in events for length in detector.spec.cells}
    return sorted(found, key=lambda cell: (cell.end, cell.seconds))


@given(seed=st.integers(0, 10**6))
@quick
def test_learned_owners_do_not_depend_on_the_order_of_a_day(seed: int) -> None:
    chance = random.Random(seed)
    events = [
        read(day * DAY + chance.uniform(0, DAY - 600), tenant=tenant, user=tenant, target=f"crm://{tenant}/c/{n}")
        for day in range(18)
        for tenant in ("acme", "globex")
        for n in range(4)
    ]
    events += [
        read(n * DAY + chance.uniform(-60, 1200), tenant="acme", user=f"e{n}", target=f"crm://globex/c/{n % 4}")
        for n in range(1, 18)
    ]
    straight = [one.time - START for one in events]
    bent = [moment + chance.uniform(-55, 115) for moment in straight]
    assert told(run([CrossTenant()], frames(events, straight))) == told(run([CrossTenant()], frames(events, bent)))
