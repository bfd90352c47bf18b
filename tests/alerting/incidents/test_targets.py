from typing import Any

import pytest

from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.incidents.key import incident_key
from alerting.incidents.record import opened_by
from alerting.incidents.targets import Targets
from alerting.queries import Filter, clocks, list_incidents, show
from alerting.routing.route import Receiver, Routes
from alerting.runbook import Runbooks
from alerting.task import AlertTask, act_frame
from stream.control import IncidentChange
from stream.sqlite import SqliteLog
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON, a_finding, findings_frame, put, tick

MINUTE = 60.0
TARGETS = Targets()
ROUTES = Routes(
    (Receiver("first", ("siem",), ("pd",), escalate_to="lead"), Receiver("lead", pagers=("pd-lead",)), Receiver("x"))
)


def told(**more: Any) -> Any:
    return a_record(told_at=NOON, **more)


def test_nobody_is_late_with_what_nobody_was_told_of() -> None:
    assert TARGETS.readings(a_record(), NOON + 1e6) == []
    assert TARGETS.scheduled(a_record()).due is None


def test_the_next_clock_that_runs_out_is_scheduled() -> None:
    assert TARGETS.scheduled(told()).due == NOON + 30 * MINUTE
    assert TARGETS.scheduled(told(late=("acknowledge",))).due == NOON + 240 * MINUTE
    assert TARGETS.scheduled(told(acknowledged_at=NOON + 1)).due == NOON + 240 * MINUTE
    assert TARGETS.scheduled(told(severity="medium")).due is None
    assert TARGETS.scheduled(told(status="closed", ended=NOON + 1)).due is None


@pytest.mark.parametrize(
    ("more", "minutes", "late"),
    [
        ({}, 30, []),
        ({}, 31, ["acknowledge"]),
        ({}, 241, ["acknowledge", "contain"]),
        ({"late": ("acknowledge",)}, 241, ["contain"]),
        ({"acknowledged_at": NOON + 60}, 241, ["contain"]),
        ({"contained_at": NOON + 60}, 241, []),
        ({"severity": "critical"}, 16, ["acknowledge"]),
        ({"status": "resolved", "ended": NOON + 60}, 9999, []),
    ],
)
def test_what_ran_out_is_late_once(more: dict[str, Any], minutes: float, late: list[str]) -> None:
    assert [one.clock for one in TARGETS.overdue(told(**more), NOON + minutes * MINUTE)] == late


def test_who_did_it_too_late_sees_that_it_was_late() -> None:
    (acknowledge, *_) = TARGETS.readings(told(acknowledged_at=NOON + 31 * MINUTE), NOON + 99 * MINUTE)
    assert (acknowledge.reached, acknowledge.late) == (NOON + 31 * MINUTE, True)


def pages(store: Store, sink: str) -> int:
    incident = list_incidents(store, Filter(state="all"))[0]
    deliveries = show(store, incident.id, Runbooks())["deliveries"]
    return sum(one["sink"] == sink for one in deliveries)


def a_task(log: SqliteLog, store: Store) -> AlertTask:
    return AlertTask(log, store, Policies(), routes=ROUTES)


def test_what_nobody_acknowledged_is_passed_on_once(log: SqliteLog, store: Store) -> None:
    put(log, findings_frame([a_finding()], NOON, 0), tick(NOON + 29 * MINUTE, 1))
    task = a_task(log, store)
    task.advance(wait=0)
    assert (pages(store, "pd"), pages(store, "pd-lead")) == (1, 0)
    put(log, tick(NOON + 31 * MINUTE, 2), tick(NOON + 40 * MINUTE, 3))
    task.advance(wait=0)
    assert (pages(store, "pd"), pages(store, "pd-lead")) == (1, 1)
    incident = list_incidents(store, Filter())[0]
    told_ = show(store, incident.id, Runbooks(), now=NOON + 40 * MINUTE)
    assert [line["change"] for line in told_["timeline"]] == ["opened", "late"]
    assert told_["clocks"]["acknowledge"]["late"]
    assert told_["clocks"]["detect"] == 0.0


def test_what_is_known_to_have_begun_long_ago_was_noticed_late_and_a_window_proves_nothing() -> None:
    window: dict[str, Any] = {"start": NOON - 60 * MINUTE, "end": NOON, "time": NOON}
    known = opened_by(incident_key(a_finding()), a_finding(first=NOON - 20 * MINUTE, **window), NOON)
    assert [clocks(known, None, NOON)[f"detect{what}"] for what in ("", "_exact", "_late")] == [1200.0, True, True]
    soon = opened_by(incident_key(a_finding()), a_finding(first=NOON - 5, **window), NOON)
    assert [clocks(soon, None, NOON)[f"detect{what}"] for what in ("", "_exact", "_late")] == [5.0, True, False]
    unknown = opened_by(incident_key(a_finding()), a_finding(**window), NOON)
    assert [clocks(unknown, None, NOON)[f"detect{what}"] for what in ("", "_exact", "_late")] == [3600.0, False, False]


def test_what_was_acknowledged_in_time_wakes_nobody_else(log: SqliteLog, store: Store) -> None:
    put(log, findings_frame([a_finding()], NOON, 0))
    task = a_task(log, store)
    task.advance(wait=0)
    incident = list_incidents(store, Filter())[0]
    put(log, act_frame(IncidentChange(incident=incident.id, act="ack", by="ann", at=NOON + 60), NOON + 60))
    put(log, tick(NOON + 45 * MINUTE, 1))
    task.advance(wait=0)
    assert pages(store, "pd-lead") == 0
    put(log, tick(NOON + 300 * MINUTE, 2))
    task.advance(wait=0)
    timeline = show(store, incident.id, Runbooks())["timeline"]
    assert [(line["change"], line["note"]) for line in timeline][-1] == ("late", "contain within 4 h")
    assert pages(store, "pd-lead") == 0


def test_a_restart_neither_forgets_nor_repeats_what_is_late(log: SqliteLog, store: Store) -> None:
    put(log, findings_frame([a_finding()], NOON, 0))
    a_task(log, store).advance(wait=0)
    put(log, tick(NOON + 31 * MINUTE, 1))
    a_task(log, store).advance(wait=0)
    put(log, tick(NOON + 60 * MINUTE, 2))
    a_task(log, store).advance(wait=0)
    assert pages(store, "pd-lead") == 1
