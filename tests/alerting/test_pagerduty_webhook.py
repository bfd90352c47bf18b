"""What PagerDuty reports, as its documentation shows it."""

import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.pagerduty_webhook import Taken, signed, taken
from stream.errors import RejectedError

SECRET = "the subscription's secret"


def report(kind: str = "incident.acknowledged", key: str | None = "tocsin:0a1b:2", agent: Any = None) -> bytes:
    event = {
        "id": "5ac64822-4adc-4fda-ade0-410becf0de4f",
        "event_type": kind,
        "resource_type": "incident",
        "occurred_at": "2026-11-21T12:00:00.169Z",
        "agent": agent or {"id": "PLH1HKV", "summary": "Sam Responder", "type": "user_reference"},
        "client": {"name": "PagerDuty"},
        "data": {"id": "PGR0VU2", "type": "incident", "number": 2, "status": "acknowledged", "incident_key": key},
    }
    return json.dumps({"event": event}).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    return "v1=" + hmac.new(secret.encode(), body, "sha256").hexdigest()


def test_a_person_who_takes_a_page_takes_the_opening() -> None:
    assert taken(report()) == Taken("0a1b", 2, "Sam Responder (PagerDuty)")


def test_whatever_else_is_reported_is_left_alone() -> None:
    for body in (report("incident.resolved"), report(key=None), report(key="other:0a1b:2"), report(key="tocsin:a:b")):
        assert taken(body) is None
    assert taken(b'{"event": {"event_type": "pagey.ping"}}') is None


def test_a_name_is_only_words() -> None:
    found = taken(report(agent={"summary": "\x1b[31m" + "x" * 500}))
    assert found is not None
    assert "\x1b" not in found.by
    assert len(found.by) < 100


@given(st.binary(max_size=200))
def test_what_is_no_webhook_is_refused_and_nothing_else_is_raised(body: bytes) -> None:
    with pytest.raises(RejectedError):
        taken(body)


@given(st.binary(max_size=100), st.text(max_size=50))
def test_a_signature_is_that_of_the_body_and_the_secret_alone(body: bytes, junk: str) -> None:
    good = signature(body)
    assert signed(SECRET, good, body)
    assert signed(SECRET, f"{signature(body, 'an older one')},{good}", body), "while a secret is being changed"
    assert not signed(SECRET, good, body + b"x")
    assert not signed("another", good, body)
    assert not signed(SECRET, junk, body)
    assert not signed(SECRET, ",".join([*"x" * 50, good]), body), "so that nobody makes us compare for long"
