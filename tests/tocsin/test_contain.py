"""Containment from finding to refused request: a running Tocsin, a real FastMCP server with the middleware, callers."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier

from tests.audit.serving import serving
from tests.docs.blocks import blocks
from tests.house import ROOT
from tests.tocsin.lines import guesses
from tests.tocsin.program import Program, until
from tocsin.config.whole import load_config
from tocsin.containment.containing import action_of
from tocsin.moments import moment
from tocsin.setup import prepare
from tocsin_audit import AuditMiddleware

ATTACKER, HONEST = "203.0.113.9", "198.51.100.7"
TOKENS = {
    "good-token": {"client_id": "etl", "sub": "alice", "scopes": []},
    "other-token": {"client_id": "bi", "sub": "bob", "scopes": []},
}
AUTOMATIC = {
    "alerting": {
        "containment": {
            "never": ["client=bi"],
            "never_networks": ["10.0.0.0/8"],
            "automatic": [
                {
                    "class": ["brute", "spray", "stuffing", "unauthenticated"],
                    "deny": ["source_ip"],
                    "for": "30m",
                    "actions": ["block"],
                }
            ],
            # Nobody is there: what was approved is attempted, and the timeline says what came of it.
            "actions": {"block": {"do": {"url": "http://127.0.0.1:9/block/{{ source_ip | urlencode }}"}}},
        }
    }
}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows", "arguments": {"count": 2}}}


class Caller:
    """Somebody who calls the MCP server from an address with a token."""

    def __init__(self, url: str, source: str, token: str) -> None:
        self.url = f"{url}/mcp"
        self.source = source
        self.headers = {
            "accept": "application/json, text/event-stream",
            "x-forwarded-for": source,
            "authorization": f"Bearer {token}",
            "mcp-protocol-version": "2025-06-18",
        }

    def call(self, token: str | None = None) -> int:
        """One call; the status of its answer."""
        headers = self.headers | ({"authorization": f"Bearer {token}"} if token is not None else {})
        return httpx.post(self.url, json=CALL, headers=headers, timeout=20).status_code


@contextmanager
def watched(program: Program, folder: Path, producer: str = "crm-1") -> Iterator[str]:
    """A real MCP server whose middleware ships to a running Tocsin; its address."""
    mcp: FastMCP = FastMCP("crm", auth=StaticTokenVerifier(tokens=TOKENS))

    @mcp.tool
    def rows(count: int) -> list[dict[str, str]]:
        return [{"tenant_id": "acme"}] * count

    @mcp.tool
    def columns() -> list[str]:
        return ["tenant_id"]

    audit = AuditMiddleware(
        mcp,
        server="crm",
        producer=producer,
        url=program.listening(),
        key=(program.data / "first-collector-key").read_text().strip(),
        spool=folder / f"spool-{producer}",
        fingerprint_key="fleet:a key for tests",
        trusted_proxies=["127.0.0.1"],
    )
    with serving(mcp.http_app(stateless_http=True, json_response=True)) as url:
        yield url
    audit.stop()


@pytest.fixture
def program_with_approvals(tmp_path: Path) -> Iterator[Program]:
    with Program(tmp_path / "tocsin", AUTOMATIC) as running:
        yield running.ready()


def beats(program: Program, number: int) -> None:
    """Wait until so many producers have sent a sign of life."""

    def alive() -> bool:
        found = program.get("/events", limit=1000)["events"]
        return len({event["producer"] for event in found if event["kind"] == "heartbeat"}) >= number

    until(alive, "the producers are alive", seconds=20)


def test_from_finding_to_refused_request_it_takes_a_second(
    program_with_approvals: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = program_with_approvals
    with watched(program, tmp_path) as url:
        attacker, honest = Caller(url, ATTACKER, "good-token"), Caller(url, HONEST, "good-token")
        assert (attacker.call(), honest.call()) == (200, 200)
        beats(program, 1)
        # The login page tells of guesses; the attacker comes to the MCP server with a token that is good.
        program.post(guesses(time.time() - 41, source_ip=ATTACKER))
        last = time.time()
        until(lambda: attacker.call() == 403, "the attacker is refused")
        refused = time.time()
        assert honest.call() == 200, "nobody else is"
        (denial,) = program.get("/denials")
        assert denial["subject"] == {"source_ip": ATTACKER}
        incident = program.get(f"/incidents/{denial['incident']}")["incident"]
        assert denial["by"] == "tocsin"
        confirmed = until(
            lambda: next((one for one in program.get("/denials") if one["confirmed"]), None), "it is confirmed"
        )
        assert (confirmed["confirmed"], confirmed["producers"]) == (1, 1)
        assert confirmed["confirmed_after_s"] < 5

        def timeline() -> list[str]:
            told = program.get(f"/incidents/{incident['id']}")["timeline"]
            return [f"{entry['change']}: {entry['note']}" for entry in told]

        until(lambda: any("confirmed by 1 of 1 producers" in line for line in timeline()), "the timeline says so")
        assert any("refused until" in line and ATTACKER in line for line in timeline())
        until(lambda: any("action: block failed: no answer" in line for line in timeline()), "the action was tried")
        with capsys.disabled():
            print(
                f"\nfinding to refused request: {refused - moment(incident['opened'], 0.0):.2f} s; "
                f"guesses to refused request: {refused - last:.2f} s; "
                f"refused to confirmed: {confirmed['confirmed_after_s']:.2f} s"
            )
        # It survives the death of Tocsin: the middleware knows it, and a new Tocsin says it again.
        program.kill()
        assert attacker.call() == 403
    program.configure({**AUTOMATIC, "listen": {"port": int(program.listening().rsplit(":", 1)[1])}})
    with Program(program.folder) as again:
        again.ready()
        assert [one["id"] for one in again.get("/denials")] == [denial["id"]]
        with watched(again, tmp_path, "crm-2") as url:
            attacker = Caller(url, ATTACKER, "good-token")
            until(lambda: attacker.call() == 403, "a new server hears of it from a new Tocsin")
            lifted = again.request("POST", f"/denials/{denial['id'][:12]}/lift", json={"by": "ann", "why": "a test"})
            assert (lifted.json()["state"], lifted.json()["lifted_by"]) == ("lifted", "ann")
            until(lambda: attacker.call() == 200, "it was taken back")


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, str, dict[str, Any]]]:
    """A Tocsin with an incident about guesses from one address, and a real server that it watches."""
    folder = tmp_path_factory.mktemp("contained")
    limits = {"alerting": {"containment": {"never": ["client=bi"], "never_networks": ["10.0.0.0/8"], "longest": "2d"}}}
    with Program(folder / "tocsin", limits) as running:
        running.ready()
        running.post(guesses(time.time() - 41, source_ip=ATTACKER))
        incident = until(lambda: next(iter(running.get("/incidents")), None), "an incident")
        with watched(running, folder) as url:
            Caller(url, HONEST, "good-token").call()
            beats(running, 1)
            yield running, url, incident


def deny(program: Program, incident: dict[str, Any], subject: dict[str, str], **more: Any) -> httpx.Response:
    return program.request("POST", f"/incidents/{incident['id']}/deny", json={"subject": subject, "by": "ann", **more})


def test_an_operator_refuses_a_tool_and_takes_it_back(contained: tuple[Program, str, dict[str, Any]]) -> None:
    program, url, incident = contained
    caller = Caller(url, HONEST, "good-token")
    assert caller.call() == 200
    made = deny(program, incident, {"server": "crm", "target": "rows"})
    assert made.status_code == 201, made.text
    until(lambda: caller.call() == 403, "the tool is refused")
    assert caller.call() == 403
    other = {**CALL, "params": {"name": "columns", "arguments": {}}}
    assert httpx.post(caller.url, json=other, headers=caller.headers).status_code == 200
    assert program.get(f"/incidents/{incident['id']}")["incident"]["status"] == "contained"
    id_ = made.json()["id"]
    shown = until(lambda: (one := program.get(f"/denials/{id_}"))["confirmed"] and one, "it is confirmed")
    assert shown["state"] == "holding"
    program.request("POST", f"/denials/{id_}/lift", json={"by": "ann"})
    until(lambda: caller.call() == 200, "the tool works again")
    again = program.request("POST", f"/denials/{id_}/lift", json={"by": "ann"})
    assert (again.status_code, "has ended" in again.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("subject", "more", "says"),
    [
        ({}, {}, "names whom to refuse"),
        ({"color": "red"}, {}, "names whom to refuse"),
        ({"user": "victim"}, {}, "identity is claimed"),
        ({"user": "https://idp.example|somebody"}, {}, "not known to be verified"),
        ({"client": "bi"}, {"force": True, "why": "x"}, "never refused"),
        ({"source_ip": "10.1.2.3"}, {}, "10.0.0.0/8 is never refused"),
        ({"source_ip": "nowhere"}, {}, "no address"),
        ({"server": "crm"}, {}, "cut off everybody"),
        ({"user": "victim"}, {"force": True}, "takes a reason"),
        ({"source_ip": ATTACKER}, {"for": "3d"}, "48 hours at most"),
        ({"source_ip": ATTACKER}, {"for": "soon"}, "no moment"),
    ],
)
def test_what_may_not_be_refused_is_not_and_says_why(
    contained: tuple[Program, str, dict[str, Any]], subject: dict[str, str], more: dict[str, Any], says: str
) -> None:
    program, _, incident = contained
    answer = deny(program, incident, subject, **more)
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["error"]


def test_a_dry_run_says_whom_it_would_hit_and_refuses_nobody(contained: tuple[Program, str, dict[str, Any]]) -> None:
    program, url, incident = contained
    caller = Caller(url, "192.0.2.77", "good-token")
    assert caller.call() == 200

    def tried() -> dict[str, Any]:
        told: dict[str, Any] = deny(program, incident, {"source_ip": "192.0.2.77"}, dry_run=True).json()
        return told

    told = until(lambda: (one := tried())["accepted_calls_24h"] and one, "the call is known")
    assert (told["dry_run"], told["accepted_calls_24h"], told["callers_24h"]) == (True, 1, ["alice"])
    assert caller.call() == 200
    assert not [one for one in program.get("/denials") if one["subject"] == {"source_ip": "192.0.2.77"}]


def test_the_documented_containment_is_one_that_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "k3y")
    block, _ = blocks(ROOT / "docs" / "containment.md", "yaml")
    (tmp_path / "tocsin.yaml").write_text(block)
    rules = prepare(tmp_path / "tocsin.yaml", tmp_path / "data").policies.containment
    (approval,) = rules.approvals
    assert [name for name, _ in approval.actions] == ["block"]


def test_the_documented_ends_of_sessions_are_actions_that_start(tmp_path: Path) -> None:
    _, actions = blocks(ROOT / "docs" / "containment.md", "yaml")
    for name in ("idp-admin-token", "okta-token", "graph-token", "desk-token"):
        (tmp_path / name).write_text("s3cret")
    (tmp_path / "tocsin.yaml").write_text(f"alerting:\n  containment:\n{actions}")
    prepare(tmp_path / "tocsin.yaml", tmp_path / "data")
    loaded = load_config(tmp_path / "tocsin.yaml")
    names = ("end-sessions", "end-sessions-okta", "end-sessions-entra", "ticket")
    urls = [action_of(loaded, name).do.url for name in names]
    assert all("subject" in url for url in urls[:3])
