"""What is left to do after incidents."""

from typing import Any

import pytest

from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.queries import Filter, find, list_incidents
from alerting.response.follow_ups import follow_ups
from alerting.response.progress import progress
from alerting.runbook import PHASES, Runbooks
from alerting.task import AlertTask, act_frame
from stream.control import Act, IncidentChange, Stepped
from stream.sqlite import SqliteLog
from tests.alerting.world import NOON, a_finding, findings_frame, put

BOOKS = Runbooks()
DAY = 86_400.0


class Desk:
    """Two incidents, of acme and of globex, and whoever works on them."""

    def __init__(self, log: SqliteLog, store: Store) -> None:
        self.store = store
        self._log = log
        self._task = AlertTask(log, store, Policies())
        ours = a_finding(entity={"user": "eve", "tenant": "acme"}, tenant="acme")
        theirs = a_finding(entity={"user": "kim", "tenant": "globex"}, tenant="globex")
        self._put(findings_frame([ours], NOON, 0), findings_frame([theirs], NOON + 1, 1))
        self.ours, self.theirs = (
            next(one.id for one in list_incidents(store, Filter()) if one.tenant == name) for name in ("acme", "globex")
        )

    def act(self, *acts: Act, at: float = NOON + 60) -> None:
        self._put(*(act_frame(one, at) for one in acts))

    def plan(self, step: str, owner: str, due: float, incident: str | None = None) -> None:
        self.act(Stepped(incident or self.ours, step, "planned", "ann", NOON + 60, owner=owner, due=due))

    def close(self, verdict: str, incident: str | None = None) -> None:
        self.act(IncidentChange(incident or self.ours, "close", "ann", NOON + 60, verdict, cause="a weak password"))

    def left(self, now: float = NOON + 120, since: float = 0.0, tenants: frozenset[str] | None = None) -> list[Any]:
        return follow_ups(self.store, BOOKS, now, since, tenants)

    def _put(self, *frames: Any) -> None:
        put(self._log, *frames)
        while self._task.advance(wait=0):
            pass


@pytest.fixture
def desk(log: SqliteLog, store: Store) -> Desk:
    return Desk(log, store)


def test_while_incidents_are_open_what_was_planned_alone_is_listed(desk: Desk) -> None:
    assert desk.left() == []
    desk.plan("fix-cause", "kim", NOON + 14 * DAY)
    desk.plan("inform-affected", "ann", NOON + DAY)
    assert [(one["id"], one["owner"], one["late"]) for one in desk.left()] == [
        ("inform-affected", "ann", False),
        ("fix-cause", "kim", False),
    ]


def test_a_true_incident_leaves_its_long_term_steps_to_somebody(desk: Desk) -> None:
    desk.plan("fix-cause", "kim", NOON + 14 * DAY)
    desk.close("true")
    found = {one["id"]: one["owner"] for one in desk.left()}
    book = progress(desk.store, BOOKS, find(desk.store, desk.ours), NOON)
    later = {step["id"] for phase in book["phases"] if phase["name"] == PHASES[-1] for step in phase["steps"]}
    assert found == dict.fromkeys(later) | {"fix-cause": "kim"}
    assert desk.left(since=NOON + 3600)[0]["id"] == "fix-cause", "what is planned is listed however old it is"
    assert len(desk.left(since=NOON + 3600)) == len(later), "it was planned, so that its incident is looked at"


def test_what_was_wrong_leaves_nothing_to_do_but_what_somebody_took_on(desk: Desk) -> None:
    desk.close("false")
    assert desk.left() == []


def test_what_is_done_is_no_longer_listed(desk: Desk) -> None:
    desk.plan("fix-cause", "kim", NOON + DAY)
    desk.act(Stepped(desk.ours, "fix-cause", "done", "kim", NOON + 90))
    assert desk.left() == []


def test_a_step_that_was_planned_is_late_also_after_its_incident_ended(desk: Desk) -> None:
    desk.plan("fix-cause", "kim", NOON + DAY)
    desk.close("true")
    late = {one["id"]: one["late"] for one in desk.left(NOON + 2 * DAY)}
    assert late.pop("fix-cause")
    assert not any(late.values())
    assert all(one["late"] for one in desk.left(NOON + 40 * DAY))
    book = progress(desk.store, BOOKS, find(desk.store, desk.ours), NOON + 2 * DAY)
    assert book["late"] == 1, "the first minutes of what is over are nobody's concern any more"


def test_tenants_see_what_is_theirs(desk: Desk) -> None:
    for incident in (desk.ours, desk.theirs):
        desk.plan("fix-cause", "kim", NOON + DAY, incident)
        desk.close("true", incident)
    assert {one["incident"] for one in desk.left()} == {desk.ours, desk.theirs}
    assert {one["incident"] for one in desk.left(tenants=frozenset({"acme"}))} == {desk.ours}
