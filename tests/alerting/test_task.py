"""From findings and acts in the log to incidents, decisions and the outbox, exactly once."""

from contextlib import closing

import msgspec
import pytest
from sqlalchemy import func, select

from alerting.alert import DECODER, Alert
from alerting.database.schema import DECISIONS, FINDINGS, MATCHERS, OUTBOX, POSITIONS
from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.delivering.delivery import Delivery
from alerting.incidents.record import Record
from alerting.queries import Filter, find, list_incidents, show, why
from alerting.routing.route import Receiver, Routes
from alerting.runbook import Runbooks
from alerting.task import AlertTask, act_frame
from alerting.wording.message import Messages
from stream.control import ENCODER as CONTROL_ENCODER
from stream.control import Act, DirectoryVersion, IncidentChange
from stream.directory import EMPTY
from stream.errors import DamagedError
from stream.finding import Finding, Severity
from stream.frame import Frame, Header, pack
from stream.log import FINDINGS as STREAM
from stream.sqlite import SqliteLog
from tests.alerting.world import DAY, HOUR, NOON, RecordingSink, a_finding, findings_frame, put, tick

ROUTES = Routes((Receiver("on-call", sinks=("siem",), pagers=("pager",)),))
RUNBOOKS = Runbooks()


def a_task(log: SqliteLog, store: Store, policies: Policies | None = None) -> AlertTask:
    return AlertTask(log, store, policies or Policies(), routes=ROUTES, texts=Messages(RUNBOOKS))


def sent(store: Store, sink: str = "pager") -> list[Alert]:
    with store.reading() as connection:
        rows = connection.execute(select(OUTBOX.c.body).where(OUTBOX.c.sink == sink).order_by(OUTBOX.c.id))
        return [DECODER.decode(body) for (body,) in rows]


def told(store: Store, sink: str = "pager") -> list[tuple[str, str, bool]]:
    return [(alert.change, alert.reason, alert.page) for alert in sent(store, sink)]


def the_incident(store: Store) -> Record:
    (incident,) = list_incidents(store, Filter(state="all"))
    return find(store, incident.id)


def act(incident: str, name: str, verdict: str | None = None) -> IncidentChange:
    cause = "a leaked key" if verdict == "true" else None
    return IncidentChange(incident=incident, act=name, by="eve", at=NOON, verdict=verdict, cause=cause)


def test_a_finding_becomes_an_incident_and_reaches_siem_and_pager(log: SqliteLog, store: Store) -> None:
    task, siem, pager = a_task(log, store), RecordingSink(), RecordingSink()
    put(log, findings_frame([a_finding()], NOON, 0), tick(NOON + 1, 1))
    assert task.advance(wait=0) == 2
    for name, sink in (("siem", siem), ("pager", pager)):
        Delivery(store, name, sink, clock=lambda: NOON + 2).step()
    assert [alert.id for alert in siem.delivered] == [alert.id for alert in pager.delivered]
    (alert,) = pager.delivered
    assert (alert.change, alert.reason, alert.page) == ("opened", "new", True)
    assert alert.incident.findings == 1
    assert "41 failures in 60 s" in alert.text
    with store.reading() as connection:
        assert connection.execute(select(DECISIONS.c.reason, DECISIONS.c.page)).all() == [("new", True)]
        position = connection.execute(select(POSITIONS.c.position, POSITIONS.c.clock)).one()
    assert tuple(position) == (task.position, task.clock) == (2, NOON + 1)


def test_findings_of_one_frame_make_one_change_of_their_incident(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, findings_frame([a_finding(level=level) for level in range(3)], NOON, 0))
    task.advance(wait=0)
    record = the_incident(store)
    assert (record.findings, record.events, record.revision) == (3, 123, 1)
    (alert,) = sent(store)
    assert len(alert.findings) == 3


def test_an_output_that_was_already_folded_changes_nothing(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, findings_frame([a_finding()], NOON, 7))
    task.advance(wait=0)
    before = show(store, the_incident(store).id, RUNBOOKS)
    # A doubled worker repeats what it said, and says something older that nobody needs any more.
    put(log, findings_frame([a_finding()], NOON, 7), findings_frame([a_finding("volume_burst")], NOON, 6))
    task.advance(wait=0)
    a_task(log, store).advance(wait=0)
    assert show(store, the_incident(store).id, RUNBOOKS) == before
    put(log, findings_frame([a_finding("volume_burst")], NOON, 6, task="another"))
    task.advance(wait=0)
    assert len(list_incidents(store, Filter())) == 2


