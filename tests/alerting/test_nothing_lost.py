"""No sequence of findings, storms, acts, silences, grants, groups and time loses what somebody should be told of."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from alerting.alert import DECODER, Alert
from alerting.database.schema import DECISIONS, HELD, INCIDENTS, OUTBOX, PAGES
from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.fold import LOOK, Folder
from alerting.incidents.record import Record, rank
from alerting.matching import parse_all
from alerting.routing.grouping import Grouping
from alerting.routing.route import Receiver, Route, Routes
from alerting.telling.tell import Decided
from alerting.unit import RECORD_DECODER
from stream.control import DirectoryVersion, IncidentChange, Muted
from stream.directory import Directory, Grant
from stream.finding import Class, Finding, Mode, Severity, at_least
from tests.alerting.world import DAY, HOUR, NOON, a_finding

POLICIES = Policies()
ON_CALL = Receiver("on-call", sinks=("siem",), pagers=("pager",), escalate_to="lead")
LEAD = Receiver("lead", pagers=("lead",))
PLAIN = Routes((ON_CALL, LEAD))
GROUPED = Routes((ON_CALL, LEAD), Route("on-call", grouping=Grouping(("tenant",)), repeat=1800.0))
SPLIT = Routes(
    (ON_CALL, LEAD), Route("on-call", routes=(Route("lead", grouping=Grouping(), goes_on=True), Route("on-call")))
)
WATCHED = Routes(
    (ON_CALL, LEAD), Route("on-call", routes=(Route("on-call", match=parse_all(("tenant=globex",)), observe=True),))
)
"""What concerns one tenant is only observed."""

CLASSES: tuple[Class, ...] = ("brute", "success_after", "cross_tenant_read", "cross_tenant_leak", "audit_gap")
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "critical")
EXPLAINED = ("silenced", "excepted", "inhibited")


def findings() -> st.SearchStrategy[Finding]:
    def made(class_: Class, severity: Severity, who: str, tenant: str, mode: Mode, level: int, age: float) -> Finding:
        entity = {"server": "billing"} if class_ == "cross_tenant_leak" else {"user": who}
        if class_ == "cross_tenant_read":
            entity["resource_tenants"] = "globex"
        facts = {"server": ("billing",)}
        more: dict[str, Any] = {"matter": "silence"} if class_ == "audit_gap" else {}
        made = a_finding(class_, severity, entity=entity, tenant=tenant, level=level, facts=facts, mode=mode, at=-age)
        return msgspec.structs.replace(made, **more)

    return st.builds(
        made,
        st.sampled_from(CLASSES),
        st.sampled_from(SEVERITIES),
        st.sampled_from(["a", "a", "b"]),
        st.sampled_from(["acme", "acme", "globex"]),
        st.sampled_from(["live", "live", "observe", "shadow"]),
        st.integers(0, 20),
        st.sampled_from([0.0, 1.0, 600.0]),
    )


ACTS = st.tuples(st.sampled_from(["close", "resolve", "ack", "contain", "reopen"]), st.integers(0, 2))
TIMES = st.sampled_from([1.0, 60.0, 900.0, 1800.0, 6 * HOUR, DAY])
MUTES = st.tuples(
    st.sampled_from(["silence", "exception"]), st.sampled_from(["user=a", "tenant=acme", "class=brute"]), st.booleans()
)
FACTS = st.sampled_from(["grant", "end"])
STORMS = st.integers(6, 30)
"""So many accounts are tried within a second."""
STEPS = st.lists(
    st.one_of(
        st.lists(findings(), min_size=1, max_size=4),
        st.lists(findings(), min_size=1, max_size=4),
        ACTS,
        TIMES,
        MUTES,
        FACTS,
        STORMS,
        findings(),
    ),
    min_size=10,
    max_size=25,
)


class World:
    """One run of alerting on a store in memory."""

    def __init__(self, store: Store, routes: Routes, policies: Policies) -> None:
        self.store = store
        self.routes = routes
        self.policies = policies
        self.folder = Folder(policies, routes, None)
        self.clock = NOON
        self.ids: list[str] = []
        self.decided: list[tuple[float, Decided]] = []
        self.ended: dict[str, float] = {}
        """When incidents ended that nobody has been told of since."""
        self.muted: dict[str, Muted] = {}

    def worthy(self, one: Decided) -> bool:
        """Whether somebody is to be told of a finding, unless they were already."""
        finding, reason = one.finding, one.decision.reason
        live = finding.mode == "live" and not self.policies.observe and not self.routes.observes(finding, self.clock)
        return live and at_least(finding.severity, "high") and finding.over is None and reason not in EXPLAINED

    def step(self, step: Any) -> None:
        self.clock += 1
        with self.store.unit() as unit:
            if isinstance(step, float):
                # Ticks come each second; here only where something may be due.
                for moment in (self.clock + step / 2, self.clock + step):
                    self.folder.due(unit, moment)
                self.clock += step
            elif step == "grant":
                self._grant(unit)
            elif step == "end":
                self._find(
                    unit, [a_finding("audit_gap", "notice", entity={"user": "a"}, at=0.0, matter="silence")], end=True
                )
            elif isinstance(step, Finding):
                self._relapse(unit, step)
            elif isinstance(step, int):
                self._find(unit, [a_finding(entity={"user": f"u{number}"}, at=0.0) for number in range(step)])
            elif isinstance(step, tuple) and len(step) == 3:
                self._mute(unit, *step)
            elif isinstance(step, tuple):
                self._act(unit, *step)
            else:
                self._find(unit, step)

    def _act(self, unit: Any, name: str, number: int) -> None:
        if number >= len(self.ids):
            return
        id_ = self.ids[number]
        act = IncidentChange(incident=id_, act=name, by="eve", at=0.0, verdict="true", cause="a key")
        if self.folder.act(unit, act, self.clock) is None:
            if name in ("resolve", "close"):
                self.ended.setdefault(id_, self.clock)
            elif name == "reopen":
                self.ended.pop(id_, None)

    def _relapse(self, unit: Any, finding: Finding) -> None:
        """It is found, somebody says that it is over, and it is found again."""
        self._find(unit, [finding])
        for number in range(len(self.ids)):
            self._act(unit, "resolve", number)
        self.clock += 1
        self._find(unit, [msgspec.structs.replace(finding, time=0.0)])

    def _mute(self, unit: Any, kind: Any, where: str, forced: bool) -> None:
        muted = Muted(
            id=f"m{len(self.muted)}",
            kind=kind,
            where=(where,),
            start=self.clock,
            until=self.clock + HOUR,
            owner="ann",
            reason="known",
            by="ann",
            at=self.clock,
            forced=forced,
        )
        if self.folder.act(unit, muted, self.clock) is None:
            self.muted[muted.id] = muted

    def _grant(self, unit: Any) -> None:
        """Somebody files the ticket for what user a did in the last hour."""
        start, until = (datetime.fromtimestamp(self.clock + shift, UTC) for shift in (-HOUR, 600.0))
        grant = Grant(tenant="globex", user="a", from_=start, until=until, ticket="T-1")
        version = DirectoryVersion(Directory(grants=(grant,)), f"d{self.clock}")
        self.folder.directory(unit, version, self.clock)

    def _find(self, unit: Any, step: list[Finding], *, end: bool = False) -> None:
        moved = [
            msgspec.structs.replace(
                finding,
                id=f"{len(self.decided)}.{number}",
                start=self.clock + finding.time,
                end=self.clock,
                time=self.clock + finding.time,
                over=self.clock if end else None,
            )
            for number, finding in enumerate(step)
        ]
        for one in self.folder.findings(unit, moved, self.clock, imported=False):
            self.decided.append((self.clock, one))
            ended = self.ended.get(one.decision.incident)
            if ended is not None and self.worthy(one) and one.finding.time > ended:
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

    def pass_by(self) -> None:
        """Let all that waits come due."""
        for _ in range(4):
            self.clock += 1800.0
            with self.store.unit() as unit:
                self.folder.due(unit, self.clock)

    def check(self) -> None:
        """What was decided in the last step: somebody is told of it, or a reason says why nobody is."""
        for at, (finding, decision, page_id) in self.decided:
            if at != self.clock or finding.over is not None:
                continue
            if self.worthy(Decided(finding, decision, page_id)):
                record = self.record(decision.incident)
                assert record.told is not None
                assert rank(record.told) >= rank(finding.severity)
            else:
                assert not decision.page
            if decision.reason == "inhibited":
                assert self.record(decision.detail).is_open
            elif decision.reason in EXPLAINED:
                self._explained(finding, decision.detail)
            assert decision.page <= (page_id is not None)
            assert (decision.reason in ("over_budget", "grouped")) <= (page_id is not None)

    def _explained(self, finding: Finding, detail: str) -> None:
        if (muted := self.muted.get(detail)) is None:
            assert detail.startswith("grant T-1")
            assert (finding.class_, finding.entity["user"]) == ("cross_tenant_read", "a")
            return
        assert muted.start <= self.clock < muted.until
        assert muted.forced or finding.class_ not in ("cross_tenant_read", "cross_tenant_leak", "success_after")


def run(
    steps: list[Any],
    routes: Routes,
    look: Callable[[World], None] = lambda _: None,
    policies: Policies = POLICIES,
) -> list[tuple[Any, ...]]:
    with closing(Store(MEMORY)) as store:
        world = World(store, routes, policies)
        for step in steps:
            world.step(step)
            world.check()
        world.pass_by()
        look(world)
        with store.reading() as connection:
            return [tuple(row) for row in connection.execute(select(OUTBOX.c.sink, OUTBOX.c.body))]


def nothing_is_lost(world: World) -> None:
    with world.store.reading() as connection:
        rows = connection.execute(select(OUTBOX.c.sink, OUTBOX.c.body)).tuples()
        outbox = [(sink, DECODER.decode(body)) for sink, body in rows]
        alerts = [alert for _, alert in outbox]
        sent = {alert.id for alert in alerts}
        woke = {alert.id for sink, alert in outbox if alert.page and sink in ("pager", "lead")}
        promised = {one.page_id for _, one in world.decided if one.page_id}
        # Every page and bundle that a decision promised was made, and nothing is held for ever.
        assert promised <= sent
        # What woke somebody by itself reached a pager; a bundle may find that all in it has ended meanwhile.
        assert {id_ for id_ in promised if not id_.endswith((".bundle", ".group"))} <= woke
        assert connection.execute(select(HELD.c.incident)).all() == []
        # Each decision can be asked for, and so can each page that was told again.
        stored = set(connection.execute(select(DECISIONS.c.finding)).scalars())
        assert {one.finding.id for _, one in world.decided} <= stored
        again = connection.execute(select(DECISIONS.c.page_id).where(DECISIONS.c.finding == "")).scalars()
        assert set(again) <= sent
        _pages_keep_to_the_budget(list(connection.execute(select(PAGES))))
        records = [RECORD_DECODER.decode(body) for body in connection.execute(select(INCIDENTS.c.body)).scalars()]
    _revisions_are_whole(alerts)
    for record in records:
        if record.status == "open":
            # Whoever was woken of what nobody acknowledged is told again: their clock has not stopped.
            assert all(at > world.clock - LOOK for at in record.remind.values())
            assert record.remind or not record.paged or at_least("medium", record.severity)


@settings(max_examples=40, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(STEPS, st.sampled_from([PLAIN, GROUPED, SPLIT, WATCHED]))
def test_whoever_should_be_woken_is_or_a_reason_says_why_not(steps: list[Any], routes: Routes) -> None:
    run(steps, routes, nothing_is_lost)


def nobody_is_woken(world: World) -> None:
    with world.store.reading() as connection:
        bodies = connection.execute(select(OUTBOX.c.body)).scalars().all()
        assert not any(DECODER.decode(body).page for body in bodies)
        assert connection.execute(select(PAGES.c.id)).all() == []
        stored = set(connection.execute(select(DECISIONS.c.finding)).scalars())
    assert {one.finding.id for _, one in world.decided} <= stored
    reasons = {one.decision.reason for _, one in world.decided if at_least(one.finding.severity, "high")}
    assert not reasons & {"new", "escalated", "reopened", "over_budget", "grouped"}


@settings(max_examples=8, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(STEPS, st.sampled_from([PLAIN, GROUPED, SPLIT, WATCHED]))
def test_where_all_is_only_observed_everything_is_decided_and_nobody_is_woken(steps: list[Any], routes: Routes) -> None:
    run(steps, routes, nobody_is_woken, Policies(observe=True))


def _pages_keep_to_the_budget(pages: list[Any]) -> None:
    pages = [page for page in pages if page.classes and page.receiver == "on-call"]
    for page in pages:
        before = [other for other in pages if other.id < page.id and other.at > page.at - POLICIES.budget.window]
        classes = set(page.classes.split(","))
        first = not classes <= {c for other in before if other.tenant == page.tenant for c in other.classes.split(",")}
        crossed = classes & {"cross_tenant_read", "cross_tenant_leak"}
        waited = page.alert.endswith((".bundle", ".group"))
        assert len(before) < POLICIES.budget.pages or first or crossed or waited


def _revisions_are_whole(alerts: list[Alert]) -> None:
    for changes in _by_incident(alerts).values():
        assert len({alert.id for alert in changes}) == len({alert.incident.revision for alert in changes})


def _by_incident(alerts: list[Alert]) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = {}
    for alert in alerts:
        found.setdefault(alert.incident.id, []).append(alert)
    return found


@settings(max_examples=4, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(STEPS, st.sampled_from([PLAIN, GROUPED]))
def test_the_same_steps_give_the_same_alerts(steps: list[Any], routes: Routes) -> None:
    assert run(steps, routes) == run(steps, routes)
