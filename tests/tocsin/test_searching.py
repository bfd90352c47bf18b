"""`tocsin search` over a running Tocsin: every form of the answer, progress, and the wall between tenants."""

import csv
import io
import json
import time
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from tests.tocsin.lines import line
from tests.tocsin.program import Program, until
from tocsin.access.operators import FILE, add_user, create_token
from tocsin.cli import app

FORMULA = "=HYPERLINK(0)"


@pytest.fixture(scope="module")
def searched(program: Program) -> Program:
    """A Tocsin with events of two tenants, all of them indexed."""
    now = time.time()
    program.post([line(now - 30 + at, user="mallory", id=f"m{at}", target=f"crm://acme/Row-{at}") for at in range(20)])
    program.post([line(now - 5, user=FORMULA, id="formula", tenant="globex", rows=-3)])
    program.settled()
    return program


@pytest.fixture
def ask(searched: Program, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOCSIN_URL", searched.listening())
    monkeypatch.setenv("TOCSIN_TOKEN", (searched.data / "token").read_text().strip())

    def said(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["search", *words], prog_name="tocsin")
        assert done.exit_code == code, done.output
        return done.stdout

    return said


def test_one_document_has_the_newest_in_the_order_of_the_log(ask: Any) -> None:
    told = json.loads(ask("--principal", "mallory", "--limit", "3", "--json"))
    assert [event["id"] for event in told["events"]] == ["m17", "m18", "m19"]
    assert told["more"] is True
    assert told["back_to"]


def test_lines_come_the_newest_first_and_all_of_them(ask: Any) -> None:
    lines = ask("--principal", "mallory", "--ndjson").splitlines()
    assert [json.loads(one)["id"] for one in lines] == [f"m{at}" for at in range(19, -1, -1)]


def test_a_text_of_the_target_is_found_whatever_its_case(ask: Any) -> None:
    told = json.loads(ask("--text", "ACME/row-1", "--json"))
    assert [event["id"] for event in told["events"]] == ["m1", *(f"m{at}" for at in range(10, 20))]
    (only,) = json.loads(ask("--tool", "crm://acme/Row-7", "--json"))["events"]
    assert only["id"] == "m7"


def test_a_spreadsheet_takes_nothing_for_a_formula(ask: Any) -> None:
    (row,) = csv.DictReader(io.StringIO(ask("--tenant", "globex", "--csv")))
    assert (row["user"], row["rows"], row["id"]) == (f"'{FORMULA}", "-3", "formula")


def test_nothing_is_told_as_nothing(ask: Any) -> None:
    assert ask("--principal", "nobody") == "nothing fits\n"
    assert ask("--principal", "nobody", "--csv").count("\n") == 1
    assert ask("--principal", "nobody", "--ndjson") == ""
    assert json.loads(ask("--principal", "nobody", "--json"))["events"] == []


@pytest.mark.parametrize("words", [("--csv", "--json"), ("--limit", "1001"), ("--limit", "0")])
def test_what_cannot_be_is_used_wrongly(ask: Any, words: tuple[str, ...]) -> None:
    ask(*words, code=2)


def test_the_index_follows_the_log(searched: Program) -> None:
    """A frame that it rules out is not read."""

    def ruled_out() -> bool:
        return bool(searched.get("/events", principal="never-seen")["frames"] == 0)

    until(ruled_out, "everything is indexed")
    assert [event["id"] for event in searched.get("/events", principal=FORMULA)["events"]] == ["formula"]


def test_a_stream_tells_an_analyst_nothing_of_other_tenants(searched: Program) -> None:
    add_user(searched.data / FILE, 1.0, "wall", "viewer", tenants=("globex",), everything=False, password="")
    token = create_token(searched.data / FILE, time.time(), "wall", 3600.0)[1]
    answer = httpx.get(
        f"{searched.listening()}/api/v1/events/stream", headers={"authorization": f"Bearer {token}"}, timeout=60
    )
    *lines, end = [json.loads(one) for one in answer.text.splitlines()]
    assert [one["event"]["id"] for one in lines if "event" in one] == ["formula"]
    assert all(not one["looked"] for one in lines if "looked" in one)
    assert end["end"].keys() == {"more", "back_to"}
    assert "mallory" not in answer.text
