"""No sequence of findings, acts and time loses an incident that somebody should be told of."""

from contextlib import closing
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerting.alert import DECODER, Alert
from alerting.fold import Folder
from alerting.policy import Policies
from alerting.record import Record, rank
from alerting.route import Receiver, Routes
from alerting.schema import HELD, OUTBOX, PAGES
from alerting.store import MEMORY, Store
from alerting.tell import Decided
from stream.control import IncidentChange
from stream.finding import Class, Finding, Severity, at_least
from tests.alerting.world import DAY, NOON, a_finding

POLICIES = Policies()
ROUTES = Routes((Receiver("on-call", sinks=("siem",), pagers=("pager",)),))

CLASSES: tuple[Class, ...] = ("brute", "success_after", "cross_tenant_read", "cross_tenant_leak")
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "critical")


def findings() -> st.SearchStrategy[Finding]:
    def made(class_: Class, severity: Severity, who: str, tenant: str, shadow: bool, level: int, age: float) -> Finding:
        entity = {"server": "billing"} if class_ == "cross_tenant_leak" else {"user": who}
        mode = "shadow" if shadow else "live"
        facts = {"server": ("billing",)}
        return a_finding(class_, severity, entity=entity, tenant=tenant, level=level, facts=facts, mode=mode, at=-age)

    return st.builds(
        made,
        st.sampled_from(CLASSES),
        st.sampled_from(SEVERITIES),
        st.sampled_from(["a", "a", "b"]),
        st.sampled_from(["acme", "acme", "globex"]),
        st.sampled_from([False, False, True]),
        st.integers(0, 20),
        st.sampled_from([0.0, 1.0, 600.0]),
    )


ACTS = st.tuples(st.sampled_from(["close", "resolve", "ack", "contain", "reopen"]), st.integers(0, 2))
TIMES = st.sampled_from([1.0, 60.0, 900.0, 1800.0, 6 * 3600.0, DAY])
STEPS = st.lists(st.one_of(st.lists(findings(), min_size=1, max_size=4), ACTS, TIMES), min_size=10, max_size=25)


def worthy(one: Decided) -> bool:
    live = one.finding.mode == "live" and at_least(one.finding.severity, "high")
    return live and one.decision.reason != "inhibited"


class World:
    """One run of alerting on a store in memory."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.folder = Folder(POLICIES, ROUTES, None)
        self.clock = NOON
        self.ids: list[str] = []
        self.decided: list[tuple[float, Decided]] = []
        self.ended: dict[str, float] = {}
        """When incidents ended that nobody has been told of since."""

    def step(self, step: Any) -> None:
        self.clock += 1
        with self.store.unit() as unit:
            if isinstance(step, float):
                # Ticks come each second; here only where something may be due.
                for moment in (self.clock + step / 2, self.clock + step):
                    self.folder.due(unit, moment)
                self.clock += step
            elif isinstance(step, tuple):
                name, number = step
                if number < len(self.ids):
                    act = IncidentChange(
                        incident=self.ids[number], act=name, by="eve", at=0.0, verdict="true", cause="a key"
                    )
                    if self.folder.act(unit, act, self.clock) is None:
                        if name in ("resolve", "close"):
                            self.ended.setdefault(self.ids[number], self.clock)
                        elif name == "reopen":
                            self.ended.pop(self.ids[number], None)
            else:
                self._find(unit, step)

    def _find(self, unit: Any, step: list[Finding]) -> None:
        moved = [
            msgspec.structs.replace(
                finding,
                id=f"{len(self.decided)}.{number}",
                start=self.clock + finding.time,
                end=self.clock,
                time=self.clock + finding.time,
            )
            for number, finding in enumerate(step)
        ]
        for one in self.folder.findings(unit, moved, self.clock, imported=False):
            self.decided.append((self.clock, one))
            ended = self.ended.get(one.decision.incident)
            if ended is not None and worthy(one) and one.finding.time > ended:
                assert one.page_id is not None, "a finding newer than the end pages"
            if one.page_id is not None:
                # Also what is worse than all that was told before opens an incident again.
                self.ended.pop(one.decision.incident, None)
            if one.decision.incident not in self.ids:
                self.ids.append(one.decision.incident)

    def record(self, id_: str) -> Record:
        with self.store.unit() as unit:
            record = unit.record(id_)
            assert record is not None
            return record


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STEPS)
def test_every_finding_that_should_wake_somebody_is_in_what_somebody_was_told(steps: list[Any]) -> None:
    with closing(Store(MEMORY)) as store:
        world = World(store)
        for step in steps:
            world.step(step)
            for at, (finding, decision, page_id) in world.decided:
                if at == world.clock:
                    if worthy(Decided(finding, decision, page_id)):
                        record = world.record(decision.incident)
                        assert record.told is not None
                        assert rank(record.told) >= rank(finding.severity)
                    else:
                        assert not decision.page
                    if decision.reason == "inhibited":
                        assert world.record(decision.detail).is_open
                    assert decision.page <= (page_id is not None)
                    assert (decision.reason == "over_budget") <= (page_id is not None)
        with store.unit() as unit:
            world.folder.due(unit, world.clock + 1800)
        with store.reading() as connection:
            alerts = [DECODER.decode(body) for (body,) in connection.execute(select(OUTBOX.c.body))]
            sent = {alert.id for alert in alerts}
            promised = {one.page_id for _, one in world.decided if one.page_id}
            # Every page and bundle that a decision promised was made, and nothing is held for ever.
            assert promised <= sent
            assert connection.execute(select(HELD.c.incident)).all() == []
            _pages_keep_to_the_budget(list(connection.execute(select(PAGES))))
        _revisions_are_whole(alerts)


def _pages_keep_to_the_budget(pages: list[Any]) -> None:
    for page in pages:
        before = [other for other in pages if other.id < page.id and other.at > page.at - POLICIES.budget.window]
        classes = set(page.classes.split(","))
        first = not classes <= {c for other in before if other.tenant == page.tenant for c in other.classes.split(",")}
        crossed = classes & {"cross_tenant_read", "cross_tenant_leak"}
        assert len(before) < POLICIES.budget.pages or first or crossed or page.alert.endswith(".bundle")


def _revisions_are_whole(alerts: list[Alert]) -> None:
    for changes in _by_incident(alerts).values():
        assert len({alert.id for alert in changes}) == len({alert.incident.revision for alert in changes})


def _by_incident(alerts: list[Alert]) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.incident.id, []).append(alert)
    return found


@settings(max_examples=10, deadline=None, derandomize=True)
@given(STEPS)
def test_the_same_steps_give_the_same_alerts(steps: list[Any]) -> None:
    def run() -> list[tuple[Any, ...]]:
        with closing(Store(MEMORY)) as store:
            world = World(store)
            for step in steps:
                world.step(step)
            with store.reading() as connection:
                return [tuple(row) for row in connection.execute(select(OUTBOX.c.sink, OUTBOX.c.body))]

    assert run() == run()
