"""The PagerDuty sink against the small PagerDuty."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.delivering.posting import retry_after
from alerting.sink import Sink
from alerting.sinks.pagerduty import event_of
from stream.finding import SEVERITIES
from tests.alerting.sinks.place import make
from tests.alerting.sinks.place_pagerduty import PagerDutyPlace, place
from tests.alerting.sinks.samples import NOON, a_finding, a_hostile_alert, an_alert, an_incident
from tests.services.front import LOST_ANSWER, Fault, Reply
from tests.services.pagerduty import check_payload


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[PagerDutyPlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def sink(here: PagerDutyPlace) -> Iterator[Sink]:
    made = here.sink()
    yield made
    made.close()


def reopened(revision: int = 5) -> Alert:
    incident = an_incident("i-1", opening=2, revision=revision)
    return an_alert(1, "reopened", revision=revision, page=True, incident=incident)


def outcomes(sink: Sink, *alerts: Alert, in_doubt: tuple[str, ...] = ()) -> list[str]:
    return [result.outcome for result in sink.deliver(alerts, frozenset(in_doubt))]


def test_a_page_lives_with_its_incident(here: PagerDutyPlace, sink: Sink) -> None:
    def pages() -> list[tuple[str, str]]:
        return [(page.key, page.status) for page in here.service.incidents]

    outcomes(sink, an_alert(1))
    assert pages() == [("tocsin:i-1:1", "triggered")]
    outcomes(sink, an_alert(1, "acknowledged", revision=2))
    assert pages() == [("tocsin:i-1:1", "acknowledged")]
    outcomes(sink, an_alert(1, "resolved", revision=3))
    assert pages() == [("tocsin:i-1:1", "resolved")]
    outcomes(sink, reopened())
    assert pages() == [("tocsin:i-1:1", "resolved"), ("tocsin:i-1:2", "triggered")]


def test_what_wakes_nobody_is_not_sent(here: PagerDutyPlace, sink: Sink) -> None:
    assert outcomes(sink, an_alert(1, page=False), an_alert(1, "contained", revision=2)) == ["done", "done"]
    assert here.service.received == []


def test_an_escalation_is_folded_into_the_open_page(here: PagerDutyPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1), an_alert(1, "escalated", revision=2, page=True))
    (page,) = here.service.incidents
    assert len(page.events) == 2


def test_a_page_in_doubt_is_repeated_under_its_key_and_says_so(here: PagerDutyPlace, sink: Sink) -> None:
    here.front.faults.append(LOST_ANSWER)
    assert outcomes(sink, an_alert(1)) == ["retry"]
    (result,) = sink.deliver([an_alert(1)], frozenset({"i-1:1"}))
    assert (result.outcome, result.repeated) == ("done", True)
    (page,) = here.service.incidents
    assert "repeat" in page.events[1]["payload"]["custom_details"]


def test_an_opening_that_we_resolved_is_not_triggered_again(here: PagerDutyPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1), an_alert(1, "resolved", revision=2))
    assert outcomes(sink, an_alert(1), in_doubt=("i-1:1",)) == ["done"]
    late = an_alert(1, "joined", revision=3, page=True, incident=an_incident("i-1", revision=3, status="closed"))
    with_fresh_memory = here.sink()
    assert outcomes(with_fresh_memory, late) == ["done"]
    with_fresh_memory.close()
    assert [page.status for page in here.service.incidents] == ["resolved"]


def test_a_digest_is_sent_though_its_leading_incident_is_over(here: PagerDutyPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1), an_alert(1, "resolved", revision=2))
    outcomes(sink, an_alert(1, "digest", revision=3, page=True, text="3 incidents while the pager was away"))
    assert [page.status for page in here.service.incidents] == ["resolved", "triggered"]


def test_a_resolve_never_overtakes_its_trigger(here: PagerDutyPlace, sink: Sink) -> None:
    here.front.faults.append(Fault("reply", reply=Reply(429, b"", {"retry-after": "3"})))
    results = sink.deliver([an_alert(1), an_alert(1, "resolved", revision=2)], frozenset())
    assert [(result.outcome, result.after) for result in results] == [("retry", 3.0), ("retry", 3.0)]
    assert here.service.received == []


def test_arriving_too_quickly_is_waited_out(here: PagerDutyPlace, sink: Sink) -> None:
    here.service.limit = 2
    results = sink.deliver([an_alert(number) for number in range(4)], frozenset())
    assert [(result.outcome, result.after) for result in results] == [("done", None)] * 2 + [("retry", 7.0)] * 2
    assert len(here.front.requests) == 3


def test_a_wrong_key_is_refused_in_pagerdutys_words(here: PagerDutyPlace) -> None:
    sink = here.sink(routing_key="wrong")
    (result,) = sink.deliver([an_alert(1)], frozenset())
    sink.close()
    assert result.outcome == "refused"
    assert "'routing_key' is invalid" in result.why
    assert "wrong" not in result.why


@pytest.mark.parametrize(
    ("severity", "theirs"), zip(SEVERITIES, ["info", "info", "warning", "error", "critical"], strict=True)
)
def test_severities_are_theirs(severity: Any, theirs: str) -> None:
    event = event_of(an_alert(1, incident=an_incident(severity=severity)), repeated=False)
    assert event["payload"]["severity"] == theirs


def test_a_page_says_who_what_and_how_to_look(here: PagerDutyPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1))
    payload = here.service.received[0]["payload"]
    assert payload["summary"] == "HIGH: Password spray from 203.0.113.9"
    assert (payload["source"], payload["group"], payload["class"]) == ("billing", "acme", "auth")
    details = payload["custom_details"]
    assert details["findings"][0]["observed"] == "40 principals, 120 failures in 5 min"
    assert details["show"] == "tocsin incident show i-1"
    assert details["report"][0] == "What happened"


@given(words=st.text(max_size=300), count=st.integers(0, 40))
def test_any_words_make_an_acceptable_event_without_links(words: str, count: int) -> None:
    alert = a_hostile_alert(1, words)
    alert = msgspec.structs.replace(alert, findings=alert.findings[:1] * count)
    event = event_of(alert, repeated=True)
    assert check_payload(event["payload"]) == []
    assert event.keys() == {"payload", "client"}


def test_the_largest_event_stays_below_the_limit() -> None:
    finding = a_finding(**dict.fromkeys(("observed", "expected", "why", "title"), "\U0001f600" * 2000))
    finding.event_ids = ("\U0001f600" * 500,) * 20
    entity = {f"{index}{'k' * 100}": "\U0001f600" * 5000 for index in range(100)}
    text = "\n".join(["\U0001f600" * 1000] * 500)
    alert = an_alert(1, findings=(finding,) * 100, incident=an_incident(entity=entity), text=text)
    body = json.dumps(event_of(alert, repeated=False))
    assert len(body) < 512 * 1024
    assert event_of(alert, repeated=False)["payload"]["custom_details"]["findings_left_out"] >= 80


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "inf"}, 3600.0),
        ({"ratelimit-reset": "3"}, 3.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT", "date": "Sat, 21 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, None),
        ({"retry-after": "soon", "date": "today"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after(headers) == wait


def test_the_address_must_be_secure() -> None:
    with pytest.raises(msgspec.ValidationError, match="https://"):
        make("pagerduty", {"routing_key": "k", "url": "http://events.pagerduty.com"})


def test_the_time_is_that_of_the_decision() -> None:
    assert event_of(an_alert(0), repeated=False)["payload"]["timestamp"] == "2026-11-21T12:00:00.000000Z"
    assert an_alert(0).time == NOON
