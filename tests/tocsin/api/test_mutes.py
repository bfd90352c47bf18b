"""Silences and exceptions of a running Tocsin, by its interface and by its commands."""

import json
import time
from collections.abc import Callable

import pytest
from typer.testing import Result

from tests.tocsin.lines import guesses
from tests.tocsin.program import Program
from tocsin.access.operators import FILE, Role, add_user, create_token, read

WANTED = {"where": ["class=brute", "tenant=acme"], "until": "2h", "owner": "ann", "reason": "OPS-7", "by": "ann"}


@pytest.fixture
def attacked(program: Program) -> Program:
    """A Tocsin that has seen a brute force at acme."""
    if not program.get("/incidents", state="all"):
        program.post(guesses(time.time() - 41))
        program.settled()
    return program


def test_a_silence_is_previewed_made_listed_and_ended(attacked: Program) -> None:
    seen = attacked.request("POST", "/silences/preview", json=WANTED).json()
    assert (seen["findings"] > 0, seen["incidents"]) == (True, 1)
    made = attacked.request("POST", "/silences", json=WANTED)
    assert made.status_code == 201
    record = made.json()
    assert record["state"] == "holding"
    assert record["where"] == WANTED["where"]
    assert record["id"] in [one["id"] for one in attacked.get("/silences")]
    ended = attacked.request("POST", f"/silences/{record['id'][:12]}/end", json={"by": "bob"}).json()
    assert (ended["state"], ended["ended_by"]) == ("ended", "bob")
    assert record["id"] not in [one["id"] for one in attacked.get("/silences")]
    assert record["id"] in [one["id"] for one in attacked.get("/silences", state="all")]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"where": []}, "conditions"),
        ({"where": ["class=brut"]}, "did you mean 'brute'"),
        ({"where": ["class=canary"]}, "must never be silent"),
        ({"until": "soon"}, "no moment"),
        ({"reason": ""}, "a reason"),
        ({"kind": "mute"}, "makes no sense"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(program: Program, change: object, says: str) -> None:
    assert isinstance(change, dict)
    answer = program.request("POST", "/silences", json={**WANTED, **change})
    assert answer.status_code == 400
    assert says in json.dumps(answer.json())
    assert program.request("POST", "/silences/preview", json={**WANTED, **change}).status_code == 400


def test_an_administrator_alone_has_silent_what_must_never_be_and_every_listing_says_so(
    program: Program, tocsin: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_URL", program.listening())
    forced = ("--where", "class=canary", "--for", "5m", "--reason", "OPS-9 moves the canaries", "--force")
    for kind in ("silence", "exception"):
        monkeypatch.setenv("TOCSIN_TOKEN", token(program, "rita", "responder"))
        refused = tocsin(kind, "add", *forced)
        assert (refused.exit_code, f"forcing a {kind} takes the role administrator" in refused.output) == (1, True)
        assert tocsin(kind, "preview", "--where", "class=canary", "--force").exit_code == 0
        monkeypatch.setenv("TOCSIN_TOKEN", token(program, "adam", "administrator"))
        made = tocsin(kind, "add", *forced)
        assert (made.exit_code, "FORCED" in made.output) == (0, True)
        assert "FORCED:" in tocsin(kind, "list").output
        (listed,) = [one for one in program.get("/silences", kind=kind) if one["forced"]]
        assert listed["by"] == "adam"
        assert program.request("POST", f"/silences/{listed['id']}/end", json={}).status_code == 200


def token(program: Program, name: str, role: Role) -> str:
    path = program.data / FILE
    if not path.exists() or name not in [user.name for user in read(path).users]:
        add_user(path, 1.0, name, role, everything=True, tenants=(), password="")
    return create_token(path, time.time(), name, 3600.0)[1]


def test_ending_what_is_not_there_says_so(program: Program) -> None:
    answer = program.request("POST", "/silences/ffffffffffff/end", json={})
    assert answer.status_code == 400
    assert "silence list" in answer.json()["hint"]


def test_the_pilots_report_counts_what_would_have_paged(attacked: Program) -> None:
    told = attacked.get("/pilot", since="1d")
    assert told["findings"] >= 1
    assert told["detectors"][0]["detector"] == "failed_auth"
