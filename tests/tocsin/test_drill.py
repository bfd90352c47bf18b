"""Drills of a running Tocsin with a small pager and a small receiver of webhooks, by the command."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import Result

from tests.services.certificates import loopback_certificates
from tests.services.front import Front, unavailable
from tests.services.pagerduty import SmallPagerDuty
from tests.services.webhook import SmallReceiver
from tests.tocsin.lines import line
from tests.tocsin.program import Program, until
from tests.tocsin.test_walls import Analyst

ROUTING_KEY = "R0123456789ABCDEF0123456789ABCDE"
HOOK = "a secret of sufficient length"


class World:
    """A Tocsin whose findings go to a pager, a webhook, and one more webhook that can be out of order."""

    def __init__(self, program: Program, pager: SmallPagerDuty, hook: SmallReceiver, shaky: Front) -> None:
        self.program, self.pager, self.hook, self.shaky = program, pager, hook, shaky


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("drills")
    certificates = loopback_certificates(folder)
    pager, hook, other = SmallPagerDuty(ROUTING_KEY), SmallReceiver(HOOK), SmallReceiver(HOOK)
    (folder / "routing-key").write_text(ROUTING_KEY)
    (folder / "hook-secret").write_text(HOOK)
    with (
        Front(pager, certificates.server) as paging,
        Front(hook, certificates.server) as hooked,
        Front(other, certificates.server) as shaky,
    ):
        to = {"ca": "authority.pem", "secret": {"file": "hook-secret"}, "type": "webhook"}
        sinks = {
            "oncall": {
                "type": "pagerduty",
                "url": paging.url,
                "ca": "authority.pem",
                "routing_key": {"file": "routing-key"},
            },
            "tickets": {"url": hooked.url, **to},
            "archive": {"url": shaky.url, **to},
        }
        receivers = {"soc": {"sinks": ["oncall", "tickets"]}, "audit": {"sinks": ["archive"]}}
        routes = {
            "receiver": "soc",
            "routes": [
                {"match": ["class=canary"], "receiver": "audit"},
                {"match": ["tenant=globex"], "receiver": "audit"},
            ],
        }
        alerting = {"receivers": receivers, "routes": routes, "budget": {"pages": 1}}
        with Program(folder, {"sinks": sinks, "alerting": alerting}) as program:
            yield World(program.ready(), pager, hook, shaky)


@pytest.fixture
def drill(
    tocsin: Callable[..., Result], world: World, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Runs a drill as an operator of that Tocsin; its exit code and what it told."""
    monkeypatch.setenv("TOCSIN_URL", world.program.listening())
    monkeypatch.setenv("TOCSIN_TOKEN", (world.program.data / "token").read_text().strip())

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        ran = tocsin("drill", *words, "--json")
        assert ran.stdout, ran.output
        return ran.exit_code, json.loads(ran.stdout)

    return run


