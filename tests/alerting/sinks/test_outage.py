"""An hour without the services: everything arrives once, in order, and the pager is not stormed.

The store, the deliveries and the sinks are the real ones, the services small ones over HTTPS; the hour is the clock's.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from alerting.alert import Alert
from alerting.database.store import Store
from alerting.delivering.delivery import Delivery
from tests.alerting.delivering.test_delivery import Clock, fill
from tests.alerting.sinks.place import make
from tests.alerting.sinks.place_pagerduty import ROUTING_KEY
from tests.alerting.sinks.place_webhook import HEADERS, SECRET
from tests.alerting.sinks.samples import NOON, a_finding, an_alert, an_incident
from tests.services.certificates import Certificates, loopback_certificates
from tests.services.front import LOST_ANSWER, RESET, Front, unavailable
from tests.services.pagerduty import SmallPagerDuty
from tests.services.webhook import SmallReceiver

MINUTE = 60.0


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return loopback_certificates(tmp_path)


@pytest.fixture
def hook(certificates: Certificates) -> Iterator[tuple[Front, SmallReceiver]]:
    service = SmallReceiver(SECRET, HEADERS)
    with Front(service, certificates.server) as front:
        yield front, service


@pytest.fixture
def pager(certificates: Certificates) -> Iterator[tuple[Front, SmallPagerDuty]]:
    service = SmallPagerDuty(ROUTING_KEY)
    with Front(service, certificates.server) as front:
        yield front, service


def life(number: int, began: float) -> list[Alert]:
    """What happens of one incident in a quarter of an hour."""
    identity = f"i-{number}"

    def changed(change: str, revision: int, at: float, *, status: str = "open", page: bool = False) -> Alert:
        incident = an_incident(identity, revision=revision, status=status, updated=at)
        findings = (a_finding(f"f-{number}-{revision}"),) if revision < 3 else ()
        return an_alert(
            number,
            change,  # type: ignore[arg-type]  # the literals stand below
            revision,
            id=f"{identity}:{revision}",
            time=at,
            page=page,
            incident=incident,
            findings=findings,
        )

    told = [changed("opened", 1, began, page=True), changed("escalated", 2, began + 3 * MINUTE, page=True)]
    if number % 3 == 0:
        return told  # nobody knows of it yet
    return [
        *told,
        changed("acknowledged", 3, began + 5 * MINUTE, status="acknowledged"),
        changed("resolved", 4, began + 15 * MINUTE, status="resolved"),
    ]


def pass_time(clock: Clock, deliveries: Sequence[Delivery], minutes: int) -> None:
    """Let the deliveries work for some minutes, each as often as it wants to within them."""
    until = clock.now + minutes * MINUTE
    while clock.now < until:
        waits = []
        for delivery in deliveries:
            while (wait := delivery.step()) == 0:
                pass
            waits.append(wait)
        clock.now += max(15.0, min(waits))


def test_after_an_hour_everything_arrives_once_in_order_and_one_page_tells_of_the_old_ones(
    store: Store,
    certificates: Certificates,
    hook: tuple[Front, SmallReceiver],
    pager: tuple[Front, SmallPagerDuty],
) -> None:
    clock = Clock(NOON)
    authority = str(certificates.authority)
    webhook = make("webhook", {"url": hook[0].url, "ca": authority, "secret": SECRET, "headers": HEADERS})
    paging = make("pagerduty", {"routing_key": ROUTING_KEY, "url": pager[0].url, "ca": authority})
    siem = Delivery(store, "siem", webhook, clock=clock, jitter=lambda: 0.5)
    oncall = Delivery(store, "oncall", paging, pager=True, clock=clock, jitter=lambda: 0.5)
    hook[0].always = pager[0].always = unavailable(503)
    happened = [alert for number in range(12) for alert in life(number, NOON + number * 4 * MINUTE)]
    happened.sort(key=lambda alert: alert.time)
    for minute in range(65):
        now = NOON + minute * MINUTE
        fill(store, *(alert for alert in happened if now <= alert.time < now + MINUTE), sinks=("siem", "oncall"))
        pass_time(clock, (siem, oncall), 1)
    assert hook[1].bodies == []
    assert pager[1].received == []
    assert len(hook[0].requests) < 200, "a service that is down is asked now and then"
    hook[0].always = pager[0].always = None
    hook[0].faults.extend([RESET, LOST_ANSWER, unavailable(502)])
    pass_time(clock, (siem, oncall), 20)

    arrived = [body["id"] for body in hook[1].bodies]
    assert sorted(arrived) == sorted(alert.id for alert in happened)
    for number in range(12):
        mine = [identity for identity in arrived if identity.startswith(f"i-{number}:")]
        assert mine == [f"i-{number}:{revision}" for revision in range(1, len(mine) + 1)]

    digests = [event for event in pager[1].received if change_of(event) == "digest"]
    assert len(digests) == 1
    assert "could not be delivered until now" in digests[0]["payload"]["custom_details"]["report"][0]
    over = {f"tocsin:i-{number}:1" for number in range(12) if number % 3}
    assert all(page.status == "resolved" for page in pager[1].incidents if page.key in over)
    standing = {page.key for page in pager[1].incidents if page.status == "triggered"}
    told = "\n".join(digests[0]["payload"]["custom_details"]["report"])
    for number in range(0, 12, 3):
        assert f"tocsin:i-{number}:1" in standing or f"(i-{number})" in told
    assert len(pager[1].received) < len(happened)
    webhook.close()
    paging.close()


def change_of(event: dict[str, Any]) -> str:
    """Which change an event of the pager tells of; nothing where it triggers none."""
    return str(event["payload"]["custom_details"]["change"]) if event["event_action"] == "trigger" else ""
