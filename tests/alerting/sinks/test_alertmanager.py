"""The Alertmanager sink against the small one: identity, severity, ends, and what a restart there forgets."""

from collections.abc import Iterator

import msgspec
import pytest

from alerting.alert import Alert
from alerting.database.store import Store
from alerting.delivering.delivery import Delivery
from alerting.incidents.family import Subject
from alerting.incidents.record import Record
from alerting.sink import Renewing
from alerting.sinks.alertmanager import TOGETHER, Alertmanager, AlertmanagerOptions
from tests.alerting.delivering.test_delivery import Clock, fill
from tests.alerting.sinks.place import make
from tests.alerting.sinks.samples import NOON, an_alert, an_incident
from tests.services.alertmanager import SmallAlertmanager, moment
from tests.services.front import Front, unavailable

HOLD = 3600.0


@pytest.fixture
def service() -> SmallAlertmanager:
    return SmallAlertmanager()


@pytest.fixture
def front(service: SmallAlertmanager) -> Iterator[Front]:
    with Front(service) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def manager(front: Front, clock: Clock) -> Iterator[Alertmanager]:
    made = Alertmanager(AlertmanagerOptions(front.url, labels={"site": "eu"}), clock=clock)
    yield made
    made.close()


def changed(change: str, revision: int, **about: object) -> Alert:
    incident = an_incident("i-1", revision=revision, updated=NOON + revision, **about)
    return an_alert(1, change, revision, incident=incident)  # type: ignore[arg-type]  # the literals stand in the tests


def a_record(identity: str) -> Record:
    about = Subject("source_ip", "203.0.113.9")
    return Record(
        id=identity, tenant="acme", family="auth", about=about, day="2026-11-21", opened=NOON, updated=NOON, active=NOON
    )


def deliver(manager: Alertmanager, *alerts: Alert) -> list[str]:
    return [result.outcome for result in manager.deliver(alerts, frozenset())]


def test_an_incident_is_one_alert_for_its_whole_life(manager: Alertmanager, service: SmallAlertmanager) -> None:
    deliver(manager, changed("opened", 1), changed("acknowledged", 2, status="acknowledged"))
    (alert,) = service.active(NOON + 3)
    assert alert["labels"] == {
        "alertname": "tocsin_auth",
        "incident": "i-1",
        "opening": "1",
        "severity": "high",
        "tenant": "acme",
        "site": "eu",
    }
    assert alert["annotations"]["status"] == "acknowledged"
    assert moment(alert["startsAt"]) == NOON
    assert moment(alert["endsAt"]) == NOON + HOLD
    deliver(manager, changed("resolved", 3, status="resolved"))
    assert service.active(NOON + 4) == []


def test_a_rise_in_severity_ends_the_lower_one(manager: Alertmanager, service: SmallAlertmanager) -> None:
    deliver(manager, changed("opened", 1, severity="medium"), changed("escalated", 2, severity="critical"))
    assert [alert["labels"]["severity"] for alert in service.active(NOON + 3)] == ["critical"]
    deliver(manager, changed("closed", 3, severity="critical", status="closed"))
    assert service.active(NOON + 4) == []


def test_a_new_opening_is_a_new_alert(manager: Alertmanager, service: SmallAlertmanager) -> None:
    deliver(manager, changed("closed", 1, status="closed"), changed("reopened", 2, opening=2))
    assert [alert["labels"]["opening"] for alert in service.active(NOON + 3)] == ["2"]


def test_what_is_about_several_incidents_is_not_one_of_them(manager: Alertmanager, service: SmallAlertmanager) -> None:
    assert deliver(manager, an_alert(1, "digest"), an_alert(2, "bundle")) == ["done", "done"]
    assert service.alerts == {}


def test_what_stands_is_said_again_before_it_runs_out_and_after_a_restart_there(
    manager: Alertmanager, service: SmallAlertmanager, front: Front, clock: Clock, store: Store
) -> None:
    with store.unit() as unit:
        for number in (1, 2):
            unit.put(a_record(f"{number:032x}"))
    fill(store, an_alert(1, incident=an_incident(f"{1:032x}")), an_alert(2, incident=an_incident(f"{2:032x}")))
    delivery = Delivery(store, "siem", manager, clock=clock)
    while delivery.step() == 0:
        pass
    for _ in range(65):
        clock.now += 60
        delivery.step()
    assert len(service.active(clock.now)) == 2, "an hour's hold has been over for five minutes"
    service.restart()
    front.always = unavailable()
    clock.now += 60
    delivery.step()
    front.always = None
    clock.now += 60
    delivery.step()
    assert len(service.active(clock.now)) == 2
    before = len(front.requests)
    delivery.step()
    assert len(front.requests) == before, "once a minute is enough"


def test_many_are_said_again_in_few_requests(manager: Alertmanager, service: SmallAlertmanager, front: Front) -> None:
    assert isinstance(manager, Renewing)
    over = changed("closed", 3, status="closed")
    assert manager.renew([over, *(an_alert(number) for number in range(TOGETHER + 1))]).outcome == "done"
    assert len(front.requests) == 2
    assert len(service.active(NOON)) == TOGETHER + 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"url": "alertmanager:9093"}, "https://"),
        ({"token": "x"}, "only sent to an https://"),
        ({"url": "https://a.example", "username": "u"}, "together"),
        ({"labels": {"severity": "page"}}, "label"),
        ({"labels": {"a-b": "c"}}, "label"),
        ({"hold_minutes": 1}, "3 or more"),
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, object], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        make("alertmanager", {"url": "http://127.0.0.1:9093"} | changes)
