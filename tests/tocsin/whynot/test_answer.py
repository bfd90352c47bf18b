"""Why nobody was told of an event, worked out on a data directory that no Tocsin owns."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from tests.tocsin.lines import NOON, guesses, line, written
from tests.tocsin.program import Program, until

Call = Callable[..., Result]
Ask = Callable[[str], dict[str, Any]]


@pytest.fixture
def ask(tocsin: Call, tmp_path: Path) -> Callable[[Sequence[dict[str, Any]]], Ask]:
    """Imports lines, and gives what asks about one of their events."""

    def imported(lines: Sequence[dict[str, Any]], directory: str = "") -> Ask:
        written(tmp_path / "history.ndjson", list(lines))
        if directory:
            (tmp_path / "directory.yaml").write_text(directory)
            (tmp_path / "tocsin.yaml").write_text("directory: directory.yaml\n")
        assert tocsin("import", tmp_path / "history.ndjson", "--data", "d").exit_code == 0

        def why_not(id_: str) -> dict[str, Any]:
            done = tocsin("why-not", id_, "--data", "d", "--json")
            assert done.exit_code == 0, done.output
            answer: dict[str, Any] = json.loads(done.stdout)
            return answer

        return why_not

    return imported


def measures(answer: dict[str, Any], detector: str, kind: str) -> dict[str, dict[str, Any]]:
    views = [one for one in answer["detectors"] if one["detector"] == detector]
    entities = [entity for view in views for entity in view["entities"] if entity["kind"] == kind]
    return {measure["what"]: measure for entity in entities for measure in entity["measures"]}


def test_a_counter_stands_below_its_bound_and_the_window_that_follows_is_told(ask: Any) -> None:
    answer = ask([dict(one, id=f"bad-{n}") for n, one in enumerate(guesses(NOON, 6))])("bad-3")
    guessed = measures(answer, "failed_auth", "principal")["guesses at this account"]
    assert (guessed["observed"], guessed["bound"], guessed["later"]) == (4, 10, 6)
    assert answer["findings"] == []
    assert any("guesses at this account" in text and "4 of 10 guesses, 6 later" in text for text in answer["verdict"])


def test_an_event_that_decided_something_names_it_with_its_relation(ask: Any) -> None:
    answer = ask([line(NOON, id="leak", resource_tenants=["globex"], user="reader")])("leak")
    (found,) = [one for one in answer["findings"] if one["class"] == "cross_tenant_read"]
    assert found["relation"].startswith("decided by this event")
    assert found["mode"] == "observe", "imported history is observed only"
    assert measures(answer, "cross_tenant", "principal")["foreign owner: globex"]["observed"] == 1


def test_a_duplicate_is_said_to_have_been_counted_before(ask: Any) -> None:
    why = ask([line(NOON, id="twice"), line(NOON + 1, id="twice"), line(NOON + 2, id="once")])
    assert len(why("twice")["places"]) == 2
    assert not any("duplicate" in text for text in why("twice")["judged"])
    assert not any("duplicate" in text for text in why("once")["judged"])


def test_an_event_of_a_run_is_found_by_producer_run_and_number(ask: Any) -> None:
    why = ask([line(NOON + n, id=None, producer="p/1", run="r", seq=n) for n in range(5)])
    assert why("p/1/r/3")["event"]["seq"] == 3


def test_ids_that_json_escapes_are_found(ask: Any) -> None:
    assert ask([line(NOON, id='a"\\b/ü c')])('a"\\b/ü c')["places"][0]["frame"] >= 0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"tenant": None}, "the caller's tenant is unknown"),
        ({"sample_rate": 0.1}, "sampled (0.1)"),
        ({"bytes_quality": "capped"}, "its size is capped"),
        ({"outcome": "authz_denied", "reason": "tocsin.denied:i-1"}, "our own deny list"),
    ],
)
def test_how_an_event_was_judged(ask: Any, said: dict[str, Any], expected: str) -> None:
    answer = ask([line(NOON, id="odd", **said)])("odd")
    assert any(expected in text for text in answer["judged"])


def test_the_directory_has_the_last_word_on_the_callers_tenant_but_only_once_it_is_in_the_log(ask: Any) -> None:
    answer = ask([line(NOON, id="one", token=None)])("one")
    views = {(view["detector"], entity["kind"]): entity for view in answer["detectors"] for entity in view["entities"]}
    assert views[("failed_auth", "token")]["why"] == "no token was fingerprinted"
    assert views[("cross_tenant", "principal")]["why"].startswith("it looks at events with")


def test_the_warm_up_says_what_is_missing(ask: Any) -> None:
    answer = ask([line(NOON + 3_600 * hour, id=f"h-{hour}") for hour in range(15)])("h-14")
    (volume,) = [view for view in answer["detectors"] if view["detector"] == "data_volume"]
    (burst,) = [one for one in volume["warm_up"] if one["class"] == "volume_burst"]
    own, runs, peers = burst["evidence"]
    assert burst["mode"] == "shadow"
    assert [(one["observed"], one["bound"]) for one in own] == [(13, 24), (2, 3)], (
        "the hour that just ended is held open for two minutes"
    )
    assert [(one["observed"], one["bound"]) for one in runs] == [(2, 7)]
    assert [(one["observed"], one["bound"]) for one in peers] == [(0, 5)]


def test_an_unknown_event_says_what_to_check(tocsin: Call, ask: Any) -> None:
    ask([line(NOON)])
    done = tocsin("why-not", "nope", "--data", "d")
    assert done.exit_code == 1
    for word in ("no event with the id 'nope'", "spool", "retention"):
        assert word in done.stderr


def test_without_tocsin_and_without_a_log_it_says_both(tocsin: Call, tmp_path: Path) -> None:
    done = tocsin("why-not", "x", "--data", "nowhere")
    assert done.exit_code == 1
    assert "holds no log" in done.stderr
    assert not (tmp_path / "nowhere").exists()


def test_people_read_it_without_markup_of_strangers(tocsin: Call, ask: Any) -> None:
    ask([line(NOON, id="evil", target="[bold]x[/]\x1b[31m", user="<script>")])
    done = tocsin("why-not", "evil", "--data", "d")
    assert done.exit_code == 0
    for part in ("How it was judged", "failed_auth", "So", "Replayed 0 events from the beginning of the log"):
        assert part in done.stdout
    assert "\x1b" not in done.stdout
    assert "<script>" not in done.stdout


def test_the_running_tocsin_is_asked_and_names_incident_and_decision(program: Program) -> None:
    now = time.time()
    program.post([*guesses(now - 41), line(now, id="leaked", user="reader", resource_tenants=["globex"])])
    program.settled()

    def answered() -> Any:
        told = program.get("/why-not", event="leaked")
        return told["report"] if told["done"] else None

    (found,) = [one for one in until(answered, "it is answered")["findings"] if one["class"] == "cross_tenant_read"]
    (decision,) = found["decisions"]
    assert (decision["reason"], decision["status"]) == ("new", "open")
    assert program.get(f"/incidents/{decision['incident']}")["incident"]["severity"] == "critical"
    assert program.request("GET", "/why-not", params={"event": "nope"}).status_code in (202, 404)

    def refused() -> httpx.Response | None:
        answer = program.request("GET", "/why-not", params={"event": "nope"})
        return answer if answer.status_code != 202 else None

    unknown = until(refused, "the unknown one is answered")
    assert unknown.status_code == 404
    assert program.request("GET", "/why-not").status_code == 400


def test_status_says_how_far_the_warm_up_is(program: Program) -> None:
    program.post([line(time.time(), user="newcomer")])
    warm_up = program.settled()["warm_up"]
    assert warm_up["volume"]["needs"] == {"hours": 24, "days": 3, "or_days": 7, "or_peers": 5}
    assert warm_up["volume"]["principals"] >= 1
    assert warm_up["volume"]["warm"] == 0
    assert warm_up["said"] == []
