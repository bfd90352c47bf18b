"""`/api/v1`: what operators ask and do, and what strangers try."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.tocsin.lines import guesses, line
from tests.tocsin.program import Program, until

ROUTES = (
    ("GET", "/status"),
    ("GET", "/incidents"),
    ("GET", "/incidents/0123abcd"),
    ("GET", "/incidents/0123abcd/why"),
    ("POST", "/incidents/0123abcd/ack"),
    ("GET", "/events"),
    ("GET", "/why-not"),
    ("GET", "/refused"),
    ("POST", "/refused/retry"),
)


@pytest.fixture(scope="module")
def attacked(program: Program) -> Program:
    """A Tocsin that has seen a brute force at acme and a leak each at acme and globex."""
    now = time.time()
    program.post(
        [
            *guesses(now - 41),
            line(now, id="later"),
            line(now, user="reader", resource_tenants=["globex"]),
            line(now, user="other", tenant="globex", resource_tenants=["acme"], server="erp"),
        ]
    )
    program.settled()
    return program


def incident(program: Program, **query: Any) -> dict[str, Any]:
    found: list[dict[str, Any]] = program.get("/incidents", state="all", **query)
    return found[0]


# Who may ask


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_asks_for_the_operators_token(program: Program, method: str, path: str) -> None:
    key = (program.data / "first-collector-key").read_text().strip()
    token = (program.data / "token").read_text().strip()
    wrong = ["", "Bearer", "Bearer x", token, f"Bearer {key}", f"Basic {token}", f"Bearer {token}x", "Bearer \xe9"]
    for said in wrong:
        headers = {b"authorization": said.encode("latin-1")} if said else {}
        answer = program.http().request(method, f"/api/v1{path}", headers=headers)
        assert answer.status_code == 401, said
        assert answer.json().keys() == {"error", "hint"}
        assert token not in answer.text


@pytest.mark.parametrize("path", ["/v1/events", "/v1/producer"])
def test_the_operators_token_is_no_collector_key(program: Program, path: str) -> None:
    token = (program.data / "token").read_text().strip()
    method = "POST" if path == "/v1/events" else "GET"
    answer = program.http().request(method, path, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_another_method_is_not_allowed(program: Program) -> None:
    assert program.request("POST", "/incidents").status_code == 405
    assert program.request("GET", "/incidents/0123abcd/ack").status_code == 405


# What they are told


def test_status_says_where_every_stage_stands(attacked: Program) -> None:
    status = attacked.settled()
    assert status["ready"]
    assert status["accepted"] == 43
    assert status["findings"] >= 3
    assert status["problems"] == {}
    assert status["detectors"] == ["audit_gap", "cross_tenant", "data_volume", "failed_auth", "outlier"]


def test_incidents_are_listed_by_what_is_asked_for(attacked: Program) -> None:
    # What the tests of the door did to Tocsin itself is an incident of no tenant.
    everything = [one for one in attacked.get("/incidents") if one.get("tenant")]
    assert len(everything) == 3
    assert [one["updated"] for one in everything] == sorted((one["updated"] for one in everything), reverse=True)
    asked: list[tuple[dict[str, Any], int]] = [
        ({"tenant": "acme"}, 2),
        ({"family": "auth"}, 1),
        ({"severity": "critical"}, 2),
        ({"entity": "reader"}, 1),
        ({"entity": "nobody"}, 0),
        ({"since": "1h"}, 3),
        ({"since": "2999-01-01"}, 0),
        ({"limit": 1}, 1),
        ({"state": "ended"}, 0),
        ({"state": "open", "tenant": "globex", "family": "tenant"}, 1),
    ]
    for query, number in asked:
        found = attacked.get("/incidents", **query)
        assert len([one for one in found if one.get("tenant") or "limit" in query]) == number, query


def test_one_incident_is_told_whole(attacked: Program) -> None:
    id_ = incident(attacked, family="auth")["id"]
    told = attacked.get(f"/incidents/{id_[:8]}")
    keys = {"incident", "clocks", "findings", "timeline", "decisions", "deliveries", "links", "runbook"}
    assert told.keys() == keys
    assert {finding["class"] for finding in told["findings"]} == {"brute"}
    assert told["timeline"][0]["change"] == "opened"
    assert told["runbook"]["lines"]
    why = attacked.get(f"/incidents/{id_}/why")
    assert [decision["reason"] for decision in why["decisions"]]


def test_events_are_searched_and_bounds_are_moments(attacked: Program) -> None:
    assert len(attacked.get("/events", principal="victim")["events"]) == 40
    answer = attacked.get("/events", principal="victim", since="1h", limit=5)
    assert (len(answer["events"]), answer["more"]) == (5, True)
    assert attacked.get("/events", until="2h")["events"] == []
    (later,) = attacked.get("/events", id="later")["events"]
    assert later["id"] == "later"
    assert len(attacked.get("/events", tenant="globex", server="erp", outcome="ok")["events"]) == 1


# What they do


def test_an_incident_lives_by_acts_and_an_act_out_of_place_is_refused_with_the_reason(attacked: Program) -> None:
    id_ = incident(attacked, entity="reader")["id"]

    def act(name: str, **body: Any) -> httpx.Response:
        return attacked.request("POST", f"/incidents/{id_[:10]}/{name}", json={"by": "eve", **body})

    taken = act("ack", note="looking")
    assert (taken.status_code, taken.json()["status"]) == (200, "acknowledged")
    again = act("ack")
    assert again.status_code == 400
    assert again.json()["error"]
    assert act("close").status_code == 400, "a verdict is missing"
    assert act("close", verdict="perhaps").status_code == 400
    assert act("resolve").json()["status"] == "resolved"
    assert "root cause" in act("close", verdict="true").json()["error"]
    closed = act("close", verdict="true", note="token revoked", root_cause="a leaked key")
    assert closed.json()["status"] == "closed"
    assert id_ not in {one["id"] for one in attacked.get("/incidents")}
    assert act("reopen").json()["status"] == "open"
    timeline = attacked.get(f"/incidents/{id_}")["timeline"]
    assert [entry["change"] for entry in timeline][-4:] == ["acknowledged", "resolved", "closed", "reopened"]
    assert [entry["by"] for entry in timeline][-4:] == ["eve"] * 4
    assert "looking" in {entry["note"] for entry in timeline}


def test_an_act_without_a_body_is_the_operators(attacked: Program) -> None:
    id_ = incident(attacked, entity="other")["id"]
    assert attacked.request("POST", f"/incidents/{id_}/ack").json()["status"] == "acknowledged"
    assert attacked.get(f"/incidents/{id_}")["timeline"][-1]["by"] == "operator"


def test_acts_survive_a_kill(attacked: Program) -> None:
    """Not the shared one: it is killed."""
    folder = attacked.folder.with_name("killed")
    with Program(folder) as program:
        program.ready().post([line(time.time(), user="reader", resource_tenants=["globex"])])
        program.settled()
        id_ = incident(program)["id"]
        assert program.request("POST", f"/incidents/{id_}/close", json={"verdict": "benign"}).is_success
        program.kill()
    with Program(folder) as again:
        again.ready()
        until(lambda: incident(again)["status"] == "closed", "it is still closed")
        changes = [entry["change"] for entry in again.get(f"/incidents/{id_}")["timeline"]]
        assert [change for change in changes if change != "evidence"] == ["opened", "closed"]


# What strangers try


@pytest.mark.parametrize("id_", ["0", "zzzz", "0123", "'; --", "..%2f..%2fetc", "%00%00%00%00", "f" * 5000, "é" * 10])
def test_a_wrong_id_is_told(program: Program, id_: str) -> None:
    for path in (f"/incidents/{id_}", f"/incidents/{id_}/why"):
        answer = program.request("GET", path)
        assert answer.status_code in (400, 404)
    assert program.request("POST", f"/incidents/{id_}/ack").status_code in (400, 404)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/incidents", {"severity": "huge"}),
        ("/incidents", {"state": "ajar"}),
        ("/incidents", {"limit": "0"}),
        ("/incidents", {"limit": "-1"}),
        ("/incidents", {"limit": "9" * 6000}),
        ("/incidents", {"since": "yesterday"}),
        ("/events", {"limit": "1001"}),
        ("/events", {"limit": "1e3"}),
        ("/events", {"since": "2026-13-01"}),
        ("/events", {"since": "9" * 400 + "d"}),
        ("/events", {"until": "\x00"}),
        ("/events", {"since": "9" * 4000 + "w"}),
    ],
)
def test_a_wrong_question_is_told(program: Program, path: str, query: dict[str, str]) -> None:
    answer = program.request("GET", path, params=query)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert len(answer.text) < 500


@pytest.mark.parametrize("since", ["0001-01-01", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "90000w"])
def test_a_moment_at_the_end_of_time_is_one(program: Program, since: str) -> None:
    for path in ("/events", "/incidents"):
        assert program.request("GET", path, params={"since": since}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b"null",
        b'{"x":' + b"[" * 20_000,
        b"\xff\xfe",
        b'{"by": "\\ud800"}',
        b'{"by": {"$ne": 1}, "verdict": [1]}',
    ],
)
def test_a_body_that_makes_no_sense_is_refused(attacked: Program, body: bytes) -> None:
    before = incident(attacked, family="auth")
    answer = attacked.request("POST", f"/incidents/{before['id']}/close", content=body)
    assert answer.status_code == 400
    assert incident(attacked, family="auth") == before


def test_a_body_that_is_too_large_is_refused(attacked: Program) -> None:
    id_ = incident(attacked, family="auth")["id"]
    body = json.dumps({"note": "x" * 5_000_000})
    assert attacked.request("POST", f"/incidents/{id_}/close", content=body).status_code == 413


def test_what_is_noted_is_kept_as_plain_bounded_text(attacked: Program) -> None:
    program = attacked
    id_ = incident(program, family="auth")["id"]
    note = 'a\u202eb\x1b[31m\n<script>"' + "x" * 10_000
    body = json.dumps({"by": "e\nve" + "y" * 500, "note": note})
    answer = program.request("POST", f"/incidents/{id_}/ack", content=body)
    assert answer.status_code == 200
    entry = program.get(f"/incidents/{id_}")["timeline"][-1]
    assert entry["change"] == "acknowledged"
    assert len(entry["note"]) <= 2000
    assert len(entry["by"]) <= 100
    for character in "\u202e\x1b\n":
        assert character not in entry["note"]
    assert "\n" not in entry["by"]


def test_an_act_that_does_not_exist_is_told(program: Program) -> None:
    answer = program.request("POST", "/incidents/0123abcd/explode")
    assert answer.status_code == 404
    assert "ack" in answer.json()["hint"]


def test_after_all_that_it_runs_without_a_fault(program: Program) -> None:
    assert program.http().get("/readyz").is_success
    assert "Traceback" not in program.said()
