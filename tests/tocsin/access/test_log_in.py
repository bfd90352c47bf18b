"""Log-ins: tokens and passwords let in whom they should, guessing is slowed down and found by our own detectors."""

import time
from typing import Any

import httpx
import pytest

from tests.tocsin.program import Program, until
from tocsin.access.log_in import WRONG_FROM_ADDRESS
from tocsin.access.operators import FILE, add_user, change_user, create_token, revoke_token
from tocsin.access.passwords import hash_password

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def guarded(program: Program) -> Program:
    """A Tocsin with an operator who has a password."""
    kept = hash_password(PASSWORD)
    add_user(program.data / FILE, 1.0, "ann", "viewer", tenants=("acme",), everything=False, password=kept)
    return program


def as_ann(program: Program, password: str = PASSWORD, name: str = "ann") -> httpx.Response:
    return program.http().get("/api/v1/me", auth=(name, password))


def own_events(program: Program) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program.get("/events", server="tocsin", limit=1000)["events"]
    return found


def test_a_name_and_password_let_in_and_say_who_it_is(guarded: Program) -> None:
    answer = as_ann(guarded)
    assert answer.json() == {"name": "ann", "role": "viewer", "tenants": ["acme"]}
    me = guarded.get("/me")
    assert me == {"name": "operator", "role": "administrator", "tenants": None}


def test_what_is_revoked_disabled_or_expired_is_out_at_once(guarded: Program) -> None:
    path = guarded.data / FILE

    def status(text: str) -> int:
        return guarded.http().get("/api/v1/me", headers={"authorization": f"Bearer {text}"}).status_code

    token, text = create_token(path, time.time(), "ann", 3600.0)
    _, old = create_token(path, time.time() - 7200, "ann", 3600.0)
    assert (status(text), status(old)) == (200, 401)
    change_user(path, "ann", disabled=1.0)
    assert (status(text), as_ann(guarded).status_code) == (401, 401)
    change_user(path, "ann", disabled=None)
    assert status(text) == 200
    revoke_token(path, token.id, 1.0)
    assert status(text) == 401


@pytest.mark.parametrize("said", ["Basic", "Basic !!", "Basic YQ==", "Basic OmE=", "Digest x", "Basic /w=="])
def test_what_is_no_name_and_password_is_refused(guarded: Program, said: str) -> None:
    answer = guarded.http().get("/api/v1/me", headers={"authorization": said})
    assert answer.status_code == 401
    assert answer.json()["hint"]


def test_guessing_is_slowed_down_found_and_opens_an_incident(guarded: Program) -> None:
    began = time.monotonic()
    answers = [as_ann(guarded, f"hunter2 hunter2 {number}").status_code for number in range(40)]
    assert answers[0] == 401
    come_back = WRONG_FROM_ADDRESS * (time.monotonic() - began) / 60
    assert answers.count(401) <= WRONG_FROM_ADDRESS + come_back + 3, "few of them were looked at"

    def throttled() -> httpx.Response | None:
        as_ann(guarded, "hunter2 hunter2")  # spends what came back on a slow machine
        answer = as_ann(guarded)
        return answer if answer.status_code == 429 else None

    refused = until(throttled, "even the right one is refused")
    assert int(refused.headers["retry-after"]) >= 1
    token = create_token(guarded.data / FILE, time.time(), "ann", 3600.0)[1]
    said = {"authorization": f"Bearer {token}"}
    assert guarded.http().get("/api/v1/me", headers=said).status_code == 200, "nobody can lock a token out"

    def attempts() -> list[dict[str, Any]]:
        return [event for event in own_events(guarded) if event.get("user") == "tocsin|ann"]

    until(lambda: len(attempts()) >= 40, "each attempt is an event")
    events = attempts()
    assert {event["outcome"] for event in events} == {"auth_invalid"}
    assert "hunter2" not in str(events)

    def opened() -> list[Any]:
        return [one for one in guarded.get("/incidents", family="auth") if "tocsin|ann" in str(one)]

    until(opened, "guessing at our own door is an incident")
    assert guarded.http().get("/api/v1/incidents", headers=said).json() == [], "it is no tenant's"


def test_keys_that_are_not_good_are_events_too_and_hold_no_secret(guarded: Program) -> None:
    for _ in range(5):
        answer = guarded.http().get("/v1/producer", headers={"authorization": "Bearer tcs_0123456789_secretsecret"})
        assert answer.status_code == 401

    def refused() -> list[dict[str, Any]]:
        return [event for event in own_events(guarded) if event["target"] == "collector"]

    until(lambda: len(refused()) >= 5, "each attempt is an event")
    events = refused()
    assert {event["reason"] for event in events} == {"unknown collector key"}
    assert "secretsecret" not in str(events) + guarded.said()


def test_a_flood_of_attempts_is_no_flood_of_events(guarded: Program) -> None:
    for _ in range(150):
        guarded.http().get("/api/v1/me", headers={"authorization": "Bearer nonsense"})
    guarded.settled()
    assert len(own_events(guarded)) < 140
