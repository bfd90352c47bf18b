"""From a finding in the log to an alert in a sink."""

from sqlalchemy import select

from alerting.delivery import Delivery
from alerting.message import Messages
from alerting.policy import Policies
from alerting.route import Receiver, Routes
from alerting.runbook import Runbooks
from alerting.schema import DECISIONS
from alerting.store import Store
from alerting.task import AlertTask
from stream.sqlite import SqliteLog
from tests.alerting.world import NOON, RecordingSink, a_finding, findings_frame, put, tick

ROUTES = Routes((Receiver("on-call", sinks=("siem",), pagers=("pager",)),))


def a_task(log: SqliteLog, store: Store) -> AlertTask:
    return AlertTask(log, store, Policies(), routes=ROUTES, texts=Messages(Runbooks()))


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
    assert task.clock == NOON + 1
