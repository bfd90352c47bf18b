"""The Opsgenie sink against the small Opsgenie."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert import Alert
from alerting.sink import Sink
from alerting.sinks.opsgenie import created_from
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, LIVE
from tests.alerting.sinks.place import make
from tests.alerting.sinks.place_opsgenie import OpsgeniePlace, place
from tests.alerting.sinks.samples import a_hostile_alert, an_alert, an_incident
from tests.services.front import LOST_ANSWER, Fault, json_reply, unavailable
from tests.services.opsgenie import API_KEY, faults_of


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[OpsgeniePlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def sink(here: OpsgeniePlace) -> Iterator[Sink]:
    made = here.sink(tags=["soc"])
    yield made
    made.close()


def outcomes(sink: Sink, *alerts: Alert, in_doubt: tuple[str, ...] = ()) -> list[str]:
    return [result.outcome for result in sink.deliver(alerts, frozenset(in_doubt))]


def test_an_alert_lives_with_its_incident(here: OpsgeniePlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1))
    (one,) = here.service.alerts
    assert (one.alias, one.priority, one.status) == ("tocsin:i-1:1", "P2", "open")
    assert one.created[0]["message"] == "HIGH [acme] Password spray from 203.0.113.9"
    assert one.created[0]["tags"] == ["soc", "auth", "acme"]
    taken = an_incident("i-1", revision=2, status="acknowledged", acknowledged_by="ann")
    outcomes(sink, an_alert(1, "acknowledged", 2, incident=taken))
    assert one.acknowledged
    assert one.notes == ["acknowledged in Tocsin, taken by ann"]
    outcomes(sink, an_alert(1, "resolved", 3))
    assert one.status == "closed"
    outcomes(sink, an_alert(1, "reopened", 4, page=True, incident=an_incident("i-1", opening=2)))
    assert [alert.alias for alert in here.service.alerts] == ["tocsin:i-1:1", "tocsin:i-1:2"]


def test_an_escalation_raises_the_priority_of_the_open_alert(here: OpsgeniePlace, sink: Sink) -> None:
    worse = an_incident("i-1", revision=2, severity="critical")
    assert outcomes(sink, an_alert(1), an_alert(1, "escalated", 2, page=True, incident=worse)) == ["done", "done"]
    (one,) = here.service.alerts
    assert (one.count, one.priority) == (2, "P1")


def test_an_opening_that_we_resolved_is_not_created_again(here: OpsgeniePlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1), an_alert(1, "resolved", 2), an_alert(1, "escalated", 3, page=True))
    assert [one.status for one in here.service.alerts] == ["closed"]


def test_a_page_in_doubt_that_was_closed_there_meanwhile_wakes_nobody_again(here: OpsgeniePlace, sink: Sink) -> None:
    here.front.faults.append(LOST_ANSWER)
    assert outcomes(sink, an_alert(1)) == ["retry"]
    here.service.alerts[0].status = "closed"
    assert outcomes(sink, an_alert(1), in_doubt=("i-1:1",)) == ["done"]
    assert len(here.service.alerts) == 1


def test_a_key_that_may_not_read_says_that_it_may_be_a_repeat(here: OpsgeniePlace, sink: Sink) -> None:
    here.service.reads = False
    (result,) = sink.deliver([an_alert(1)], frozenset({"i-1:1"}))
    assert (result.outcome, result.repeated) == ("done", True)
    assert here.service.alerts[0].created[0]["description"].endswith("(This may be a repeat.)")


@pytest.mark.parametrize("headers", [{"retry_after": "41"}, {"x_ratelimit_period_in_sec": "41"}])
def test_requests_that_come_too_often_wait_as_long_as_the_service_says(
    here: OpsgeniePlace, sink: Sink, headers: dict[str, str]
) -> None:
    here.front.faults.append(
        Fault("reply", reply=json_reply(429, {"message": "You are making too many requests!"}, **headers))
    )
    (result,) = sink.deliver([an_alert(1)], frozenset())
    assert (result.outcome, result.after) == ("retry", 41.0)


def test_a_look_up_that_fails_sends_nothing(here: OpsgeniePlace, sink: Sink) -> None:
    here.front.faults.append(unavailable(503))
    assert outcomes(sink, an_alert(1), in_doubt=("i-1:1",)) == ["retry"]
    assert here.service.alerts == []


@settings(max_examples=40)
@given(words=st.one_of(st.text(max_size=300), st.sampled_from(CORPUS)), text=st.text(max_size=30_000))
def test_any_alert_is_one_that_the_api_takes_with_nothing_live_in_it(words: str, text: str) -> None:
    alert = msgspec.structs.replace(a_hostile_alert(1, words), text=f"{words}\n{text}")
    made = created_from(alert, ("soc",), repeated=True)
    assert not faults_of(made)
    for line in [made["message"], made["entity"], *made["description"].splitlines(), *made["tags"]]:
        assert not ESCAPES.search(line)
        assert not LIVE.search(line)


@pytest.mark.parametrize("options", [{"url": "http://api.opsgenie.example"}, {"tags": [""]}, {"tags": ["x" * 51]}])
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        make("opsgenie", {"api_key": API_KEY, **options})
