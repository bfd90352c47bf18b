"""Working on an incident of a running Tocsin: runbook, evidence, scope, actions, report, precision, by commands."""

import json
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import Result

from tests.tocsin.lines import guesses, line
from tests.tocsin.program import Program, until
from tocsin_audit.fingerprint import fingerprints

ATTACKER = "203.0.113.9"
FLEET_KEY = "k1:a-key-of-the-whole-fleet"
STOLEN = "the-stolen-token"


class _Gateway(BaseHTTPRequestHandler):
    revoked: ClassVar[set[bytes]] = set()

    def _answer(self) -> None:
        body, said = self.rfile.read(int(self.headers.get("content-length", 0))), b""
        good = self.headers.get("x-key") == "k3y" or self.headers.get("authorization", "").startswith("Basic ")
        if self.path == "/revoke":
            self.revoked.add(body)
        elif self.path == "/introspect":
            said = b'{"active": %s}' % (b"false" if body in self.revoked else b"true")
        self.send_response(200 if good else 403)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = _answer  # noqa: N815  # the name that http.server asks for
    do_GET = _answer  # noqa: N815  # the name that http.server asks for

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Gateway) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def worked_on(tmp_path_factory: pytest.TempPathFactory, gateway: str) -> Iterator[tuple[Program, str]]:
    """A Tocsin that saw guesses from an address which also read something, and the id of the incident."""
    folder = tmp_path_factory.mktemp("response")
    (folder / "key").write_text("k3y\n")
    request = {"url": f"{gateway}/block/{{{{ source_ip | urlencode }}}}", "headers": {"x-key": "{{ secret.key }}"}}
    actions = {
        "block": {
            "do": request,
            "verify": {**request, "method": "GET"},
            "undo": {**request, "url": f"{gateway}/free"},
            "secrets": {"key": {"file": str(folder / "key")}},
        },
        "broken": {"do": {"url": f"{gateway}/block"}},
    }
    (folder / "fleet").write_text(f"{FLEET_KEY}\n")
    endpoints = {"revoke": f"{gateway}/revoke", "introspect": f"{gateway}/introspect"}
    idp = {**endpoints, "client_id": "tocsin", "client_secret": {"file": str(folder / "key")}}
    settings = {
        "alerting": {"containment": {"actions": actions, "issuers": {"idp": idp}}},
        "privacy": {"fingerprint_key": {"file": str(folder / "fleet")}},
    }
    with Program(folder / "tocsin", settings) as running:
        running.ready()
        now = time.time()
        others = [line(now - 90 + at, user="bob", source_ip=ATTACKER, rows=7) for at in range(3)]
        tools = line(now - 95, method="tools/list", target=None, manifest={"count": 1, "tools": {"find": "ab12"}})
        mine = [line(now - 60 + at, user="victim", source_ip=ATTACKER, rows=5) for at in range(2)]
        mine[1]["token"] = fingerprints(FLEET_KEY, b"").of(STOLEN)
        running.post([tools, *others, *mine, *guesses(now - 41, source_ip=ATTACKER)])
        running.settled()
        incident = until(lambda: next(iter(running.get("/incidents")), None), "an incident")
        yield running, incident["id"]


