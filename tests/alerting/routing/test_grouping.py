from typing import Any

import pytest
from sqlalchemy import select

from alerting.alert import DECODER, Alert
from alerting.database.schema import BUNDLES, OUTBOX
from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.matching import parse_all
from alerting.queries import Filter, list_incidents, why
from alerting.routing.budget import Budget
from alerting.routing.grouping import Group, Grouping, due
from alerting.routing.route import Receiver, Route, Routes
from alerting.task import AlertTask
from alerting.telling.allowance import Bundle
from stream.finding import Finding
from stream.memory import MemoryLog
from tests.alerting.world import NOON, a_finding, findings_frame, put, tick

ON_CALL = Receiver("on-call", ("siem",), ("pd",))
BY_TENANT = Routes((ON_CALL,), Route("on-call", grouping=Grouping(("tenant",), wait=30.0, interval=300.0)))
PLENTY = Budget(pages=100, storm_pages=1000)


class Desk:
    """Alerting over a log and a store in memory."""

    def __init__(self, routes: Routes, budget: Budget = PLENTY, **more: Any) -> None:
        self.log, self.store = MemoryLog(), Store(MEMORY)
        self.task = AlertTask(self.log, self.store, Policies(budget=budget, **more), routes=routes)
        self.place = 0

    def at(self, clock: float, *findings: Finding) -> None:
        """What happens at a moment; without findings time passes."""
        put(self.log, findings_frame(findings, clock, self.place) if findings else tick(clock, self.place))
        self.place += 1
        while self.task.advance(wait=0):
            pass

    def pages(self, sink: str = "pd") -> list[Alert]:
        rows = select(OUTBOX.c.body).where(OUTBOX.c.sink == sink).order_by(OUTBOX.c.id)
        with self.store.reading() as connection:
            return [DECODER.decode(body) for body in connection.execute(rows).scalars()]


def brute(who: str, at: float = NOON, tenant: str = "acme", **more: Any) -> Finding:
    return a_finding(entity={"user": who}, at=at, tenant=tenant, **more)


def test_incidents_of_one_group_become_one_page_after_the_wait() -> None:
    desk = Desk(BY_TENANT)
    desk.at(NOON, brute("a"), brute("b"), brute("x", tenant="globex"))
    desk.at(NOON + 20, brute("c", at=NOON + 20))
    assert desk.pages() == []
    desk.at(NOON + 31)
    together, alone = sorted(desk.pages(), key=lambda page: page.change)
    assert (together.change, together.reason, together.page) == ("bundle", "grouped", True)
    assert (alone.change, alone.incident.tenant, len(alone.findings)) == ("opened", "globex", 1)
    for incident in list_incidents(desk.store, Filter()):
        (decision,) = why(desk.store, incident.id)["decisions"]
        assert (decision["reason"], decision["page_id"]) in (("grouped", together.id), ("grouped", alone.id))
        assert why(desk.store, incident.id)["pages"] == [decision["page_id"]]
    desk.store.close()


def test_what_comes_later_waits_for_the_interval_and_a_quiet_group_is_forgotten() -> None:
    desk = Desk(BY_TENANT)
    desk.at(NOON, brute("a"))
    desk.at(NOON + 30)
    desk.at(NOON + 60, brute("b", at=NOON + 60), brute("c", at=NOON + 60))
    desk.at(NOON + 320)
    assert len(desk.pages()) == 1
    desk.at(NOON + 331)
    assert [page.change for page in desk.pages()] == ["opened", "bundle"]
    desk.at(NOON + 700)
    with desk.store.reading() as connection:
        assert connection.execute(select(BUNDLES)).all() == []
    desk.store.close()


def test_data_that_reached_another_tenant_does_not_wait_for_the_interval() -> None:
    desk = Desk(BY_TENANT)
    desk.at(NOON, brute("a"))
    desk.at(NOON + 30)
    read = a_finding("cross_tenant_read", "critical", entity={"user": "z", "resource_tenants": "globex"}, at=NOON + 60)
    desk.at(NOON + 60, read)
    desk.at(NOON + 91)
    assert desk.pages()[-1].incident.classes == ("cross_tenant_read",)
    desk.store.close()


def test_a_group_that_the_budget_has_nothing_left_for_is_told_within_half_an_hour() -> None:
    desk = Desk(BY_TENANT, Budget(pages=1))
    desk.at(NOON, brute("a"))
    desk.at(NOON + 30)
    desk.at(NOON + 60, brute("b", at=NOON + 60))
    desk.at(NOON + 400)
    assert len(desk.pages()) == 1
    desk.at(NOON + 60 + 1740)
    assert len(desk.pages()) == 2
    desk.store.close()


@pytest.mark.parametrize("group", ["", "g"])
def test_what_was_removed_while_it_waited_holds_up_nothing(group: str) -> None:
    desk = Desk(BY_TENANT)
    with desk.store.unit() as unit:
        unit.allowance.hold(Bundle("on-call", group, "b", NOON, NOON + 60), "removed", NOON)
    desk.at(NOON + 61)
    assert desk.pages() == []
    with desk.store.reading() as connection:
        assert connection.execute(select(BUNDLES)).all() == []
    desk.store.close()


def test_the_end_of_a_replay_tells_what_groups_hold_back() -> None:
    desk = Desk(BY_TENANT)
    desk.at(NOON, brute("a"))
    desk.task.finish()
    assert len(desk.pages()) == 1
    desk.store.close()


def test_a_route_that_groups_leaves_the_others_as_they_are() -> None:
    root = Route("on-call", routes=(Route("on-call", match=parse_all(["tenant=acme"]), grouping=Grouping()),))
    desk = Desk(Routes((ON_CALL,), root))
    desk.at(NOON, brute("a"), brute("x", tenant="globex"))
    assert [page.incident.tenant for page in desk.pages()] == ["globex"]
    desk.store.close()


def test_groups_are_named_by_route_and_values() -> None:
    grouping = Grouping(("tenant", "server"))
    have = {"tenant": ("acme",), "server": ("b", "a"), "user": ("u",)}
    same = grouping.of("routes", {"tenant": ("acme",), "server": ("a", "b")})
    assert grouping.of("routes", have) == same
    assert grouping.of("routes[0]", have) != same
    assert grouping.of("routes", {"tenant": ("acme",)}) != grouping.of("routes", {"server": ("acme",)})


@pytest.mark.parametrize(
    ("waiting", "urgent", "when"), [(None, False, 30), (200, False, 200), (200, True, 30), (10, True, 10)]
)
def test_when_a_group_is_told(waiting: float | None, urgent: bool, when: float) -> None:
    assert due(Group("g", 30.0, 300.0), waiting, 0.0, urgent=urgent) == when