def test_a_finding_that_is_a_member_already_is_only_recorded(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, findings_frame([a_finding()], NOON, 0), findings_frame([a_finding(), a_finding(level=1)], NOON, 1))
    task.advance(wait=0)
    assert the_incident(store).findings == 2
    assert [decision["reason"] for decision in why(store, the_incident(store).id)["decisions"]] == [
        "new",
        "repeated",
        "joined",
    ]


def test_a_pager_hears_of_pages_and_of_what_became_of_them(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(
        log,
        findings_frame([a_finding(severity="medium")], NOON, 0),
        findings_frame([a_finding(severity="high", level=1)], NOON + 1, 1),
        findings_frame([a_finding(severity="high", level=2)], NOON + 2, 2),
        findings_frame([a_finding("success_after", "critical")], NOON + 3, 3),
    )
    task.advance(wait=0)
    id_ = the_incident(store).id
    for name in ("ack", "resolve"):
        put(log, act_frame(act(id_, name), NOON + 10))
    put(log, act_frame(act(id_, "close", "true"), NOON + 11))
    task.advance(wait=0)
    assert told(store) == [
        ("escalated", "escalated", True),
        ("escalated", "escalated", True),
        ("acknowledged", "acknowledged", False),
        ("resolved", "resolved", False),
    ]
    assert len(told(store, "siem")) == 7
    record = the_incident(store)
    assert (record.status, record.verdict, record.acknowledged_by, record.ended) == ("closed", "true", "eve", NOON + 10)


def test_a_finding_after_the_close_opens_the_incident_again_and_pages(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, findings_frame([a_finding()], NOON, 0))
    task.advance(wait=0)
    record = the_incident(store)
    put(log, act_frame(act(record.id, "close", "benign"), NOON + 60))
    put(log, findings_frame([a_finding(at=NOON + 120)], NOON + 121, 1))
    task.advance(wait=0)
    keys = [(alert.change, alert.incident.dedup_key) for alert in sent(store)]
    assert keys == [
        ("opened", f"tocsin:{record.id}:1"),
        ("closed", f"tocsin:{record.id}:1"),
        ("reopened", f"tocsin:{record.id}:2"),
    ]


SEVERITIES: tuple[Severity, ...] = ("medium", "high")
"""Of what lies on a branch of another tenant, the object and the branch are told."""


def test_a_project_that_moved_pages_once_and_who_is_given_something_else_pages_for_himself(
    log: SqliteLog, store: Store
) -> None:
    task = a_task(log, store)
    places = iter(range(99))

    def given(user: str, target: str, at: float) -> None:
        entity = {"user": user, "server": "notes", "resource_tenants": "globex"}
        facts = {"target": (target,)}
        both = [
            a_finding("cross_tenant_read", severity, entity=entity, at=at, facts=facts, level=level)
            for level, severity in enumerate(SEVERITIES)
        ]
        put(log, findings_frame(both, at, next(places)))
        while task.advance(wait=0):
            pass

    def pages() -> list[str]:
        return [change for change, _, page in told(store) if page and change != "late"]

    for day in range(3):
        for number in range(5):
            given(f"u{day}-{number}", "doc://globex/plan", NOON + day * DAY + number * 60)
    assert pages() == ["opened"]
    assert len(list_incidents(store, Filter())) == 3
    given("u2-1", "doc://globex/budget", NOON + 2 * DAY + HOUR)
    assert pages() == ["opened"]
    given("mallory", "doc://globex/salaries", NOON + 2 * DAY + 2 * HOUR)
    assert pages() == ["opened", "escalated"]


def test_the_next_days_incident_is_linked_and_pages_only_when_worse(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(
        log,
        findings_frame([a_finding()], NOON, 0),
        findings_frame([a_finding(at=NOON + DAY)], NOON + DAY, 1),
        findings_frame([a_finding("spray", at=NOON + DAY, level=1)], NOON + DAY + 1, 2),
    )
    task.advance(wait=0)
    assert told(store) == [("opened", "new", True)]
    today, yesterday = list_incidents(store, Filter())
    (link,) = show(store, today.id, RUNBOOKS)["links"]
    assert (link["incident"], link["why"]) == (yesterday.id, "the same matter on the day before (2024-10-04)")
    put(log, findings_frame([a_finding("success_after", "critical", at=NOON + DAY)], NOON + DAY + 2, 3))
    task.advance(wait=0)
    assert told(store)[-1] == ("escalated", "escalated", True)


def test_when_yesterdays_incident_ends_todays_speaks_for_itself(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(
        log,
        findings_frame([a_finding()], NOON, 0),
        findings_frame([a_finding(at=NOON + DAY)], NOON + DAY, 1),
    )
    task.advance(wait=0)
    yesterday = list_incidents(store, Filter())[1]
    put(log, act_frame(act(yesterday.id, "close", "true"), NOON + DAY + 60))
    put(log, findings_frame([a_finding(at=NOON + DAY + 120)], NOON + DAY + 121, 2))
    task.advance(wait=0)
    assert told(store) == [
        ("opened", "new", True),
        ("closed", "closed", False),
        ("escalated", "escalated", True),
    ]


def a_read(number: int) -> Finding:
    return a_finding(
        "cross_tenant_read",
        "critical",
        entity={"user": f"u{number}", "resource_tenants": "globex"},
        tenant=f"t{number}",
        facts={"server": ("billing",)},
    )


LEAK = a_finding("cross_tenant_leak", "critical", entity={"server": "billing"}, tenant=None)


def test_a_leak_to_a_thousand_callers_is_two_pages(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, findings_frame([a_read(0)], NOON, 0))
    # The engine says what the second caller read before it says that the server leaks.
    put(log, findings_frame([a_read(1), LEAK], NOON + 1, 1))
    for part in range(10):
        reads = [a_read(number) for number in range(2 + part * 100, 102 + part * 100)]
        put(log, findings_frame(reads, NOON + 2 + part, 2 + part))
    task.advance(wait=0)
    assert [alert.incident.classes for alert in sent(store) if alert.page] == [
        ("cross_tenant_read",),
        ("cross_tenant_leak",),
    ]
    assert len(list_incidents(store, Filter())) == 2
    leak = next(one for one in list_incidents(store, Filter()) if one.entity == {"server": "billing"})
    assert leak.findings == 1002
    assert show(store, leak.id, RUNBOOKS)["findings"][-1]["evidence_only"]


def test_an_act_on_an_incident_that_is_not_there_is_told_to_the_observer(log: SqliteLog, store: Store) -> None:
    heard: list[str] = []

    class Hearing:
        def decided(self, *_: object) -> None: ...
        def attempted(self, *_: object) -> None: ...
        def rejected(self, act: Act, why: str) -> None:
            assert isinstance(act, IncidentChange)
            heard.append(f"{act.incident}: {why}")

    task = AlertTask(log, store, Policies(), routes=ROUTES, observer=Hearing())
    put(log, act_frame(act("nothing", "ack"), NOON))
    put(log, pack(Header(received=NOON, content="control"), CONTROL_ENCODER.encode(DirectoryVersion(EMPTY, "d"))))
    assert task.advance(wait=0) == 2
    assert heard == ["nothing: there is no such incident"]


def users(count: int, at: float, offset: int) -> list[Frame]:
    return [
        findings_frame([a_finding(entity={"user": f"u{number}"}, at=at)], at + number, offset + number)
        for number in range(count)
    ]


def test_what_the_budget_holds_back_is_bundled_within_half_an_hour(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, *users(5, NOON, 0))
    task.advance(wait=0)
    assert told(store) == [("opened", "new", True)] * 2
    assert [reason for _, reason, _ in told(store, "siem")] == ["new", "new", *["over_budget"] * 3]
    put(log, tick(NOON + 1700, 5))
    task.advance(wait=0)
    assert len(told(store)) == 2
    put(log, tick(NOON + 1790, 6), tick(NOON + 3600, 7))
    task.advance(wait=0)
    bundle = sent(store)[2]
    assert (bundle.change, bundle.page, len(sent(store))) == ("bundle", True, 3)
    assert all(f"user u{number}" in bundle.text for number in (2, 3, 4))
    assert bundle.time - (NOON + 2) <= 1800
    held = next(one for one in list_incidents(store, Filter()) if one.entity == {"user": "u4"})
    answer = why(store, held.id)
    assert (answer["decisions"][0]["page_id"], answer["pages"]) == (bundle.id, [bundle.id])


def test_a_bundle_wakes_nobody_when_all_in_it_has_ended(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, *users(3, NOON, 0))
    task.advance(wait=0)
    held = next(one for one in list_incidents(store, Filter()) if one.entity == {"user": "u2"})
    put(log, act_frame(act(held.id, "close", "benign"), NOON + 60), tick(NOON + 1800, 3))
    task.advance(wait=0)
    assert told(store) == [("opened", "new", True)] * 2
    assert told(store, "siem")[-1] == ("bundle", "over_budget", False)


def test_what_gets_worse_while_held_is_paged_at_once_and_not_again(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, *users(3, NOON, 0))
    worse = a_finding("success_after", "critical", entity={"user": "u2"})
    put(log, findings_frame([worse], NOON + 60, 3), tick(NOON + 3600, 4))
    task.advance(wait=0)
    assert told(store)[2:] == [("escalated", "escalated", True)]


def test_the_end_of_a_replay_tells_what_is_held(log: SqliteLog) -> None:
    with closing(Store(MEMORY)) as store:
        task = a_task(log, store)
        put(log, *users(3, NOON, 0))
        task.advance(wait=0)
        task.finish()
        task.finish()
        assert [change for change, _, _ in told(store)] == ["opened", "opened", "bundle"]


def test_history_is_observed_and_pages_nobody(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, findings_frame([a_finding()], NOON, 0, imported=True))
    task.advance(wait=0)
    assert told(store) == []
    assert told(store, "siem") == [("opened", "observed_only", False)]
    put(log, findings_frame([a_finding(level=1)], NOON + 1, 1))
    task.advance(wait=0)
    assert told(store) == [("escalated", "escalated", True)]


def test_the_clock_never_goes_back(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, tick(NOON + 60, 0), findings_frame([a_finding()], NOON, 1))
    task.advance(wait=0)
    assert the_incident(store).opened == NOON + 60
    assert a_task(log, store).clock == NOON + 60


def test_a_frame_that_cannot_be_read_says_where_and_changes_nothing(log: SqliteLog, store: Store) -> None:
    task = a_task(log, store)
    put(log, findings_frame([a_finding()], NOON, 0), pack(Header(received=NOON, content="findings"), b'{"id":1}'))
    with pytest.raises(DamagedError, match="findings/0 at 1"):
        task.advance(wait=0)
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(FINDINGS)).scalar_one() == 0
    assert task.position == 0
    assert task.advance(wait=0, limit=1) == 1


def test_a_restart_goes_on_where_the_last_transaction_ended(log: SqliteLog, store: Store) -> None:
    put(log, findings_frame([a_finding()], NOON, 0))
    a_task(log, store).advance(wait=0)
    put(log, findings_frame([a_finding(level=1)], NOON + 1, 1))
    second = a_task(log, store)
    assert (second.position, second.advance(wait=0)) == (1, 1)
    assert the_incident(store).findings == 2
    assert log.end(STREAM) == 2


def test_matchers_in_the_database_silence(log: SqliteLog, store: Store) -> None:
    with store.unit() as unit:
        where = msgspec.json.encode(["class=brute"]).decode()
        row = {
            "id": "s1",
            "kind": "silence",
            "where": where,
            "start": NOON,
            "until": NOON + 9,
            "owner": "o",
            "reason": "r",
            "by": "o",
            "at": NOON,
        }
        unit.connection.execute(MATCHERS.insert(), {**row, "forced": False})
    task = a_task(log, store)
    put(log, findings_frame([a_finding()], NOON, 0), findings_frame([a_finding(level=1)], NOON + 10, 1))
    task.advance(wait=0)
    decisions = why(store, the_incident(store).id)["decisions"]
    assert [(one["reason"], one["detail"]) for one in decisions] == [("silenced", "s1"), ("escalated", "")]
