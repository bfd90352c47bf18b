from collections.abc import Iterator
from typing import Any

import pytest

from alerting.queries import Filter, list_incidents, why
from alerting.routing.budget import Budget
from alerting.routing.route import Receiver, Route, Routes
from alerting.task import act_frame
from stream.control import IncidentChange
from tests.alerting.routing.test_grouping import Desk, brute
from tests.alerting.world import HOUR, NOON, a_finding, put

MINUTE = 60.0
ROUTES = Routes((Receiver("on-call", ("siem",), ("pd",)),))


@pytest.fixture
def watch() -> Iterator[Desk]:
    made = Desk(ROUTES)
    yield made
    made.store.close()


def told(desk: Desk, sink: str = "pd") -> list[tuple[str, str]]:
    return [(page.change, page.reason) for page in desk.pages(sink) if page.page]


def act(desk: Desk, name: str, clock: float, **more: Any) -> None:
    for incident in list_incidents(desk.store, Filter()):
        put(desk.log, act_frame(IncidentChange(incident=incident.id, act=name, by="ann", at=clock, **more), clock))
    while desk.task.advance(wait=0):
        pass


def test_a_page_that_nobody_acknowledged_is_told_again_after_its_severitys_time(watch: Desk) -> None:
    watch.at(NOON, brute("a"))
    watch.at(NOON + 2 * HOUR - MINUTE)
    assert told(watch) == [("opened", "new")]
    watch.at(NOON + 2 * HOUR)
    watch.at(NOON + 3 * HOUR)
    watch.at(NOON + 4 * HOUR + 15)
    assert told(watch) == [("opened", "new"), ("late", "repeated"), ("late", "repeated")]
    (incident,) = list_incidents(watch.store, Filter())
    said = why(watch.store, incident.id)
    assert [one["reason"] for one in said["decisions"]] == ["new", "repeated", "repeated"]
    assert {one["page_id"] for one in said["decisions"]} == set(said["pages"])


@pytest.mark.parametrize("name", ["ack", "contain", "resolve"])
def test_whoever_does_something_about_it_is_not_told_again(watch: Desk, name: str) -> None:
    watch.at(NOON, brute("a"))
    act(watch, name, NOON + HOUR)
    watch.at(NOON + 9 * HOUR)
    assert told(watch) == [("opened", "new")]


def test_what_has_waited_about_as_long_is_told_again_in_one_page(watch: Desk) -> None:
    watch.at(NOON, brute("a"))
    watch.at(NOON + 5 * MINUTE, brute("b", at=NOON + 5 * MINUTE))
    watch.at(NOON + 2 * HOUR)
    watch.at(NOON + 2 * HOUR + 10 * MINUTE)
    assert told(watch) == [("opened", "new"), ("opened", "new"), ("bundle", "repeated")]


def test_a_page_that_is_told_again_costs_no_budget() -> None:
    desk = Desk(ROUTES, Budget(pages=2))
    desk.at(NOON, brute("a"))
    desk.at(NOON + 2 * HOUR)
    desk.at(NOON + 2 * HOUR + MINUTE, brute("b", at=NOON + 2 * HOUR + MINUTE))
    assert told(desk)[-1] == ("opened", "new")
    desk.store.close()


@pytest.mark.parametrize(("severity", "again"), [("critical", 1), ("high", 0)])
def test_what_is_critical_is_told_again_sooner(watch: Desk, severity: Any, again: int) -> None:
    watch.at(NOON, brute("a", severity=severity))
    watch.at(NOON + HOUR / 2)
    assert len(told(watch)) == 1 + again


def test_a_route_says_how_often_or_never() -> None:
    never = Desk(Routes((Receiver("on-call", ("siem",), ("pd",)),), Route("on-call", repeat=0.0)))
    often = Desk(Routes((Receiver("on-call", ("siem",), ("pd",)),), Route("on-call", repeat=300.0)))
    for desk in (never, often):
        desk.at(NOON, brute("a"))
        desk.at(NOON + 300)
        desk.at(NOON + 9 * HOUR)
    assert (len(told(never)), len(told(often))) == (1, 3)
    never.store.close()
    often.store.close()


def test_who_has_nobody_to_wake_is_told_once() -> None:
    desk = Desk(Routes((Receiver("on-call", ("siem",)),)))
    desk.at(NOON, brute("a"))
    desk.at(NOON + 9 * HOUR)
    assert [page.reason for page in desk.pages("siem") if page.page] == ["new"]
    desk.store.close()


def test_nobody_is_told_again_of_what_only_its_page_would_have_been_about(watch: Desk) -> None:
    watch.at(NOON, a_finding(severity="medium"))
    watch.at(NOON + 9 * HOUR)
    assert told(watch) == []


def test_a_newer_opening_counts_from_its_own_page(watch: Desk) -> None:
    watch.at(NOON, brute("a"))
    act(watch, "close", NOON + HOUR, verdict="false")
    watch.at(NOON + 90 * MINUTE, brute("a", at=NOON + 90 * MINUTE))
    watch.at(NOON + 3 * HOUR)
    assert told(watch) == [("opened", "new"), ("reopened", "reopened")]
    watch.at(NOON + 3 * HOUR + 31 * MINUTE)
    assert told(watch)[-1] == ("late", "repeated")
