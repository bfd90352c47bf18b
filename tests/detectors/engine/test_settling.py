"""The order in which cells close: members tell their groups, groups settle, then members do."""

import random
from collections.abc import Sequence
from typing import Any

from detectors.base import ANY, NOTHING, Cell, Detector, Entity, Kind, Spec
from detectors.engine.engine import Engine
from detectors.keys import Raw
from stream.facts import Facts
from stream.finding import Finding
from tests.detectors.streams import HOUR, START, event, finish, frames
from tocsin_audit.event import AuditEvent


class Sums:
    """Events by minute."""

    minutes: dict[int, int]

    def __init__(self) -> None:
        self.minutes = {}

    def add(self, minute: int, number: int) -> None:
        self.minutes[minute] = self.minutes.get(minute, 0) + number


class Teller(Detector[Sums]):
    """Principals count; what they counted in a closed minute becomes their tenant's."""

    spec = Spec(
        "teller", "1", ("principal", "tenant"), (60, 300), ("drill",), wants={"principal": ANY, "tenant": 0}, tells=60
    )

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str, int, int, int]] = []

    def start(self, kind: Kind) -> Sums:
        return Sums()

    def step(self, state: Sums, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        assert entity.kind == "principal"
        state.add(int(event.time - START) // 60, 1)
        return NOTHING

    def tell(self, state: Sums, entity: Entity, cell: Cell, facts: Facts) -> Sequence[tuple[Kind, Raw, Sums]]:
        assert entity.tenant is not None
        told = Sums()
        minute = (cell.start - int(START)) // 60
        told.add(minute, state.minutes[minute])
        return (("tenant", entity.tenant, told),)

    def merge(self, state: Sums, partial: Sums, entity: Entity, facts: Facts) -> Sequence[Finding]:
        for minute, number in partial.minutes.items():
            state.add(minute, number)
        return NOTHING

    def settle(self, state: Sums, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        first = (cell.start - int(START)) // 60
        counted = sum(state.minutes.get(minute, 0) for minute in range(first, first + cell.seconds // 60))
        self.calls.append((entity.kind, entity.key, cell.end - int(START), cell.seconds, counted))
        return NOTHING

    def summary(self, state: Sums, entity: Entity, cell: Cell) -> tuple[int, ...] | None:
        return (1,)


def traffic(seed: int, **fields: Any) -> list[AuditEvent]:
    chance = random.Random(seed)
    times = sorted(chance.uniform(0, HOUR) for _ in range(300))
    return [
        event(t, user=f"u{chance.randrange(20)}", tenant=chance.choice(("acme", "globex")), **fields) for t in times
    ]


def asked(teller: Teller, records: Sequence[Any], engine: Engine | None = None) -> list[tuple[str, str, int, int, int]]:
    engine = engine or Engine([teller])
    for record in records:
        engine.fold(record)
    finish(engine)
    return teller.calls


def test_a_group_has_all_that_its_members_told_of_a_cell_when_it_settles_it_and_settles_before_them() -> None:
    calls = asked(Teller(), frames(traffic(1)))
    for kind in ("principal", "tenant"):
        assert sum(call[4] for call in calls if call[0] == kind and call[3] == 60) == 300
        assert sum(call[4] for call in calls if call[0] == kind and call[3] == 300) == 300
    for position, (kind, key, end, seconds, _) in enumerate(calls):
        if kind == "principal":
            assert any(known[0] == "tenant" and known[2:4] == (end, seconds) for known in calls[:position]), (
                key,
                end,
                seconds,
            )


def test_what_is_told_does_not_depend_on_the_order_of_arrival_or_on_jumps_of_the_clock() -> None:
    events = traffic(2)
    expected = {call for call in asked(Teller(), frames(events)) if call[0] == "tenant"}
    chance = random.Random(3)
    shuffled = [one.time - START + chance.uniform(0, 100) for one in events]
    assert {call for call in asked(Teller(), frames(events, arrival=shuffled)) if call[0] == "tenant"} == expected
    leaping = [(one.time - START) // 119 * 119 + 119 for one in events]
    assert {call for call in asked(Teller(), frames(events, arrival=leaping)) if call[0] == "tenant"} == expected


def test_nothing_is_told_twice_after_a_restart() -> None:
    records = frames(traffic(4))
    expected = asked(Teller(), records)
    for cut in range(0, len(records), max(1, len(records) // 12)):
        teller = Teller()
        first = Engine([teller])
        for record in records[:cut]:
            first.fold(record)
        meta, rows = first.snapshot()
        second = Engine([teller])
        second.restore(meta, {name: row for name, row in rows.items() if row is not None})
        assert sorted(asked(teller, records[cut:], second)) == sorted(expected)
