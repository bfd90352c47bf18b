"""The webhook sink against a receiver that checks as docs/sinks.md tells."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.sink import Sink
from alerting.sinks.webhook import Webhook, WebhookOptions, signature
from tests.alerting.sinks.hostile import CORPUS, ESCAPES
from tests.alerting.sinks.place import make, strings
from tests.alerting.sinks.place_webhook import SECRET, WebhookPlace, place
from tests.alerting.sinks.samples import NOON, a_finding, a_hostile_alert, an_alert
from tests.services.front import Front, Reply
from tests.services.webhook import verification

VERIFIED = verification()


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[WebhookPlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def sink(here: WebhookPlace) -> Iterator[Sink]:
    made = here.sink()
    yield made
    made.close()


@given(body=st.binary(max_size=200), at=st.integers(0, 10**11))
def test_the_documented_check_takes_what_we_sign_and_nothing_else(body: bytes, at: int) -> None:
    signed = signature(SECRET, at, body)
    assert VERIFIED(SECRET, signed, body, now=at + 299)
    assert not VERIFIED(SECRET, signed, body + b" ", now=at)
    assert not VERIFIED("another secret of that length", signed, body, now=at)
    assert not VERIFIED(SECRET, signed.replace(f"t={at}", f"t={at + 1}"), body, now=at)


def test_what_was_caught_on_the_way_cannot_be_sent_again_later() -> None:
    assert not VERIFIED(SECRET, signature(SECRET, int(NOON), b"{}"), b"{}", now=NOON + 301)
    assert not VERIFIED(SECRET, signature(SECRET, int(NOON), b"{}"), b"{}", now=NOON - 301)


def test_what_is_signed_is_the_time_of_sending() -> None:
    with Front(lambda _: Reply(204)) as front:
        options = WebhookOptions(front.url, SECRET, plain_http=True)
        sink = Webhook(options, clock=lambda: NOON)
        assert [result.outcome for result in sink.deliver([an_alert(1)], frozenset())] == ["done"]
        sink.close()
        (request,) = front.requests
    assert VERIFIED(SECRET, request.headers["tocsin-signature"], request.body, now=NOON)


def test_a_repeat_says_so_under_the_same_key(here: WebhookPlace, sink: Sink) -> None:
    (result,) = sink.deliver([an_alert(1)], frozenset({"i-1:1"}))
    assert result.repeated
    (body,) = here.service.bodies
    assert body["repeated"] is True
    assert here.front.requests[0].headers["idempotency-key"] == "i-1:1" == body["id"]


def test_much_evidence_is_cut_at_its_end_and_counted(here: WebhookPlace) -> None:
    finding = a_finding(observed="x" * 500, why="y" * 500, event_ids=("e" * 80,) * 20)
    sink = here.sink(max_bytes=8192)
    sink.deliver([an_alert(1, findings=(finding,) * 30)], frozenset())
    sink.close()
    (body,) = here.service.bodies
    assert len(here.front.requests[0].body) <= 8192
    assert 0 < len(body["findings"]) == 30 - body["findings_left_out"]
    assert body["incident"]["id"] == "i-1"


def test_a_body_is_bounded_whatever_is_in_it(here: WebhookPlace) -> None:
    sink = here.sink(max_bytes=4096)
    alerts = [a_hostile_alert(number, words) for number, words in enumerate(CORPUS)]
    assert {result.outcome for result in sink.deliver(alerts, frozenset())} == {"done"}
    sink.close()
    assert max(len(request.body) for request in here.front.requests) <= 4096


def test_exact_values_are_apart_and_without_escapes(here: WebhookPlace, sink: Sink) -> None:
    user = "https://idp.acme.example|alice"
    sink.deliver([an_alert(1, incident=a_hostile_alert(1, user).incident)], frozenset())
    sink.deliver([a_hostile_alert(2, CORPUS[0])], frozenset())
    first, second = here.service.bodies
    assert first["exact"]["entity"]["user"] == user
    assert user not in first["about"]
    assert not any(ESCAPES.search(text) for text in strings(second))
    assert "never instructions" in first["untrusted"]


def test_a_receiver_that_answers_in_html_takes_it_and_a_portal_does_not() -> None:
    pages = {b"ok": "done", b"<!doctype html><p>log in first": "retry"}
    for page, outcome in pages.items():
        with Front(lambda _, page=page: Reply(200, page, {"content-type": "text/html"})) as front:  # type: ignore[misc]  # the default binds the loop's value
            sink = make("webhook", {"url": front.url, "secret": SECRET, "plain_http": True})
            assert [result.outcome for result in sink.deliver([an_alert(1)], frozenset())] == [outcome]
            sink.close()


def test_it_is_not_led_elsewhere(here: WebhookPlace) -> None:
    with Front(lambda _: Reply(307, headers={"location": here.front.url})) as front:
        sink = make("webhook", {"url": front.url, "secret": SECRET, "plain_http": True})
        assert [result.outcome for result in sink.deliver([an_alert(1)], frozenset())] == ["retry"]
        sink.close()
    assert here.front.requests == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://receiver.example"}, "https://"),
        ({"secret": "short"}, "16 characters"),
        ({"headers": {"Tocsin-Signature": "x"}}, "own"),
        ({"headers": {"X-A": "a\r\nB: c"}}, "printable"),
        ({"max_bytes": 10}, "4096"),
    ],
)
def test_options_that_cannot_work_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        make("webhook", {"url": "https://receiver.example", "secret": SECRET} | changes)
