"""The drill's finding: marked, an incident of its own, and nothing that anything else counts."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting import pilot
from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.incidents.key import incident_key
from alerting.incidents.life import ACTS
from alerting.incidents.linking import mentions
from alerting.incidents.risk import entities
from alerting.queries import Filter, find, list_incidents
from alerting.response.drill import receivers_of, rehearsal, told_of, would_hear
from alerting.response.precision import precision
from alerting.routing.budget import Budget
from alerting.routing.route import Receiver, Route, Routes
from alerting.runbook import Runbooks
from alerting.task import AlertTask, act_frame
from stream.control import IncidentChange
from stream.finding import CLASSES, SEVERITIES, Class, Finding
from stream.sqlite import SqliteLog
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON, a_finding, findings_frame, put

ROUTES = Routes(
    (Receiver("soc", ("siem",), ("oncall",)), Receiver("crm", ("chat",))),
    Route("soc", routes=(Route("crm", match=()),)),
)


def a_drill(id_: str = "d1", class_: Class = "spray", *, page: bool = True, at: float = NOON) -> Finding:
    return rehearsal(id_, class_, severity="high", tenant="acme", page=page, by="ann", at=at)


@given(
    id_=st.text("0123456789abcdef", min_size=8, max_size=32),
    class_=st.sampled_from(CLASSES),
    severity=st.sampled_from(SEVERITIES),
    page=st.booleans(),
    by=st.text(max_size=100),
)
def test_a_drill_is_marked_and_an_incident_apart_whoever_asks_for_what(
    id_: str, class_: Class, severity: str, page: bool, by: str
) -> None:
    drill = rehearsal(id_, class_, severity=severity, tenant="acme", page=page, by=by, at=NOON)  # type: ignore[arg-type]  # hypothesis gives the literals as strings
    assert drill.class_ == "drill"
    assert drill.title.startswith("DRILL: ")
    assert drill.mode == ("live" if page else "observe")
    assert (drill.event_ids, drill.count, drill.score) == ((), 0, 0)
    assert entities(drill) == [], "nobody's risk grows"
    assert mentions(a_record(drill)) == [], "it is linked to nothing"
    for other in (a_finding(class_), a_drill("f" * 33)):
        assert incident_key(other).id != incident_key(drill).id


@pytest.mark.parametrize("class_", CLASSES)
def test_a_drill_of_a_class_has_its_runbook(class_: Class) -> None:
    books = Runbooks()
    assert books.of(a_record(a_drill(class_=class_), runbook=class_).incident()) is books[class_]


def decided(log: SqliteLog, store: Store, findings: Sequence[Finding], budget: Budget) -> list[bool]:
    """Which of these findings wake somebody, one a frame."""
    woke: list[bool] = []

    class Watching:
        def decided(self, _: Finding, __: object, page_id: str | None, ___: float) -> None:
            woke.append(page_id is not None and not page_id.endswith(".bundle"))

        def attempted(self, *_: object) -> None: ...

        def rejected(self, *_: object) -> None: ...

    task = AlertTask(log, store, Policies(budget=budget), routes=ROUTES, observer=Watching())
    put(log, *(findings_frame([one], one.time, number) for number, one in enumerate(findings)))
    while task.advance(wait=0):
        pass
    return woke


def test_drills_cost_no_page_and_no_page_is_held_back_for_them(log: SqliteLog, store: Store) -> None:
    budget = Budget(pages=1)
    minute = 60.0
    drills = [a_drill(f"d{number}", at=NOON + number * minute * 10) for number in range(4)]
    first = a_finding("brute", entity={"user": "a"}, at=NOON + 50 * minute)
    again = a_finding("brute", entity={"user": "b"}, at=NOON + 51 * minute)
    last = a_drill("d9", at=NOON + 52 * minute)
    woke = decided(log, store, [*drills, first, again, last], budget)
    assert woke == [True, True, True, True, True, False, True]


def test_a_drill_wakes_nobody_unless_asked_and_counts_for_no_report(log: SqliteLog, store: Store) -> None:
    assert decided(log, store, [a_drill(page=False)], Budget()) == [False]
    (incident,) = list_incidents(store, Filter())
    task = AlertTask(log, store, Policies(), routes=ROUTES)
    assert "close" in ACTS
    put(log, act_frame(IncidentChange(incident.id, "close", "ann", NOON + 1, verdict="false"), NOON + 1))
    task.advance(wait=0)
    told = precision(store, 0.0, NOON + 9)
    assert (told["closed"], told["detectors"]) == (0, [])
    assert pilot.past(store, 0.0) == []


def test_whom_it_tells_is_said_by_sink_and_whom_the_real_thing_would_too(log: SqliteLog, store: Store) -> None:
    decided(log, store, [a_drill()], Budget())
    (incident,) = list_incidents(store, Filter())
    record = find(store, incident.id)
    heard = [one["receiver"] for one in receivers_of(ROUTES, record)]
    assert heard == ["crm"]
    assert told_of(ROUTES, record, page=True) == {"chat": ["crm"]}
    assert would_hear(ROUTES, "spray", "high", "acme", NOON) == ["crm"]
    assert would_hear(Routes((Receiver("all", ("siem",)),)), "spray", "high", None, NOON) == ["all"]
