"""`tocsin coverage` and its route, against a Tocsin that runs."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import Result

from tests.tocsin.lines import line
from tests.tocsin.program import Program, until


@pytest.fixture
def ask(told: Program, tocsin: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`tocsin coverage` with more words."""
    monkeypatch.setenv("TOCSIN_URL", told.listening())
    monkeypatch.setenv("TOCSIN_TOKEN", (told.data / "token").read_text(encoding="utf-8").strip())
    return lambda *words: tocsin("coverage", *words)


@pytest.fixture(scope="module")
def told(program: Program) -> Program:
    """A running Tocsin that got numbered events of two servers, ten of which are missing."""
    now = time.time()
    numbers = [number for number in range(1, 60) if not 20 <= number < 30]
    program.post([line(now - 60 + n, producer="p1", run="r", seq=n, server="crm") for n in numbers])
    program.post([line(now - 60, producer="p2", server="billing", tenant="globex")])
    program.settled()
    until(lambda: len(counted(program)["producers"]) == 2, "both producers are counted")
    return program


def counted(program: Program, **asked: str) -> dict[str, Any]:
    """What the route answers about an hour from now back and on."""
    now = time.time()
    said = {"from": "1h", "to": iso(now + 3600), **asked}
    answer: dict[str, Any] = program.get("/coverage", **said)
    return answer


def iso(moment: float) -> str:
    """A moment as people write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def test_the_route_counts_what_came_by_producer(told: Program) -> None:
    answer = counted(told)
    assert {one["producer"]: one["received"] for one in answer["producers"]} == {"p1": 49, "p2": 1}
    assert answer["events"] == 50
    assert {one["detector"] for one in answer["detectors"]} >= {"audit_gap", "failed_auth"}
    assert not answer["logged"], "the hour is not over"
    assert answer["why"][0].startswith("it is counted until ")
    assert [one["producer"] for one in counted(told, server="billing")["producers"]] == ["p2"]


def test_the_command_says_it_and_exits_1_where_something_lacks(ask: Callable[..., Result]) -> None:
    done = ask("--from", "1h", "--to", iso(time.time() + 3600))
    assert done.exit_code == 1
    assert "not everything" in done.stdout
    assert "p1" in done.stdout
    as_json = ask("--from", "1h", "--to", iso(time.time() + 3600), "--producer", "p2", "--json")
    assert [one["producer"] for one in json.loads(as_json.stdout)["producers"]] == ["p2"]


def test_hours_before_the_log_began_lack_nothing(told: Program, ask: Callable[..., Result]) -> None:
    until(lambda: counted(told)["counted_until"], "the clock is known")
    done = ask("--from", "3d", "--to", iso(time.time() - 2 * 86_400))
    assert (done.exit_code, "no producer sent anything" in done.stdout) == (0, True), done.stdout


def test_a_stretch_that_ends_before_it_begins_is_refused_with_a_hint(ask: Callable[..., Result]) -> None:
    done = ask("--from", "1h", "--to", "2h")
    assert done.exit_code != 0
    assert "there is nothing between these moments" in done.output
    assert "--from" in done.output


def test_metrics_say_what_is_missing(told: Program) -> None:
    page = told.http().get("/metrics").text
    assert "tocsin_coverage_missing 10.0" in page
    assert "tocsin_coverage_clock" in page
