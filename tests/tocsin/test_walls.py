"""Walls between tenants: over every route, what one tenant's analyst is told holds nothing of another's."""

import re
import time
from typing import Any

import httpx
import pytest

from tests.tocsin.access.test_authority import FOUND
from tests.tocsin.lines import guesses, line
from tests.tocsin.program import Program
from tocsin.access.authority import rule_of
from tocsin.access.operators import FILE, add_user, create_token
from tocsin_audit.event import rfc3339

MARK = "zzmarker"
"""Stands in every name of the other tenant."""
OTHER = f"{MARK}-corp"
SHARED = "203.0.113.77"
"""An address from which both tenants are attacked."""
REFUSED = {"outcome": "auth_invalid", "auth": "invalid", "identity": "claimed", "reason": "bad password"}
HOURS = {"from": rfc3339(time.time() - 3600), "to": rfc3339(time.time() + 3600)}
"""The same stretch of time in every question that asks for one."""
OWN = [(method, path) for method, path in FOUND if rule_of(method, path).wall == "own"]


class Analyst:
    """An operator of one tenant, who asks over HTTP."""

    def __init__(self, program: Program, name: str, tenant: str) -> None:
        path = program.data / FILE
        add_user(path, 1.0, name, "responder", tenants=(tenant,), everything=False, password="")
        self._token = create_token(path, time.time(), name, 3600.0)[1]
        self._program = program

    def ask(self, method: str, path: str, **said: Any) -> httpx.Response:
        """Ask under `/api/v1`."""
        headers = {"authorization": f"Bearer {self._token}"}
        return self._program.http().request(method, f"/api/v1{path}", headers=headers, **said)


