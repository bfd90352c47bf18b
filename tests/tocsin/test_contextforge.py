"""A real ContextForge tells a real Tocsin who came in, signed over HTTP and as CEF and LEEF over syslog."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.services.contextforge import MAIL, PASSWORD, contextforge, gateway_program
from tests.services.run import MissingError, skip_or_fail
from tests.tocsin.program import Program, until
from tocsin.demo.world import free_ports

SECRET = "a secret of thirty-two characters"
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


class Heard(NamedTuple):
    """A running Tocsin, and the port of its syslog."""

    program: Program
    syslog: int


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Heard]:
    try:
        gateway_program()
    except MissingError as error:
        skip_or_fail(error)
    (tmp_path / "secret").write_text(SECRET)
    signed = {"type": "webhook", "format": "contextforge", "secret": {"file": "secret"}, "tenant": "acme"}
    (syslog,) = free_ports(1)
    lines = {"type": "syslog", "port": syslog, "transport": "tcp", "format": "contextforge", "tenant": "acme"}
    with Program(tmp_path, {"inputs": {"gateway": signed, "stranger": signed, "appliances": lines}}) as running:
        yield Heard(running.ready(), syslog)


def test_who_came_in_is_told_three_ways_and_strangers_are_refused(heard: Heard, tmp_path: Path) -> None:
    program, (port,) = heard.program, free_ports(1)
    syslog = {"type": "syslog", "host": "127.0.0.1", "port": heard.syslog, "protocol": "tcp"}
    hooks = f"{program.listening()}/v1/webhooks"
    destinations: list[dict[str, Any]] = [
        {"name": "signed", "type": "webhook", "url": f"{hooks}/gateway", "hmac_secret": SECRET},
        {"name": "forged", "type": "webhook", "url": f"{hooks}/stranger", "hmac_secret": "wrong"},
        {"name": "cef", "format": "cef", **syslog},
        {"name": "leef", "format": "leef", **syslog},
    ]
    with contextforge(port, tmp_path / "gateway", destinations) as url:
        said = httpx.post(f"{url}/auth/login", json={"email": MAIL, "password": PASSWORD}, timeout=100)
        token = said.raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "User-Agent": "claude-code/2.1"}
        assert httpx.get(f"{url}/tools", headers=headers, timeout=100).status_code == 200
        until(lambda: len(_events(program)) >= 3, "the event came three ways", seconds=100)
        until(lambda: _refused(program, "stranger"), "a wrong signature was refused", seconds=100)
    events = _events(program)
    whole = [event for event in events if event.get("user") == MAIL]
    for event in events:
        assert (event["kind"], event["outcome"], event["auth"]) == ("auth", "ok", "valid")
        assert (event["server"], event["tenant"], event["source_ip"]) == ("mcpgateway", "acme", "127.0.0.1")
    assert [(event["identity"], event["user_agent"]) for event in whole] == [("verified", "claude-code/2.1")]
    assert len(events) == 3  # CEF and LEEF say nothing of users whose mail address is hidden
    assert _refused(program, "stranger") == {"signature": _refused(program, "stranger")["signature"]}
    assert _refused(program, "gateway") == {}
    assert _refused(program, "appliances") == {}


def _events(program: Program) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = program.get("/events", since="1h", limit=1000)["events"]
    return [event for event in found if event.get("server") == "mcpgateway"]


def _refused(program: Program, name: str) -> dict[str, int]:
    refused: dict[str, int] = program.get("/status")["inputs"][name]["refused"]
    return refused
