"""The Slack sink against the small Slack: threads, look-ups, the webhook, and text that stays text."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.alert import Alert, Change, Status
from alerting.sink import Sink
from alerting.sinks.slack.message import again, first
from alerting.sinks.slack.threads import REMEMBERED, Thread
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, LIVE
from tests.alerting.sinks.place import make
from tests.alerting.sinks.place_slack import SlackPlace, place, texts_of
from tests.alerting.sinks.samples import a_hostile_alert, an_alert, an_incident
from tests.services.front import HALF, LOST_ANSWER, RESET, Fault, json_reply, unavailable
from tests.services.slack import HOOK, TOTAL, fault_of


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[SlackPlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def sink(here: SlackPlace) -> Iterator[Sink]:
    made = here.sink()
    yield made
    made.close()


@pytest.fixture
def hook(here: SlackPlace) -> Iterator[Sink]:
    made = make("slack", {"url": f"{here.front.url}{HOOK}", "ca": str(here.authority)})
    yield made
    made.close()


def later(change: Change, revision: int, status: Status = "open", *, page: bool = False) -> Alert:
    incident = an_incident("i-1", revision=revision, status=status, acknowledged_by="ann" if status != "open" else None)
    return an_alert(1, change, revision, incident=incident, page=page)


def outcomes(sink: Sink, *alerts: Alert, in_doubt: tuple[str, ...] = ()) -> list[str]:
    return [result.outcome for result in sink.deliver(alerts, frozenset(in_doubt))]


def test_an_opening_is_a_thread_whose_first_message_says_how_it_stands(here: SlackPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1), later("acknowledged", 2, "acknowledged"), later("resolved", 3, "resolved"))
    root, *replies = here.service.messages
    assert [one["thread_ts"] for one in replies] == [root["ts"]] * 2
    header, stands, *said = texts_of(root)[1:]
    assert header == "resolved: HIGH [acme] Password spray from 203.0.113.9"
    assert stands.startswith("Now: resolved, taken by ann (since 2026-11-21T12:00:01Z")
    assert said == ["What happened\nSeen at 2026-11-21T12:00:00.000000Z\nIncident i-1, opening 1"], "what it said stays"
    assert texts_of(replies[0])[1].startswith("acknowledged: ")


def test_a_page_in_a_thread_is_shown_in_the_channel_too_and_what_wakes_nobody_is_not(
    here: SlackPlace, sink: Sink
) -> None:
    outcomes(sink, an_alert(1), later("escalated", 2, page=True), later("joined", 3))
    assert [one.get("reply_broadcast") for one in here.service.messages] == [None, True, False]


def test_another_opening_and_a_bundle_are_threads_of_their_own(here: SlackPlace, sink: Sink) -> None:
    second = an_alert(1, "reopened", 4, incident=an_incident("i-1", opening=2), page=True)
    outcomes(sink, an_alert(1), second, an_alert(1, "bundle", 5, page=True), an_alert(1, "digest", 6, page=True))
    assert len(here.service.roots()) == 4


def test_after_a_restart_the_thread_is_found_again_behind_whatever_was_said_since(here: SlackPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1))
    for number in range(25):
        here.service.strangers(text=f"message {number}")
    here.service.page = 10
    fresh = here.sink()
    assert outcomes(fresh, later("acknowledged", 2, "acknowledged")) == ["done"]
    fresh.close()
    root, reply = here.service.messages[0], here.service.messages[-1]
    assert reply["thread_ts"] == root["ts"]
    assert "What happened" in texts_of(root)[3], "what the first message said is read again, not lost"


def test_what_happened_to_an_attempt_in_doubt_is_looked_up_in_the_thread(here: SlackPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1))
    here.front.faults.append(LOST_ANSWER)
    taken = later("acknowledged", 2, "acknowledged")
    assert outcomes(sink, taken) == ["retry"]
    assert outcomes(sink, taken, in_doubt=(taken.id,)) == ["done"]
    never = later("contained", 3, "contained")
    assert outcomes(sink, never, in_doubt=(never.id,)) == ["done"]
    assert len(here.service.messages) == 3


def test_what_others_say_in_our_name_is_not_believed(here: SlackPlace, sink: Sink) -> None:
    marks = {"event_type": "tocsin_alert", "event_payload": {"key": "tocsin:i-1:1", "alert": "i-1:1"}}
    here.service.strangers(metadata=marks)
    assert outcomes(sink, an_alert(1), in_doubt=("i-1:1",)) == ["done"]
    assert len(here.service.roots()) == 2


def test_a_token_that_may_not_read_says_that_it_may_be_a_repeat(here: SlackPlace, sink: Sink) -> None:
    here.service.scopes = {"chat:write"}
    (result,) = sink.deliver([an_alert(1)], frozenset({"i-1:1"}))
    assert (result.outcome, result.repeated) == ("done", True)
    assert texts_of(here.service.messages[0])[-1].endswith("(This may be a repeat.)")


def test_a_first_message_that_cannot_be_changed_holds_nothing_up(here: SlackPlace, sink: Sink) -> None:
    outcomes(sink, an_alert(1))
    here.service.messages[0]["bot_id"] = "B7777"  # the app was installed anew
    (result,) = sink.deliver([later("acknowledged", 2, "acknowledged")], frozenset())
    assert result.outcome == "done"
    assert "cant_update_message" in result.why


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("msg_blocks_too_long", "refused"),
        ("invalid_blocks", "refused"),
        ("channel_not_found", "retry"),
        ("not_in_channel", "retry"),
        ("is_archived", "retry"),
        ("invalid_auth", "retry"),
        ("internal_error", "retry"),
        ("ratelimited", "retry"),
    ],
)
def test_an_error_of_the_api_is_tried_again_unless_it_will_be_the_same(
    here: SlackPlace, sink: Sink, error: str, outcome: str
) -> None:
    here.front.faults.append(Fault("reply", reply=json_reply(200, {"ok": False, "error": error})))
    (result,) = sink.deliver([an_alert(1)], frozenset())
    assert result.outcome == outcome
    assert error in result.why


def test_a_look_up_that_fails_for_now_sends_nothing(here: SlackPlace, sink: Sink) -> None:
    here.front.faults.append(
        Fault("reply", reply=json_reply(429, {"ok": False, "error": "ratelimited"}, retry_after="30"))
    )
    (result,) = sink.deliver([an_alert(1)], frozenset({"i-1:1"}))
    assert (result.outcome, result.after) == ("retry", 30.0)
    assert here.service.messages == []


def test_threads_that_are_remembered_are_bounded(here: SlackPlace, sink: Sink) -> None:
    threads = sink._threads  # type: ignore[attr-defined]  # what is bounded is inside
    for number in range(REMEMBERED + 10):
        threads.begun(f"k-{number}", "1.0", "a", [])
    assert threads.known("k-9") is None
    assert threads.known("k-10") is not None


@pytest.mark.parametrize(
    ("fault", "outcome", "after"),
    [
        (Fault("reply", reply=json_reply(429, {}, retry_after="12")), "retry", 12.0),
        (unavailable(503), "retry", None),
        (unavailable(403), "retry", None),
        (unavailable(404), "retry", None),
        (unavailable(400), "refused", None),
        (RESET, "retry", None),
        (HALF, "retry", None),
        (LOST_ANSWER, "retry", None),
    ],
    ids=str,
)
def test_a_webhook_is_told_once_or_says_that_it_may_be_a_repeat(
    here: SlackPlace, hook: Sink, fault: Fault, outcome: str, after: float | None
) -> None:
    here.front.faults.append(fault)
    (result,) = hook.deliver([an_alert(1)], frozenset())
    assert (result.outcome, result.after) == (outcome, after)
    (result,) = hook.deliver([an_alert(1)], frozenset({"i-1:1"}))
    assert (result.outcome, result.repeated) == ("done", True)
    assert texts_of(here.service.messages[-1])[-1].endswith("(This may be a repeat.)")


@settings(max_examples=40)
@given(words=st.one_of(st.text(max_size=300), st.sampled_from(CORPUS)), text=st.text(max_size=20_000))
def test_any_message_is_one_that_slack_takes_with_nothing_live_in_it(words: str, text: str) -> None:
    alert = msgspec.structs.replace(a_hostile_alert(1, words), text=f"{words}\n{text}")
    message = first(alert, repeated=True)
    changed = again(Thread("1.0", ["a"], message["blocks"]), alert)
    twice = again(Thread("1.0", ["a"], changed["blocks"]), alert)
    assert len(twice["blocks"]) == len(changed["blocks"]), "how it stands is said once"
    for made in (message, changed):
        assert not fault_of(made)
        for line in [line for shown in texts_of(made) for line in shown.splitlines()]:
            assert not ESCAPES.search(line)
            assert not LIVE.search(line)
            assert "&" not in line
    assert sum(map(len, texts_of(changed))) < TOTAL


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"token": "xoxb-secret"},
        {"channel": "C0123456789"},
        {"token": "xoxb-secret", "channel": "#soc"},
        {"token": "xoxb-secret", "channel": "C0123456789", "url": "https://hooks.slack.example/x"},
        {"url": "http://hooks.slack.example/secret"},
    ],
)
def test_options_that_say_nothing_or_two_things_are_refused_without_their_secrets(options: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        make("slack", options)
    assert "secret" not in str(caught.value)
