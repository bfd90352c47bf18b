"""The small PagerDuty behaves as the API is documented; without this a test against it proves nothing."""

from typing import Any

import msgspec
import pytest

from tests.services.front import Request
from tests.services.pagerduty import SmallPagerDuty

KEY = "R" * 32
PAYLOAD = {"summary": "s", "source": "h", "severity": "error"}


@pytest.fixture
def service() -> SmallPagerDuty:
    return SmallPagerDuty(KEY)


def send(service: SmallPagerDuty, **event: Any) -> tuple[int, dict[str, Any]]:
    body = msgspec.json.encode({"routing_key": KEY} | event)
    reply = service(Request("POST", "/v2/enqueue", {}, body))
    return reply.status, msgspec.json.decode(reply.body)


def trigger(service: SmallPagerDuty, key: str | None = "k", **payload: Any) -> tuple[int, dict[str, Any]]:
    named = {} if key is None else {"dedup_key": key}
    return send(service, event_action="trigger", payload=PAYLOAD | payload, **named)


def test_a_key_is_folded_into_the_open_incident_and_opens_another_after_resolve(service: SmallPagerDuty) -> None:
    assert trigger(service) == (202, {"status": "success", "message": "Event processed", "dedup_key": "k"})
    trigger(service)
    assert [len(incident.events) for incident in service.incidents] == [2]
    send(service, event_action="resolve", dedup_key="k")
    trigger(service)
    assert [incident.status for incident in service.incidents] == ["resolved", "triggered"]


def test_without_a_key_every_trigger_opens_an_incident(service: SmallPagerDuty) -> None:
    keys = {trigger(service, None)[1]["dedup_key"], trigger(service, None)[1]["dedup_key"]}
    assert len(keys) == len(service.incidents) == 2


def test_acknowledging_or_resolving_what_is_not_open_is_accepted_and_does_nothing(service: SmallPagerDuty) -> None:
    assert send(service, event_action="acknowledge", dedup_key="k")[0] == 202
    assert send(service, event_action="resolve", dedup_key="k")[0] == 202
    assert service.incidents == []


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        ({"event_action": "trigger"}, "payload"),
        ({"event_action": "page", "payload": PAYLOAD}, "event_action"),
        ({"event_action": "resolve"}, "dedup_key"),
        ({"event_action": "trigger", "payload": PAYLOAD, "dedup_key": "k" * 256}, "dedup_key"),
        ({"event_action": "trigger", "payload": PAYLOAD, "routing_key": "other"}, "routing_key"),
        ({"event_action": "trigger", "payload": PAYLOAD | {"severity": "high"}}, "severity"),
        ({"event_action": "trigger", "payload": PAYLOAD | {"summary": "s" * 1025}}, "summary"),
        ({"event_action": "trigger", "payload": PAYLOAD | {"timestamp": "noon"}}, "timestamp"),
        ({"event_action": "trigger", "payload": PAYLOAD | {"custom_details": []}}, "custom_details"),
        ({"event_action": "trigger", "payload": PAYLOAD | {"extra": 1}}, "extra"),
        ({"event_action": "trigger", "payload": PAYLOAD, "links": [{}]}, "links"),
    ],
)
def test_an_event_with_a_fault_is_refused_by_name(
    service: SmallPagerDuty, event: dict[str, Any], complaint: str
) -> None:
    status, answer = send(service, **event)
    assert (status, answer["status"]) == (400, "invalid event")
    assert any(complaint in error for error in answer["errors"])
    assert service.received == []


def test_the_door_is_narrow(service: SmallPagerDuty) -> None:
    assert service(Request("GET", "/v2/enqueue", {}, b"")).status == 405
    assert service(Request("POST", "/v1/enqueue", {}, b"{}")).status == 404
    assert service(Request("POST", "/v2/enqueue", {}, b"{")).status == 400
    assert service(Request("POST", "/v2/enqueue", {}, b" " * 600_000)).status == 413


def test_too_many_events_are_throttled_with_the_time_to_wait() -> None:
    service = SmallPagerDuty(KEY, limit=1)
    assert trigger(service)[0] == 202
    reply = service(
        Request(
            "POST",
            "/v2/enqueue",
            {},
            msgspec.json.encode({"routing_key": KEY, "event_action": "resolve", "dedup_key": "k"}),
        )
    )
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