@pytest.fixture
def operator(
    tocsin: Callable[..., Result], worked_on: tuple[Program, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Calls a command as the operator of the running Tocsin."""
    program, _ = worked_on
    monkeypatch.setenv("TOCSIN_URL", program.listening())
    monkeypatch.setenv("TOCSIN_TOKEN", (program.data / "token").read_text().strip())
    return tocsin


def test_evidence_is_sealed_taken_and_verified_anywhere(
    operator: Callable[..., Result], worked_on: tuple[Program, str], tmp_path: Path
) -> None:
    program, id_ = worked_on
    until(lambda: program.request("GET", f"/incidents/{id_}/evidence").is_success, "the evidence is sealed")
    taken = operator("incident", "evidence", id_[:12], "--out", "e.zip", "--json")
    assert taken.exit_code == 0, taken.output
    manifest = json.loads(taken.stdout)["manifest"]
    checked = operator("verify", "e.zip", "--json")
    assert checked.exit_code == 0, checked.output
    told = json.loads(checked.stdout)
    assert (told["ok"], told["digest"], told["incident"]) == (True, manifest, id_)
    assert {"events.ndjson", "findings.ndjson", "decisions.ndjson", "directory.json", "tools.ndjson"} <= set(
        told["files"]
    )
    assert told["files"]["events.ndjson"] > 1000
    assert told["files"]["tools.ndjson"] > 50
    notes = [entry["note"] for entry in program.get(f"/incidents/{id_}")["timeline"]]
    assert any(manifest in note for note in notes)
    (tmp_path / "cut.zip").write_bytes((tmp_path / "e.zip").read_bytes()[:-30])
    broken = operator("verify", "cut.zip")
    assert broken.exit_code != 0


def test_the_scope_says_what_was_touched_and_who_else_came_from_there(
    operator: Callable[..., Result], worked_on: tuple[Program, str]
) -> None:
    _, id_ = worked_on
    told = operator("incident", "scope", id_, "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["about"] == {"user": "victim"}
    assert (found["accepted"], found["rows"], found["complete"]) == (2, 10, True)
    assert found["others"]["source_ip"][ATTACKER] == {"user bob": 3}
    shown = operator("incident", "scope", id_[:8])
    assert "2 accepted" in shown.stdout
    assert f"others with source_ip {ATTACKER}: bob (3)" in shown.stdout


def test_a_runbook_is_worked_on_with_every_query_run(
    operator: Callable[..., Result], worked_on: tuple[Program, str]
) -> None:
    program, id_ = worked_on
    until(lambda: program.request("GET", f"/incidents/{id_}/evidence").is_success, "the evidence is sealed")
    book = json.loads(operator("incident", "runbook", id_, "--json").stdout)
    steps = [step for phase in book["phases"] for step in phase["steps"]]
    assert "refuse-source" in {step["id"] for step in steps}, "its condition holds"
    queries = [step for step in steps if step["query"]]
    assert len(queries) >= 5
    for step in queries:
        ran = operator("incident", "runbook", id_, "--run", step["id"])
        assert ran.exit_code == 0, (step["query"], ran.output)
    done = operator("incident", "runbook", id_, "--done", "tell-security", "-m", "they know")
    assert "[x] tell-security" in done.stdout
    twice = operator("incident", "runbook", id_, "--done", "tell-security")
    assert (twice.exit_code, "was done by" in twice.output) == (1, True)
    assert operator("incident", "runbook", id_, "--skip", "inform-affected").exit_code == 1
    unknown = operator("incident", "runbook", id_, "--done", "no-such-step")
    assert "there is no step" in unknown.output
    planned = operator("incident", "runbook", id_, "--plan", "fix-cause", "--owner", "kim", "--due", "14d")
    assert "kim" in planned.stdout
    person = operator("incident", "runbook", id_, "--run", "inform-affected")
    assert (person.exit_code, "for a person" in person.output) == (1, True)


def test_a_step_can_refuse_the_source_and_lifting_takes_it_back(
    operator: Callable[..., Result], worked_on: tuple[Program, str]
) -> None:
    program, id_ = worked_on
    asked = operator("incident", "runbook", id_, "--run", "refuse-source", "--yes")
    assert asked.exit_code == 0, asked.output
    (denial,) = program.get("/denials", incident=id_)
    assert denial["subject"] == {"source_ip": ATTACKER}
    listed = operator("contain", "list", "--stopped")
    assert "0 of 0 producers" in " ".join(listed.stdout.split())
    assert "no accepted call" in " ".join(listed.stdout.split())
    assert operator("contain", "lift", denial["id"][:12], "-m", "done").exit_code == 0
    assert "nobody is refused" in operator("contain", "list").stdout


def test_an_action_elsewhere_is_tried_done_verified_and_taken_back(
    operator: Callable[..., Result], worked_on: tuple[Program, str]
) -> None:
    program, id_ = worked_on
    dry = json.loads(operator("contain", id_, "--action", "block", "--dry-run", "--json").stdout)
    assert dry["request"]["url"].endswith(f"/block/{ATTACKER}")
    assert dry["request"]["headers"] == {"x-key": "(secret)"}
    done = operator("contain", id_, "--action", "block", "--json")
    assert (done.exit_code, json.loads(done.stdout)["state"]) == (0, "verified")
    undone = json.loads(operator("contain", id_, "--action", "block", "--undo", "--json").stdout)
    assert undone["state"] == "undone"
    failed = operator("contain", id_, "--action", "broken")
    assert (failed.exit_code, "failed: HTTP 403" in failed.stdout) == (1, True)
    missing = operator("contain", id_, "--action", "blok")
    assert "did you mean 'block'" in missing.output
    notes = [entry["note"] for entry in program.get(f"/incidents/{id_}")["timeline"] if entry["change"] == "action"]
    assert {"block verified: HTTP 200:", "block (undo) undone: HTTP 200:"} <= {note.strip() for note in notes}


def test_a_token_is_revoked_and_checked_and_whose_it_was_stands_in_the_timeline(
    operator: Callable[..., Result], worked_on: tuple[Program, str], tmp_path: Path
) -> None:
    program, id_ = worked_on
    assert "the token comes from a file" in operator("contain", id_, "--revoke", "idp").output
    (tmp_path / "other").write_text("somebody-elses\n")
    (tmp_path / "stolen").write_text(f"{STOLEN}\n")
    other = operator("contain", id_, "--revoke", "idp", "--token-file", "other", "--json")
    told = json.loads(other.stdout)
    assert told["state"] == "verified"
    assert "was seen in the last day: is it the right one?" in told["result"]
    stolen = operator("contain", id_, "--revoke", "idp", "--token-file", "stolen")
    assert stolen.exit_code == 0, stolen.output
    assert "it is no longer active" in stolen.stdout
    timeline = json.dumps(program.get(f"/incidents/{id_}")["timeline"])
    assert f"it is {fingerprints(FLEET_KEY, b'').of(STOLEN)}, last used by victim from {ATTACKER}" in timeline
    assert STOLEN not in timeline


def test_a_report_tells_it_to_those_who_were_not_there(
    operator: Callable[..., Result], worked_on: tuple[Program, str], tmp_path: Path
) -> None:
    _, id_ = worked_on
    for name in ("r.md", "r.html"):
        made = operator("report", "incident", id_, "--out", name)
        assert made.exit_code == 0, made.output
        text = (tmp_path / name).read_text()
        for words in ("Root cause", "Scope", "GDPR, article 33", "NIS2", "Timeline", "Left to do", "brute"):
            assert words in text, (name, words)
    assert "<script" not in (tmp_path / "r.html").read_text()
    assert operator("report", "incident", id_, "--format", "pdf").exit_code == 1


def test_a_verdict_takes_a_root_cause_and_counts_for_precision(
    operator: Callable[..., Result], worked_on: tuple[Program, str]
) -> None:
    _, id_ = worked_on
    refused = operator("incident", "close", id_, "--verdict", "true")
    assert "--root-cause" in refused.output
    closed = operator("incident", "close", id_, "--verdict", "true", "--root-cause", "a weak password")
    assert closed.exit_code == 0, closed.output
    told = json.loads(operator("report", "precision", "--json").stdout)
    (row,) = [one for one in told["detectors"] if one["name"] == "failed_auth"]
    assert (row["true"], row["precision"]) == (1, 1.0)
    assert "a weak password" in operator("report", "incident", id_).stdout
    assert "failed" in operator("report", "precision").stdout
    left = operator("report", "follow-ups")
    assert (left.exit_code, "take one on" in left.stdout) == (0, True), left.output
    listed = json.loads(operator("report", "follow-ups", "--owner", "nobody", "--json").stdout)
    assert {one["incident"] for one in listed} == {id_}
    assert "nothing is left to do of that kind" in operator("report", "follow-ups", "--late").stdout
    operator("incident", "reopen", id_)


def test_no_query_of_a_runbook_needs_a_shell() -> None:
    from alerting.runbook import Runbooks, shipped

    books = Runbooks()
    for name in shipped():
        if name.startswith("_"):
            continue
        for _, steps in books[name].phases():
            for step in steps:
                for command in (step.query, step.action):
                    assert not command or not set("|;&<>$`") & set(command.replace("{{", "").replace("}}", "")), command
                    assert not command or shlex.split(command)[0] == "tocsin"