def of_the_other(now: float, name: str = "spy") -> list[dict[str, Any]]:
    """What another tenant does, and what is done to it: every kind of incident there is today."""
    its = {"tenant": OTHER, "server": f"{MARK}-erp", "target": f"{MARK}_tool"}
    who = f"{MARK}-{name}"
    return [
        *guesses(now - 60, 40, user=f"{who}-victim", source_ip="203.0.113.10", **its),
        *[line(now - 50 + at, user=f"{who}-{at}", source_ip=SHARED, **REFUSED, **its) for at in range(30)],
        line(now - 5, user=who, resource_tenants=["initech"], **{**its, "id": f"{MARK}-{name}-{now}"}),
        line(now - 4, user=who, resource_tenants=["acme"], **its),
        line(now - 3, user=f"{who}-2", resource_tenants=["acme"], tenant=OTHER, server="shared"),
        line(now - 3, user=f"{who}-3", resource_tenants=["initech"], tenant=OTHER, server="shared"),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def seeded(program: Program) -> Program:
    """A Tocsin with incidents of acme, of another tenant, and of both."""
    now = time.time()
    program.post(
        [
            *guesses(now - 60),
            *[line(now - 50 + at, user=f"sprayed-{at}", source_ip=SHARED, **REFUSED) for at in range(30)],
            line(now - 9, user="rhea", resource_tenants=[OTHER]),
            line(now - 8, user="clerk", resource_tenants=[OTHER], server="shared"),
            line(now - 7, user="clerk", resource_tenants=["initech"], server="shared"),
            *of_the_other(now),
        ]
    )
    program.settled()
    for tenant in ("acme", OTHER):
        said = {
            "where": [f"tenant={tenant}", "class=novelty"],
            "until": "4h",
            "owner": f"ann-{tenant}",
            "reason": tenant,
        }
        assert program.request("POST", "/silences", json=said).status_code == 201
    return program


@pytest.fixture(scope="module")
def acme(seeded: Program) -> Analyst:
    return Analyst(seeded, "acme-analyst", "acme")


@pytest.fixture(scope="module")
def other(seeded: Program) -> Analyst:
    return Analyst(seeded, "other-analyst", OTHER)


def incidents(program: Program) -> dict[str, Any]:
    """Every incident there is, by id."""
    return {one["id"]: one for one in program.get("/incidents", state="all", limit=1000)}


def everything(program: Program, analyst: Analyst) -> dict[str, Any]:
    """What an analyst is told by every question there is, about every incident there is."""
    told: dict[str, Any] = {}
    for method, path in OWN:
        if method != "GET":
            continue
        places = [path]
        if "{id}" in path:
            places = [path.replace("{id}", id_) for id_ in sorted(incidents(program))]
        asked: list[dict[str, str]] = [{}]
        if "{id}" not in path:
            asked += [{"state": "all", "limit": "1000"}, {"tenant": OTHER, "state": "all"}]
        if path.endswith("/coverage"):
            asked = [HOURS, {**HOURS, "server": "shared"}]
        for place in places:
            for query in asked:
                answer = analyst.ask("GET", place.removeprefix("/api/v1"), params=query)
                assert answer.status_code in (200, 404), answer.text
                told[f"{place} {query}"] = (answer.status_code, answer.text)
    where = [f"tenant={OTHER}", "severity>=notice"]
    for conditions in (["severity>=notice"], where, ["tenant=acme"]):
        body = {"where": conditions, "until": "1h", "owner": "x", "reason": "y"}
        answer = analyst.ask("POST", "/silences/preview", json=body)
        told[f"preview {conditions}"] = (answer.status_code, answer.text)
    return told


def test_the_seed_reaches_every_kind_of_wall(seeded: Program) -> None:
    found = incidents(seeded).values()
    assert {"acme", OTHER} <= {one["tenant"] for one in found}
    assert any(one["tenant"] is None for one in found), "an incident across tenants"
    assert {"auth", "tenant"} <= {one["family"] for one in found if one["tenant"] == OTHER}
    assert any(OTHER in str(one) for one in found if one["tenant"] == "acme"), "an incident about the other's data"


def test_no_answer_holds_a_name_of_another_tenant(seeded: Program, acme: Analyst) -> None:
    told = everything(seeded, acme)
    assert sum(status == 200 for status, _ in told.values()) > 10
    echoed = re.compile(rf'"tenant={OTHER}"|{OTHER}')
    for question, (status, text) in told.items():
        # What somebody asked for themselves may be said back to them in a refusal.
        seen = echoed.sub("", text) if status != 200 else text
        assert MARK not in seen, f"{question}: {text[:2000]}"


def test_what_another_tenant_does_changes_no_answer(seeded: Program, acme: Analyst) -> None:
    def told() -> dict[str, Any]:
        # Risks and clocks fade with time, whoever does something.
        fading = re.compile(r'"points":[0-9.]+|"counted_until":"[^"]*"|counted until [^"]*')
        return {key: (status, fading.sub("", text)) for key, (status, text) in everything(seeded, acme).items()}

    before = told()
    more = [one for one in of_the_other(time.time(), "second") if "acme" not in one.get("resource_tenants", [])]
    seeded.post(more)
    seeded.settled()
    after = {key: answer for key, answer in told().items() if key in before}
    assert after == before


def test_an_incident_of_another_tenant_is_one_that_is_not_there(seeded: Program, acme: Analyst) -> None:
    foreign = [id_ for id_, one in incidents(seeded).items() if one["tenant"] != "acme" and "acme" not in str(one)]
    assert foreign
    mine = next(id_ for id_, one in incidents(seeded).items() if one["tenant"] == "acme")
    for id_ in foreign:
        hidden, missing = acme.ask("GET", f"/incidents/{id_}"), acme.ask("GET", f"/incidents/{'0' * 32}")
        assert (hidden.status_code, missing.status_code) == (404, 404)
        assert hidden.text.replace(id_, "") == missing.text.replace("0" * 32, "")
        for method, path in OWN:
            if method == "POST" and "/incidents/{id}" in path:
                place = path.removeprefix("/api/v1").replace("{id}", id_).replace("{act}", "ack")
                body = {"other": mine, "why": "x", "note": "x", "verdict": "true"}
                assert acme.ask("POST", place, json=body).status_code in (400, 404), place
    assert all(one["status"] == "open" for id_, one in incidents(seeded).items() if id_ in foreign)


def test_each_side_of_an_incident_sees_its_own(seeded: Program, acme: Analyst, other: Analyst) -> None:
    about = {id_: one for id_, one in incidents(seeded).items() if one["entity"].get("user") == "rhea"}
    ((id_, _),) = about.items()
    own = acme.ask("GET", f"/incidents/{id_}").json()
    assert own["incident"]["entity"] == {"user": "rhea", "resource_tenants": "another tenant"}
    assert own["findings"][0]["event_ids"], "the caller's own events are theirs"
    owner = other.ask("GET", f"/incidents/{id_}").json()
    assert owner["incident"]["tenant"] == OTHER
    assert owner["incident"]["entity"] == {"resource_tenants": OTHER}
    assert "another tenant reached your data" in owner["incident"]["title"]
    assert owner["findings"][0]["event_ids"] == []
    for name in ("rhea", "acme", "192.0.2.1"):
        assert name not in str(owner), name
    assert id_ in {one["id"] for one in other.ask("GET", "/incidents").json()}
    assert other.ask("POST", f"/incidents/{id_}/ack", json={}).status_code == 404, (
        "what is done is the caller's tenant's"
    )


def test_events_are_the_own_callers_alone(seeded: Program, acme: Analyst) -> None:
    answer = acme.ask("GET", "/events", params={"limit": 1000}).json()
    assert {event["tenant"] for event in answer["events"]} == {"acme"}
    assert "frames" not in answer
    assert acme.ask("GET", "/events", params={"tenant": OTHER}).json()["events"] == []
    everybody = seeded.get("/events", limit=1000)["events"]
    foreign = next(event for event in everybody if event.get("tenant") == OTHER)
    assert acme.ask("GET", "/events", params={"id": foreign["id"]}).json()["events"] == []


def test_a_silence_is_made_and_ended_for_the_own_tenants_alone(seeded: Program, acme: Analyst) -> None:
    body = {"until": "1h", "owner": "a", "reason": "b"}
    for where in (["class=novelty"], [f"tenant={OTHER}"], [f"tenant=acme,{OTHER}"], ["tenant=*"], ["tenant!=acme"]):
        assert acme.ask("POST", "/silences", json={**body, "where": where}).status_code == 400, where
    made = acme.ask("POST", "/silences", json={**body, "where": ["tenant=acme", "class=novelty"]})
    assert made.status_code == 201, made.text
    assert made.json()["by"] == "acme-analyst"
    theirs = next(one for one in seeded.get("/silences") if OTHER in str(one["where"]))
    assert acme.ask("POST", f"/silences/{theirs['id']}/end", json={}).status_code == 400
    assert acme.ask("POST", f"/silences/{made.json()['id']}/end", json={}).status_code == 200


def test_an_act_carries_the_name_of_who_came_in_whatever_is_said(seeded: Program, acme: Analyst) -> None:
    id_ = next(id_ for id_, one in incidents(seeded).items() if one["tenant"] == "acme" and one["family"] == "auth")
    assert acme.ask("POST", f"/incidents/{id_}/ack", json={"by": "somebody-else"}).status_code == 200
    assert seeded.get(f"/incidents/{id_}")["timeline"][-1]["by"] == "acme-analyst"
