"""The chat sink through apprise, over HTTP and what it makes of text for services with formats of their own."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.sink import Sink
from alerting.sinks.chat import GROWTH, service
from alerting.wording.chat import body, headline
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, FORMULA, LIVE
from tests.alerting.sinks.place import make
from tests.alerting.sinks.place_chat import ChatPlace, place
from tests.alerting.sinks.samples import a_hostile_alert, an_alert
from tests.services.certificates import loopback_certificates
from tests.services.front import HALF, LOST_ANSWER, RESET, SILENCE, Fault, Front, Reply, unavailable

DOCUMENTED = Path(__file__).parents[3] / "docs" / "sinks.md"
MARKED = re.compile(r"[*~|]|(?:^|\W)_\w+_(?:\W|$)|^#|\w\.[a-z]")


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[ChatPlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def sink(here: ChatPlace) -> Sink:
    return here.sink()


def test_a_message_begins_with_what_happened_and_ends_with_where_to_look(here: ChatPlace, sink: Sink) -> None:
    sink.deliver([an_alert(1)], frozenset())
    (message,) = here.service.messages
    assert message["title"] == "opened: HIGH [acme] Password spray from 203.0.113.9"
    assert message["message"].splitlines()[-1] == "Incident i-1, opening 1"
    assert message["type"] == "failure"
    sink.deliver([an_alert(1, "resolved", 2)], frozenset())
    assert here.service.messages[1]["type"] == "success"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (unavailable(429), "retry"),
        (unavailable(500), "retry"),
        (unavailable(502), "retry"),
        (unavailable(503), "retry"),
        (HALF, "retry"),
        (unavailable(401), "retry"),
        (unavailable(404), "retry"),
        (unavailable(400), "refused"),
        (unavailable(413), "refused"),
        (RESET, "retry"),
        (LOST_ANSWER, "retry"),
    ],
    ids=str,
)
def test_a_failure_is_tried_again_or_refused_for_good(here: ChatPlace, sink: Sink, fault: Fault, outcome: str) -> None:
    here.front.faults.append(fault)
    results = sink.deliver([an_alert(1), an_alert(2)], frozenset())
    assert results[0].outcome == outcome
    assert results[0].why
    assert results[1].outcome == ("retry" if outcome == "retry" else "done")


def test_a_service_that_has_too_much_is_left_alone_for_as_long_as_was_configured(here: ChatPlace) -> None:
    for fault, given_, after in ((429, {}, 30.0), (429, {"pause": 90.0}, 90.0), (503, {"pause": 90.0}, None)):
        here.front.faults.append(unavailable(fault))
        results = here.sink(**given_).deliver([an_alert(1), an_alert(2)], frozenset())
        assert [(result.outcome, result.after) for result in results] == [("retry", after)] * 2
    assert here.service.messages == []


@pytest.mark.parametrize("pause", [-1, 3601])
def test_a_pause_is_within_an_hour(here: ChatPlace, pause: float) -> None:
    with pytest.raises(msgspec.ValidationError, match="pause must be from 0 to 3600"):
        here.sink(pause=pause)


def test_silence_is_waited_for_once(here: ChatPlace) -> None:
    here.front.always = SILENCE
    began = time.monotonic()
    results = here.sink(timeout=0.5).deliver([an_alert(number) for number in range(5)], frozenset())
    assert [result.outcome for result in results] == ["retry"] * 5
    assert time.monotonic() - began < 10


def test_nobody_there_and_strangers_get_nothing(here: ChatPlace, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = loopback_certificates(tmp_path / "other")
    (result,) = here.sink(ca=str(other.authority)).deliver([an_alert(1)], frozenset())
    assert result.outcome == "retry"
    with Front(lambda _: Reply(200)) as gone:
        url = gone.url.replace("http", "json")
    (result,) = make("chat", {"url": url}).deliver([an_alert(1)], frozenset())
    assert result.outcome == "retry"
    assert here.service.messages == []


@given(words=st.one_of(st.text(max_size=300), st.sampled_from(CORPUS)), room=st.integers(60, 3000))
def test_no_words_become_a_link_or_a_format_in_any_room(words: str, room: int) -> None:
    alert = a_hostile_alert(1, words)
    text = body(alert, room, repeated=True)
    assert len(text) <= room
    assert text.endswith("(This may be a repeat.)")
    for line in (headline(alert, 250), *text.splitlines()):
        assert not ESCAPES.search(line)
        assert not LIVE.search(line)
        assert not FORMULA.match(line)
        assert not MARKED.search(line.replace("(.)", ""))


@pytest.mark.parametrize(
    "url",
    [
        "mailto://user:password@example.com",
        "discord://123456789012345678/" + "a" * 68,
        "mmost://chat.example/" + "a" * 26,
    ],
    ids=lambda url: url.partition(":")[0],
)
def test_what_a_service_formats_has_nothing_live_in_it(url: str) -> None:
    found = service(url)
    assert found is not None
    for words in CORPUS:
        alert = a_hostile_alert(1, words)
        room = int(found.body_maxlen * 0.75) - 260
        calls = found._build_send_calls(body(alert, room, repeated=False), headline(alert, 250), body_format="text")
        for call in calls:
            assert len(call["body"]) <= found.body_maxlen
            assert not re.search(r"(?i)https?://|<(?!br\s*/?>|/?p>)[!@a-z/]|\]\(|javascript:\S", call["body"])


@pytest.mark.parametrize("url", ["nosuch://secret-token/x", "slack://", "hello"])
def test_a_url_that_is_none_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        make("chat", {"url": url})
    assert "secret-token" not in str(caught.value)


def test_every_url_that_is_documented_is_one_with_the_room_that_is_said() -> None:
    rows = re.findall(r"^\| .+ \| `(\w+://\S+)` \| ([\d,]+) characters \|$", DOCUMENTED.read_text(), re.MULTILINE)
    assert len(rows) >= 3
    for url, room in rows:
        found = service(url)
        assert found is not None, url
        assert f"{int(found.body_maxlen * GROWTH):,}" == room, url
