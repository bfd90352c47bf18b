"""Detectors that are left out under overload see nothing and tell of nothing that they saw in part; others go on."""

from collections.abc import Sequence

import pytest

from detectors.base import Cell, Detector, Entity, Kind, Spec
from detectors.engine.engine import Engine
from detectors.engine.witness import Witness
from detectors.failed_auth import DETECTOR as AUTH
from stream.control import Shed
from stream.facts import Facts
from stream.finding import Finding, finding_id
from stream.frame import Record
from tests.detectors.streams import HOUR, control, event, failure, finish, frames, run, told
from tocsin_audit.event import AuditEvent


class Seen:
    calls: dict[int, int]

    def __init__(self) -> None:
        self.calls = {}


class Counting(Detector[Seen]):
    """Tells at the end of each hour how many calls a principal made."""

    spec = Spec(name="outlier", version="1.0", by=("principal",), cells=(int(HOUR),), classes=("outlier",))

    def start(self, kind: Kind) -> Seen:  # there is one kind
        return Seen()

    def step(self, state: Seen, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:  # it counts
        hour = int(event.time // HOUR)
        state.calls[hour] = state.calls.get(hour, 0) + 1
        return ()

    def settle(self, state: Seen, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:  # it tells
        calls = state.calls.pop(int(cell.start // HOUR), 0)
        id_ = finding_id("outlier", 1, "outlier", entity.names, int(cell.start), 0, entity.tenant)
        return [
            Finding(
                id=id_,
                detector="",
                version="",
                class_="outlier",
                entity=dict(entity.names),
                tenant=entity.tenant,
                severity="notice",
                title="calls",
                observed=str(calls),
                start=cell.start,
                end=cell.end,
                time=cell.end,
            )
        ]


def engine() -> Engine:
    return Engine([Counting(), AUTH()])


def hours(count: int) -> list[Record]:
    """A call a minute, and a burst of failures in each hour."""
    calls = [event(60.0 * minute, user="ann") for minute in range(60 * count)]
    bursts = [failure(HOUR * hour + 600 + n, user="victim") for hour in range(count) for n in range(40)]
    return frames(sorted([*calls, *bursts], key=lambda one: one.time))


def with_facts(records: list[Record], *facts: Record) -> list[Record]:
    ordered = sorted([*records, *facts], key=lambda record: record.frame.header.received)
    return [Record(offset, record.frame) for offset, record in enumerate(ordered)]


def counted(found: Sequence[Finding]) -> dict[int, str]:
    """By hour what was told of ann's calls."""
    own = [one for one in found if one.class_ == "outlier" and one.entity == {"user": "ann"}]
    return {int(one.start % 86_400 // HOUR): one.observed for one in own}


def test_whole_hours_outside_of_it_are_told_and_those_seen_in_part_are_not() -> None:
    records = hours(6)
    assert counted(run([], records, engine=engine())) == dict.fromkeys(range(6), "60")
    shed = control(2.5 * HOUR, Shed(("outlier",))), control(3.25 * HOUR, Shed(()))
    assert counted(run([], with_facts(records, *shed), engine=engine())) == {0: "60", 1: "60", 4: "60", 5: "60"}


def test_all_other_detectors_find_the_same() -> None:
    records = hours(3)
    shed = with_facts(records, control(10, Shed(("outlier",))))

    def others(found: Sequence[Finding]) -> set[tuple[str, str, str]]:
        return {one for one in told(found) if one[1] != "outlier"}

    assert others(run([], shed, engine=engine())) == others(run([], records, engine=engine())) != set()


@pytest.mark.parametrize("at", [1, 100, 127, 160])
def test_a_restart_changes_nothing(at: int) -> None:
    records = with_facts(hours(3), control(1.5 * HOUR, Shed(("outlier",))), control(1.75 * HOUR, Shed(())))
    whole = run([], records, engine=engine())
    first, second = engine(), engine()
    found = [finding for record in records[:at] for finding in first.fold(record)]
    meta, rows = first.snapshot()
    second.restore(meta, {name: row for name, row in rows.items() if row is not None})
    found += [finding for record in records[at:] for finding in second.fold(record)]
    assert told([*found, *finish(second)]) == told(whole)


def test_whoever_asks_why_an_event_was_not_looked_at_is_told() -> None:
    one = Witness([Counting(), AUTH()])
    one.fold(control(10, Shed(("outlier",))))
    (record,) = frames([failure(20.0, user="ann")])
    why = {view.detector: view.why for view in one.account(record, 0).views if view.kind == "principal"}
    assert why == {"outlier": "it was left out, since too much waited to be looked at", "failed_auth": ""}
