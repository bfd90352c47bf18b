"""The Teams sink against the small Teams."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerting.sink import Sink
from alerting.sinks.teams import LARGEST, message
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, LIVE
from tests.alerting.sinks.place import make
from tests.alerting.sinks.place_teams import TeamsPlace, place
from tests.alerting.sinks.samples import a_hostile_alert, an_alert
from tests.services.front import Fault, Reply
from tests.services.teams import fault_of


@pytest.fixture
def here(request: pytest.FixtureRequest) -> Iterator[TeamsPlace]:
    with place(request) as found:
        yield found


@pytest.fixture
def sink(here: TeamsPlace) -> Iterator[Sink]:
    made = here.sink()
    yield made
    made.close()


def test_a_card_begins_with_what_happened_and_ends_with_where_to_look(here: TeamsPlace, sink: Sink) -> None:
    sink.deliver([an_alert(1), an_alert(1, "resolved", 2)], frozenset())
    assert here.service.cards[0] == [
        "opened: HIGH [acme] Password spray from 203.0.113.9",
        "What happened",
        "Seen at 2026-11-21T12:00:00.000000Z",
        "Incident i-1, opening 1",
    ]
    assert here.service.colors == ["Attention", "Good"]


@pytest.mark.parametrize(("status", "outcome"), [(429, "retry"), (500, "retry"), (413, "refused"), (400, "refused")])
def test_what_teams_refuses_behind_an_answer_of_200_has_not_arrived(
    here: TeamsPlace, sink: Sink, status: int, outcome: str
) -> None:
    words = f"Webhook message delivery failed: Microsoft Teams endpoint returned HTTP error {status} with ContextId x"
    here.front.faults.append(Fault("reply", reply=Reply(200, words.encode(), {"content-type": "text/plain"})))
    (result,) = sink.deliver([an_alert(1)], frozenset())
    assert result.outcome == outcome
    assert str(status) in result.why


@settings(max_examples=40)
@given(words=st.one_of(st.text(max_size=300), st.sampled_from(CORPUS)), text=st.text(max_size=20_000))
def test_any_card_is_one_that_teams_takes_with_nothing_live_in_it(words: str, text: str) -> None:
    content = message(msgspec.structs.replace(a_hostile_alert(1, words), text=f"{words}\n{text}"), repeated=True)
    assert len(content) <= LARGEST
    made = msgspec.json.decode(content)
    assert not fault_of(made)
    lines = [run["inlines"][0]["text"] for run in made["attachments"][0]["content"]["body"]]
    assert lines[-1] == "(This may be a repeat.)"
    for line in lines:
        assert not ESCAPES.search(line)
        assert not LIVE.search(line)


def test_a_text_that_is_large_in_bytes_is_cut_in_its_middle() -> None:
    lines = "\n".join("雪" * 300 for _ in range(40))
    content = message(an_alert(1, text=f"What happened\n{lines}\nIncident i-1, where to look"), repeated=False)
    shown = [run["inlines"][0]["text"] for run in msgspec.json.decode(content)["attachments"][0]["content"]["body"]]
    assert len(content) <= LARGEST
    assert shown[1] == "What happened"
    assert shown[-2:] == ["…", "Incident i-1, where to look"]


def test_an_address_without_tls_is_refused_without_its_secret() -> None:
    with pytest.raises(msgspec.ValidationError, match="https://") as caught:
        make("teams", {"url": "http://prod.example/secret"})
    assert "secret" not in str(caught.value)