def steps(told: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [step for step in told["steps"] if step["step"] == name]


def test_a_drill_shows_its_way_wakes_nobody_and_is_over_at_its_end(world: World, drill: Any) -> None:
    code, told = drill("spray", "--tenant", "acme")
    assert (code, told["ok"], told["failed"]) == (0, True, [])
    names = [step["step"] for step in told["steps"]]
    assert names[:4] == ["clock", "stored", "decided", "routed"]
    assert [one["receiver"] for one in steps(told, "routed")[0]["receivers"]] == ["soc"]
    by_sink = {(step["sink"], step.get("change")): step for step in steps(told, "delivered")}
    assert by_sink["tickets", "opened"]["state"] == "done"
    assert by_sink["tickets", "opened"]["receivers"] == ["soc"]
    assert by_sink["oncall", None]["state"] == "not tried"
    assert by_sink["tickets", "resolved"]["state"] == "done"
    seconds = [step["seconds"] for step in told["steps"] if step["step"] in ("clock", "stored", "decided", "routed")]
    assert seconds == sorted(seconds)
    incident = world.program.get(f"/incidents/{told['incident']}")
    assert incident["incident"]["status"] == "resolved"
    assert incident["incident"]["classes"] == ["drill"]
    assert "spray" in incident["runbook"]["title"].lower()
    arrived = [body for body in world.hook.bodies if body["incident"]["id"] == told["incident"]]
    assert [body["change"] for body in arrived] == ["opened", "resolved"]
    assert all("DRILL: a rehearsal of spray" in body["title"] for body in arrived)
    assert world.pager.received == []


def test_a_drill_says_where_the_real_thing_would_go_instead(drill: Any) -> None:
    _, told = drill("canary")
    (step,) = steps(told, "route of the real thing")
    assert step["receivers"] == ["audit"]


def test_a_drill_can_wake_somebody_who_takes_it(world: World, drill: Any) -> None:
    told: list[Any] = []
    running = threading.Thread(target=lambda: told.append(drill("brute", "--page", "--acknowledge", "5m")))
    running.start()
    until(lambda: [one for one in world.pager.incidents if one.status == "triggered"], "somebody is woken")
    (mine,) = [one for one in world.program.get("/incidents") if one["family"] == "drill"]
    world.program.request("POST", f"/incidents/{mine['id']}/ack", json={"by": "bob"})
    running.join(250)
    ((code, found),) = told
    assert (code, found["ok"]) == (0, True), found
    assert steps(found, "acknowledged")[0]["by"] == "bob"
    (page,) = world.pager.incidents
    until(lambda: page.status == "resolved", "the page is over, too")


def test_nobody_taking_it_is_a_failure_and_the_drill_is_over_all_the_same(world: World, drill: Any) -> None:
    code, told = drill("--page", "--acknowledge", "0.2s")
    assert (code, told["failed"]) == (1, ["nobody took it"])
    assert world.program.get(f"/incidents/{told['incident']}")["incident"]["status"] == "resolved"


def test_a_dead_sink_is_named_with_its_receiver(world: World, drill: Any, tocsin: Callable[..., Result]) -> None:
    world.shaky.always = unavailable(503)
    code, told = drill("--tenant", "globex", "--wait", "15s")
    assert (code, told["ok"]) == (1, False)
    (why,) = told["failed"]
    assert re.match(r"archive \(audit\): opened, (pending|attempting)", why), why
    assert "503" in why
    assert world.program.get(f"/incidents/{told['incident']}")["incident"]["status"] == "resolved"
    world.shaky.always = unavailable(422)
    shown = tocsin("drill", "--tenant", "globex")
    assert shown.exit_code == 1
    assert "FAILED" in shown.stdout
    world.shaky.always = None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["spary"], "did you mean 'spray'"),
        (["--severity", "loud"], "is no severity"),
        (["--wait", "2h"], "up to 10m"),
    ],
)
def test_what_cannot_be_rehearsed_says_why(
    world: World, drill: Any, tocsin: Callable[..., Result], words: list[str], says: str
) -> None:
    refused = tocsin("drill", *words)
    assert (refused.exit_code, says in refused.output) == (1, True), refused.output


def test_one_tenants_responder_rehearses_for_their_tenant_and_wakes_nobody(world: World) -> None:
    analyst = Analyst(world.program, "acme-responder", "acme")
    for said in ({"tenant": "globex"}, {"page": True}):
        assert analyst.ask("POST", "/drills", json=said).status_code == 400
    answer = analyst.ask("POST", "/drills", json={"class": "brute"})
    result = json.loads(answer.text.splitlines()[-1])["result"]
    assert (result["ok"], result["tenant"]) == (True, "acme")


def test_no_producer_makes_a_drill(world: World) -> None:
    before = {one["id"] for one in world.program.get("/incidents", state="all") if one["family"] == "drill"}
    forged = {"class": "drill", "detector": "drill", "title": "DRILL", "severity": "critical"}
    now = world.program.get("/status")["clock"]
    world.program.post([line(0.0, **{**forged, "time": now, "kind": kind}) for kind in ("drill", "request", "config")])
    world.program.settled()
    after = {one["id"] for one in world.program.get("/incidents", state="all") if one["family"] == "drill"}
    assert after == before
