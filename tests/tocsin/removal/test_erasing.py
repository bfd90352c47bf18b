"""A person asks to be erased, and data grow old: in a running Tocsin, over commands, with proof and restarts."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.tocsin.lines import guesses, line
from tests.tocsin.program import Program, until
from tocsin.cli import app

VICTIM = "https://idp.acme.example|victim"
Tocsin = Callable[..., Any]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A Tocsin in which a person made events and has an incident, beside others."""
    with Program(tmp_path_factory.mktemp("erase"), {"snapshot_seconds": 1}) as program:
        program.ready()
        now = time.time()
        program.post(guesses(now - 60, user=VICTIM))
        program.post([line(now - 30 + at, user="bystander", id=f"b{at}") for at in range(10)])
        program.post([line(now - 5, user="agent-7", on_behalf_of=[VICTIM], id="behalf")])
        program.settled()
        until(lambda: program.get("/incidents", entity=VICTIM), "the incident is there")
        yield program


def asker(program: Program, monkeypatch: pytest.MonkeyPatch) -> Tocsin:
    monkeypatch.setenv("TOCSIN_URL", program.listening())
    monkeypatch.setenv("TOCSIN_TOKEN", (program.data / "token").read_text().strip())

    def said(*words: str, code: int | None = None) -> Any:
        done = CliRunner().invoke(app, [*words, "--json"], prog_name="tocsin")
        assert done.exit_code in ((0, 1) if code is None else (code,)), (done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stderr

    return said


def erase(*more: str) -> tuple[str, ...]:
    return ("erase", "--principal", VICTIM, "--tenant", "acme", "--reason", "DSR-17", *more)


def everywhere(folder: Path) -> set[str]:
    """The files that still have the name in clear, the log's own words aside."""
    return {path.name for path in folder.rglob("*") if path.is_file() and VICTIM.encode() in path.read_bytes()}


def test_a_person_is_erased_and_everything_else_stays_proved(
    attacked: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    tocsin = asker(attacked, monkeypatch)
    (incident,) = [one["id"] for one in attacked.get("/incidents", entity=VICTIM)]
    # While a hold stands nothing of it goes.
    hold = tocsin("hold", "add", "--tenant", "acme", "--principal", VICTIM, "--reason", "CASE-1")
    assert [one["id"] for one in tocsin("hold", "list")] == [hold["id"]]

    def asked() -> Any:
        found = tocsin(*erase(), code=1)
        # What was not sealed yet is waited for, and says so.
        return found if not any("waiting" in step for step in found["steps"]) else None

    told = until(asked, "all of it is old enough to be taken out")
    assert {step["kind"]: step["held"] for step in told["steps"] if "held" in step}["events"] == 40
    assert {step["what"]: step["why"] for step in told["steps"] if step["kind"] == "incident"} == {
        incident: "held: a legal hold keeps it"
    }
    assert len(tocsin("search", "--principal", VICTIM)["events"]) == 40
    tocsin("hold", "lift", hold["id"], "--reason", "CASE-1 closed")
    assert tocsin("hold", "list") == []
    # An open incident is still somebody's work.
    told = tocsin(*erase("--dry-run"), code=1)
    assert [step["why"] for step in told["steps"] if step["kind"] == "incident"] == ["open: close it, and ask again"]
    attacked.request("POST", f"/incidents/{incident}/close", json={"verdict": "false", "note": "a drill"})
    until(lambda: attacked.get(f"/incidents/{incident}")["incident"]["status"] == "closed", "it is closed")
    before = tocsin(*erase("--dry-run"))
    assert len(tocsin("search", "--principal", VICTIM)["events"]) == 40, "a dry run changes nothing"
    # What is not in a snapshot and sealed yet is told; both come within seconds.
    until(lambda: all("waiting" not in step for step in tocsin(*erase("--dry-run"))["steps"]), "nothing is too new")
    assert tocsin(*erase())["removed"] >= 41
    assert tocsin("search", "--principal", VICTIM)["events"] == []
    assert before["removed"] >= 41
    assert attacked.get("/incidents", state="all", entity=VICTIM) == []
    assert [event["id"] for event in tocsin("search", "--principal", "bystander")["events"]] == [
        f"b{at}" for at in range(10)
    ]
    assert tocsin("search", "--principal", "agent-7")["events"] == []
    jobs = tocsin("retention", "show")["jobs"]
    assert jobs[-1]["why"] == "erasure on request"
    assert VICTIM not in json.dumps(jobs)
    # It goes on, also from its snapshot, and the proof holds.
    assert attacked.stop() == 0
    verified = tocsin("verify", str(attacked.data))
    assert (verified["ok"], verified["faults"]) == (True, [])
    assert any(stream["removed"] for stream in verified["ledger"]["streams"])
    assert everywhere(attacked.data / "log") == set()
    with Program(attacked.folder) as again:
        again.ready()
        tocsin = asker(again, monkeypatch)
        assert tocsin("search", "--principal", VICTIM)["events"] == []
        again.post(guesses(time.time() - 60, user=VICTIM))
        again.settled()
        assert len(tocsin("search", "--principal", VICTIM)["events"]) == 40
        assert again.stop() == 0
    assert tocsin("verify", str(attacked.data))["ok"] is True
