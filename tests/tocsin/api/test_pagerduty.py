"""An acknowledgement in PagerDuty, and a dead letter that is sent again, in a running Tocsin with small services."""

import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.services.certificates import loopback_certificates
from tests.services.front import Front, unavailable
from tests.services.pagerduty import SmallPagerDuty
from tests.services.webhook import SmallReceiver
from tests.tocsin.lines import guesses
from tests.tocsin.program import Program, until

ROUTING_KEY = "R0123456789ABCDEF0123456789ABCDE"
SECRET = "the subscription's secret"
HOOK = "a secret of sufficient length"


class World:
    """A Tocsin with a pager and a webhook, attacked once; the webhook refused what it was sent."""

    def __init__(self, folder: Path, program: Program, pager: SmallPagerDuty, hook: Front, receiver: SmallReceiver):
        self.folder, self.program, self.pager, self.hook, self.receiver = folder, program, pager, hook, receiver

    def report(self, body: dict[str, Any], secret: str = SECRET, sink: str = "oncall") -> tuple[int, dict[str, Any]]:
        data = json.dumps(body).encode()
        signature = "v1=" + hmac.new(secret.encode(), data, "sha256").hexdigest()
        answer = self.program.http().post(
            f"/v1/pagerduty/{sink}", content=data, headers={"x-pagerduty-signature": signature}
        )
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    certificates = loopback_certificates(folder)
    pager, receiver = SmallPagerDuty(ROUTING_KEY), SmallReceiver(HOOK)
    for name, secret in {"routing-key": ROUTING_KEY, "webhook-secret": SECRET, "hook-secret": HOOK}.items():
        (folder / name).write_text(secret)
    with Front(pager, certificates.server) as paging, Front(receiver, certificates.server) as hook:
        hook.always = unavailable(422)
        sinks = {
            "oncall": {
                "type": "pagerduty",
                "url": paging.url,
                "ca": "authority.pem",
                "routing_key": {"file": "routing-key"},
                "webhook_secret": {"file": "webhook-secret"},
            },
            "tickets": {"type": "webhook", "url": hook.url, "ca": "authority.pem", "secret": {"file": "hook-secret"}},
        }
        with Program(folder, {"sinks": sinks}) as program:
            program.ready()
            program.post(guesses(time.time() - 41))
            program.settled()
            until(lambda: pager.incidents, "a page")
            yield World(folder, program, pager, hook, receiver)


def acknowledged(key: str) -> dict[str, Any]:
    agent = {"id": "PLH1HKV", "summary": "Sam Responder", "type": "user_reference"}
    return {"event": {"event_type": "incident.acknowledged", "agent": agent, "data": {"incident_key": key}}}


def test_whoever_takes_the_page_takes_the_incident(world: World) -> None:
    (page,) = world.pager.incidents
    assert world.report(acknowledged(page.key), secret="another")[0] == 401
    assert world.report(acknowledged(page.key), sink="nosuch")[0] == 401
    assert world.report({"event": 7})[0] == 400
    status, said = world.report(acknowledged("tocsin:0123abcd0123abcd:1"))
    assert (status, said["acknowledged"]) == (202, False)
    assert "no incident" in said["why"]
    status, said = world.report(acknowledged(page.key))
    assert (status, said["acknowledged"]) == (202, True)
    found = world.program.get(f"/incidents/{page.key.split(':')[1]}")
    assert found["incident"]["status"] == "acknowledged"
    assert found["incident"]["acknowledged_by"] == "Sam Responder (PagerDuty)"
    assert world.report(acknowledged(page.key))[1]["acknowledged"] is False, "once is enough"
    until(lambda: page.status == "acknowledged", "the page there")


def test_what_was_refused_is_listed_and_sent_again(world: World, tocsin: Callable[..., Result]) -> None:
    letters = until(lambda: world.program.get("/refused", sink="tickets"), "a dead letter")
    assert "422" in letters[0]["why"]
    at = ("--config", world.program.config, "--data", world.program.data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOCSIN_URL", world.program.listening())
        listed = tocsin("refused", "list", *at)
        assert listed.exit_code == 0, listed.output
        assert "tickets" in listed.stdout
        assert tocsin("refused", "retry", "999999", *at).exit_code == 1
        assert tocsin("refused", "retry", *at).exit_code == 2
        world.hook.always = None
        sent = tocsin("refused", "retry", "all", "--json", *at)
        assert sent.exit_code == 0, sent.output
        assert {letter["sink"] for letter in json.loads(sent.stdout)} == {"tickets"}
        until(lambda: world.receiver.bodies, "what was refused before")
        until(lambda: world.program.get("/refused") == [], "no dead letters")
        assert "no sink has refused anything" in tocsin("refused", "list", *at).stdout
