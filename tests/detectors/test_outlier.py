"""What `outlier` tells and what it leaves alone, with models that a real training made of three weeks of an office."""

import random
from collections.abc import Iterable
from functools import cache
from typing import Any

import pytest

from detectors.engine.engine import Engine
from detectors.outlier import FAR, LIMIT, NAME, Outlier
from detectors.parts.forest import Forest, digest, forest_of
from stream.control import Model
from stream.errors import DamagedError
from stream.facts import Facts
from stream.finding import Finding
from stream.frame import Record
from tests.detectors.learned import busier, outlier_models
from tests.detectors.streams import DAY, HOUR, START, control, event, finish, frames, tick
from tocsin.learning.training import gather, table, train
from tocsin_audit.event import AuditEvent

DAYS = 21
TODAY = DAYS * DAY


def hour_of_work(chance: random.Random, clerk: int, start: float, calls: int = 8) -> list[AuditEvent]:
    who: dict[str, Any] = {"user": f"clerk-{clerk}", "client": "desk"}
    return [
        event(
            start + chance.uniform(0, HOUR - 1),
            target=chance.choice(("find", "show", "list")),
            rows=chance.randrange(1, 9),
            response_bytes=chance.randrange(400, 3_000),
            action="read",
            **who,
        )
        for _ in range(chance.randrange(calls // 2, calls * 2))
    ]


def odd_hour(start: float, clerk: int = 0) -> list[AuditEvent]:
    """A dozen denials, tools never used, ten times the rows, writes."""
    who: dict[str, Any] = {"user": f"clerk-{clerk}", "client": "desk"}
    events = [event(start + 60 * i, outcome="authz_denied", target=f"admin-{i}", **who) for i in range(12)]
    return events + [
        event(start + 60 * i + 5, target=f"export-{i % 9}", rows=900, response_bytes=90_000, action="update", **who)
        for i in range(40)
    ]


@cache
def past() -> tuple[AuditEvent, ...]:
    chance = random.Random(21)
    events = []
    for day in range(DAYS):
        if day % 7 < 5:
            for clerk in range(6):
                for hour in range(8, 17):
                    if chance.random() < 0.85:
                        events += hour_of_work(chance, clerk, day * DAY + hour * HOUR)
    return tuple(sorted(events, key=lambda one: one.time))


@cache
def history() -> tuple[Record, ...]:
    return tuple(frames(past()))


@cache
def model() -> Model:
    hours = gather(history(), Outlier(), Facts())
    (outcome,) = train(table(hours, START + TODAY), START + TODAY, 0.001)
    assert outcome.model is not None, outcome.why
    return outcome.model


def today(events: Iterable[AuditEvent], *models: Model) -> list[Finding]:
    engine = Engine([Outlier()])
    for record in history():
        engine.fold(record)
    found: list[Finding] = []
    for one in models:
        found += engine.fold(control(TODAY, one))
    for record in frames(sorted(events, key=lambda one: one.time)):
        found += engine.fold(record)
    return found + finish(engine)


@pytest.mark.positive("outlier")
def test_an_hour_at_night_with_denials_new_tools_and_writes_is_told_with_what_made_it_odd() -> None:
    (found,) = today(odd_hour(TODAY + 27 * HOUR), model())
    assert (found.class_, found.entity, found.tenant) == ("outlier", {"user": "clerk-0"}, "acme")
    assert found.severity in ("notice", "low")
    assert found.mode == "live", "three weeks of the tenant are behind it"
    assert len(found.facts["features"]) <= 3
    assert {*found.facts["features"]} & {"denied or not found", "writes", "tools", "rows", "hour"}
    assert "than usual" in found.observed or "of its activity" in found.observed


@pytest.mark.negative("outlier")
def test_ordinary_hours_are_left_alone() -> None:
    chance = random.Random(5)
    day = TODAY + DAY
    work = [
        one for clerk in range(6) for hour in range(9, 16) for one in hour_of_work(chance, clerk, day + hour * HOUR)
    ]
    assert len(today(work, model())) <= 1, "one ordinary hour in a thousand may be told"


@pytest.mark.negative("outlier")
def test_a_principal_without_habits_is_not_judged() -> None:
    assert today(odd_hour(TODAY + 27 * HOUR, clerk=99), model()) == []


@pytest.mark.negative("outlier")
def test_without_a_model_or_before_it_counts_nothing_is_told() -> None:
    assert today(odd_hour(TODAY + 27 * HOUR)) == []
    later = START + TODAY + 40 * HOUR
    assert today(odd_hour(TODAY + 27 * HOUR), *outlier_models(["acme"], since=later, octaves=-20)) == []
    assert today(odd_hour(TODAY + 27 * HOUR), *outlier_models(["globex"], octaves=-20)) == []


def test_it_is_shadow_until_the_tenant_has_a_fortnight() -> None:
    engine = Engine([Outlier({"least_hours": 1})])
    engine.fold(control(0, outlier_models(["acme"])[0]))
    found: list[Finding] = []
    for record in frames(
        [*(event(i * HOUR, user="u") for i in range(5)), *(event(6 * HOUR + i, user="u") for i in range(99))]
    ):
        found += engine.fold(record)
    assert [one.mode for one in found + finish(engine)] == ["shadow"]


def test_one_finding_a_day_and_principal() -> None:
    odd = [one for hour in (26, 27, 28) for one in odd_hour(TODAY + hour * HOUR)]
    found = today(odd, *outlier_models(["acme"]))
    assert len({(one.id, one.mode) for one in found}) == 1
    assert len(found) == 1


def test_an_hour_that_was_told_is_not_learned() -> None:
    days = [one for day in range(1, 6) for one in odd_hour(TODAY + day * DAY + 3 * HOUR)]
    assert len(today(days, *outlier_models(["acme"]))) == 5


def test_models_survive_a_snapshot_and_a_new_directory() -> None:
    first, second = outlier_models(["acme"], since=1.0)[0], outlier_models(["acme"], since=2.0, octaves=3)[0]
    engine = Engine([Outlier()])
    for one in (first, second):
        engine.fold(control(0, one))
    meta, rows = engine.snapshot()
    stored = {name: row for name, row in rows.items() if row is not None}
    _, again = engine.snapshot()
    assert "models" not in again, "they are written when they change"
    restored = Engine([Outlier()])
    restored.restore(meta, stored)
    assert restored.facts.model(NAME, "acme", 1.5) == first
    assert restored.facts.model(NAME, "acme", 2.5) == second
    restored.fold(tick(10))
    assert restored.facts.model(NAME, "acme", 0.5) is None


def test_arrays_that_are_no_forest_are_refused() -> None:
    arrays = busier().pack()
    assert forest_of(arrays, digest(arrays), 9).depth([0] * 9) > forest_of(arrays, digest(arrays), 9).depth([999] * 9)
    with pytest.raises(DamagedError, match="digest"):
        forest_of({**arrays, "value": b"\0" * 6}, digest(arrays), 9)
    for wrong in (
        Forest([0, -1, -1], [1, 1, 1], [9, 0, 0], [0]),
        Forest([0, -1, -1], [1, 1, 1], [0, 0, 0], [0]),
        Forest([12, -1, -1], [1, 1, 1], [2, 0, 0], [0]),
        Forest([-2, -1, -1], [1, 1, 1], [2, 0, 0], [0]),
        Forest([0, -1, -1], [1, 1, 1], [2, 0, 0], [7]),
        Forest([], [], [], []),
    ):
        packed = wrong.pack()
        with pytest.raises(DamagedError, match="no forest"):
            forest_of(packed, digest(packed), 9)


def test_a_damaged_model_blinds_nobody_else() -> None:
    whole = outlier_models(["acme"])[0]
    damaged = Model(NAME, "acme", 0.0, "0" * 64, whole.arrays, {LIMIT: 1e6, FAR: 0.0})
    found = today(odd_hour(TODAY + 27 * HOUR), damaged)
    assert {one.class_ for one in found} == {"audit_gap"}
    assert all("outlier failed" in one.title for one in found)
