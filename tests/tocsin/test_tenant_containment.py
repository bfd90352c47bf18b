"""Containment by a tenant's own responder within their tenant, and actions that another person approves."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import Result

from tests.alerting.response.test_outside import Side
from tests.tocsin.lines import guesses, line
from tests.tocsin.program import Program, until
from tests.tocsin.test_walls import Analyst
from tocsin.access.operators import FILE, add_user, create_token

ATTACKER, SHARED = "203.0.113.9", "203.0.113.77"
DIRECTORY = {
    "tenants": {"acme": {}, "globex": {}},
    "servers": [{"name": "crm", "tenant": "acme"}, {"name": "search", "shared": True}],
}


class World:
    """A Tocsin with an incident of acme and one of globex, a gateway, and people of different roles."""

    def __init__(self, program: Program, side: Side) -> None:
        self.program, self.side = program, side
        self.acme, self.globex = (Analyst(program, f"{name}-responder", name) for name in ("acme", "globex"))
        self.own = until(lambda: guessed(program, "acme"), "the incident of acme")
        self.others = until(lambda: guessed(program, "globex"), "the incident of globex")

    def token(self, name: str, role: Any) -> str:
        add_user(self.program.data / FILE, 1.0, name, role, everything=True, tenants=(), password="")
        return create_token(self.program.data / FILE, time.time(), name, 3600.0)[1]


def guessed(program: Program, tenant: str) -> str | None:
    """The incident about guesses of a tenant."""
    found = program.get("/incidents", tenant=tenant, family="auth")
    return str(found[0]["id"]) if found else None


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("tenants")
    (folder / "directory.yaml").write_text(json.dumps(DIRECTORY))
    (folder / "key").write_text("k3y")
    with Side() as side:
        threading.Thread(target=side.serve_forever, daemon=True).start()
        request = {"url": f"{side.url}/block/{{{{ value | urlencode }}}}", "headers": {"x-key": "{{ secret.key }}"}}
        action = {"do": request, "secrets": {"key": {"file": "key"}}}
        actions = {"mail": {**action, "tenants": True}, "isolate": {**action, "role": "administrator", "undo": request}}
        settings = {"directory": "directory.yaml", "alerting": {"containment": {"actions": actions, "most": 40}}}
        with Program(folder, settings) as program:
            program.ready()
            now = time.time()
            both = [line(now - 20, user="carol", tenant=tenant, token="k1:00bb") for tenant in ("acme", "globex")]
            alone = [line(now - 19, user="alice", token="k1:00aa"), line(now - 18, user="dave", tenant="globex")]
            its: dict[str, Any] = {"tenant": "globex", "server": "search", "source_ip": SHARED, "user": "globex-victim"}
            program.post([*both, *alone, *guesses(now - 60), *guesses(now - 60, **its)])
            program.settled()
            yield World(program, side)
        side.shutdown()


def deny(world: World, subject: dict[str, str], **more: Any) -> Any:
    return world.acme.ask("POST", f"/incidents/{world.own}/deny", json={"subject": subject, **more})


def test_a_tenants_responder_refuses_within_the_tenant_and_takes_it_back(world: World) -> None:
    made = deny(world, {"source_ip": ATTACKER}, why="guessing")
    assert made.status_code == 201, made.text
    told = made.json()
    assert told["subject"] == {"source_ip": ATTACKER, "tenant": "acme", "server": "crm"}
    assert (told["by"], told["producers"], told["waiting_for"]) == ("acme-responder", None, [])
    assert world.program.get(f"/incidents/{world.own}")["incident"]["status"] == "contained"
    (listed,) = world.acme.ask("GET", "/denials", params={"stopped": "yes"}).json()
    assert (listed["id"], listed["last_accepted"]) == (told["id"], None)
    lifted = world.acme.ask("POST", f"/denials/{told['id']}/lift", json={"why": "over"})
    assert lifted.json()["state"] == "lifted"
    book = world.acme.ask("POST", f"/incidents/{world.own}/runbook/tell-security", json={"note": "they know"})
    assert book.status_code == 200
    assert "acme-responder" in book.text


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ({"source_ip": ATTACKER, "tenant": "globex"}, "not that tenant's"),
        ({"source_ip": ATTACKER, "server": "search"}, "others may share"),
        ({"server": "search", "target": "find"}, "others may share"),
        ({"token": "k1:00bb"}, "not only callers of your tenant"),
        ({"token": "k1:00cc"}, "not only callers of your tenant"),
        ({"user": "dave"}, "not only callers of your tenant"),
        ({"server": "crm"}, "cut off everybody"),
    ],
)
def test_nothing_that_others_may_use_is_refused_by_a_tenants_responder(
    world: World, subject: dict[str, str], says: str
) -> None:
    for dry_run in (True, False):
        answer = deny(world, subject, dry_run=dry_run)
        assert (answer.status_code, says in answer.text) == (400, True), answer.text
        assert "globex" not in answer.text.replace("{'tenant': 'globex'}", "")


def test_a_token_of_the_own_callers_alone_is_refused(world: World) -> None:
    made = deny(world, {"token": "k1:00aa"})
    assert made.json()["subject"] == {"token": "k1:00aa", "tenant": "acme"}
    assert world.acme.ask("POST", f"/denials/{made.json()['id']}/lift", json={}).status_code == 200


def test_denials_of_others_are_not_there_and_those_for_all_are_not_theirs_to_lift(world: World) -> None:
    subject = {"source_ip": SHARED}
    wide = world.program.request("POST", f"/incidents/{world.own}/deny", json={"subject": subject, "by": "root"}).json()
    other = world.program.request(
        "POST", f"/incidents/{world.others}/deny", json={"subject": {"source_ip": "198.51.100.3"}}
    )
    assert {one["id"] for one in world.acme.ask("GET", "/denials").json()} == {wide["id"]}
    assert world.acme.ask("GET", f"/denials/{other.json()['id']}").status_code == 404
    refused = world.acme.ask("POST", f"/denials/{wide['id']}/lift", json={})
    assert (refused.status_code, "not for your tenants alone" in refused.text) == (400, True)
    assert world.acme.ask("POST", f"/incidents/{world.others}/deny", json={"subject": subject}).status_code == 404
    for one in (wide, other.json()):
        world.program.request("POST", f"/denials/{one['id']}/lift", json={})


def test_a_tenants_own_denials_have_an_end_of_their_own(world: World) -> None:
    made = [deny(world, {"source_ip": f"192.0.2.{number}"}) for number in range(11)]
    assert [one.status_code for one in made] == [201] * 10 + [400]
    assert "10 denials hold for acme" in made[-1].text
    for one in made[:10]:
        assert world.acme.ask("POST", f"/denials/{one.json()['id']}/lift", json={}).status_code == 200


def test_an_action_is_for_tenants_where_the_configuration_says_so(world: World) -> None:
    said = {"value": "x", "dry_run": True}
    assert world.acme.ask("POST", f"/incidents/{world.own}/actions/mail", json=said).status_code == 200
    refused = world.acme.ask("POST", f"/incidents/{world.own}/actions/isolate", json=said)
    assert (refused.status_code, "may reach other tenants" in refused.text) == (400, True)


def test_what_takes_a_higher_role_is_asked_for_and_another_person_has_it_done(
    world: World, tocsin: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    responder, administrator = world.token("rita", "responder"), world.token("adam", "administrator")
    monkeypatch.setenv("TOCSIN_URL", world.program.listening())

    def as_(token: str, *words: str) -> Any:
        monkeypatch.setenv("TOCSIN_TOKEN", token)
        ran = tocsin("contain", *words, "--json")
        return json.loads(ran.stdout) if ran.stdout else ran.output

    assert (
        as_(responder, world.own, "--action", "isolate", "--value", "srv 7", "--dry-run")["approval"] == "administrator"
    )
    asked = as_(responder, world.own, "--action", "isolate", "--value", "srv 7")
    assert asked["state"] == "asked"
    assert world.side.asked == []
    (waiting,) = as_(administrator, "asked")
    assert (waiting["action"], waiting["by"], waiting["result"]) == ("isolate", "rita", "srv 7")
    assert "takes the role administrator" in as_(responder, "approve", asked["id"])
    assert as_(administrator, "approve", asked["id"], "-m", "spoke with the owner")["state"] == "done"
    assert [path for _, path, _ in world.side.asked] == ["/block/srv%207"]
    assert "nothing that waits" in as_(administrator, "approve", asked["id"])
    again = as_(responder, world.own, "--action", "isolate", "--value", "srv 7", "--undo")
    assert as_(administrator, "approve", again["id"], "--decline", "-m", "not yet")["state"] == "declined"
    assert len(world.side.asked) == 1
    notes = [entry["note"] for entry in world.program.get(f"/incidents/{world.own}")["timeline"]]
    assert any("isolate asked" in note for note in notes)
    assert any("asked for by rita" in note for note in notes)
    assert any("isolate (undo) declined: not yet" in note for note in notes)


def test_nobody_approves_what_they_asked_for(world: World) -> None:
    # Somebody who was a responder when they asked, and an administrator by the time it is approved.
    token = world.token("ida", "responder")
    headers = {"authorization": f"Bearer {token}"}
    asked = world.program.http().request(
        "POST", f"/api/v1/incidents/{world.own}/actions/isolate", json={"value": "a"}, headers=headers
    )
    answer = world.program.request("POST", f"/approvals/{asked.json()['id']}", json={"by": "ida"})
    assert (answer.status_code, "another person" in answer.text) == (400, True)
    world.program.request("POST", f"/approvals/{asked.json()['id']}", json={"by": "bob", "decline": True})
