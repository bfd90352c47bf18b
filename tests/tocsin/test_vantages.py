"""One real session, seen from inside the server, by the proxy in front and by the wrapper around: the same events.

The table says which fields each vantage sees; whatever it sees it tells alike.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError

from collector.proxy.route import Upstream
from tests.audit.serving import serving
from tests.collector.proxy.peers import proxied
from tocsin_audit import AuditMiddleware
from tocsin_audit.event import DECODER, AuditEvent, items, normalise

KEY = "fleet:a key for tests"
SERVER = """
import sys
from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
mcp = FastMCP("crm", version="1.2")

@mcp.tool(annotations={"readOnlyHint": True})
def rows(count: int, cursor: str = "") -> list[dict[str, str]]:
    return [{"tenant_id": "acme"}] * count

@mcp.tool
def delete_row(number: int) -> str:
    raise ToolError("the database is away")

@mcp.resource("crm://{tenant}/customers/{number}")
def customer(tenant: str, number: str) -> str:
    return '{"tenant_id": "acme"}'

@mcp.prompt
def greet() -> str:
    return "hello"

if __name__ == "__main__":
    mcp.run(show_banner=False)
"""

ALWAYS = {
    "kind", "server", "method", "target", "action", "outcome", "reason", "rows", "args_keys", "args_hash",
    "handles_presented", "handles_minted", "protocol", "client_version", "error", "error_code", "manifest",
    "request_id", "bytes_quality", "signals",
}  # fmt: skip
"""What every vantage sees and must tell alike."""
HTTP = {"source_ip", "ip_trust", "user_agent", "session", "auth"}
WIRE = {"request_bytes", "response_bytes"}
SEES = {
    # The middleware knows the SDK's types: what it lists inside of a modern call tells it annotations.
    "middleware": ALWAYS | HTTP | WIRE | {"server_version"},
    "proxy": ALWAYS | HTTP | WIRE | {"server_version"},
    "wrap": ALWAYS | WIRE | {"server_version", "user", "agent", "identity", "auth"},
}
OWN = {"time", "duration_ms", "producer", "run", "seq", "transport", "v", "received", "late", "skewed"}
"""What differs from one run to the next, or says which way it was."""


def module(path: Path) -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "server"}
    exec(compile(path.read_text(), str(path), "exec"), space)  # the test's own server
    return space


async def talk(client: Client[Any]) -> None:
    await client.list_tools()
    await client.call_tool("rows", {"count": 3, "cursor": "cursor-0123456789"})
    for name, arguments in (("delete_row", {"number": 1}), ("nope", {}), ("rows", {"count": "many"})):
        with pytest.raises(ToolError):
            await client.call_tool(name, arguments)
    await client.read_resource("crm://acme/customers/7")
    with pytest.raises(Exception, match="not found"):
        await client.read_resource("other://x")
    await client.get_prompt("greet")


def use(make: Callable[[], Client[Any]], what: Callable[[Client[Any]], Awaitable[None]] = talk) -> None:
    async def session() -> None:
        async with make() as client:
            await what(client)

    asyncio.run(session())


def by_middleware(script: Path, told: Path, mode: str) -> None:
    mcp: FastMCP = module(script)["mcp"]
    audit = AuditMiddleware(mcp, path=told)
    with serving(mcp.http_app()) as url:
        use(lambda: Client(f"{url}/mcp", mode=mode))
    audit.stop()


def by_proxy(script: Path, told: Path, mode: str) -> None:
    mcp: FastMCP = module(script)["mcp"]
    with serving(mcp.http_app()) as behind, proxied(told, Upstream(url=behind, server="crm")) as running:
        use(lambda: Client(f"{running.url}/mcp", mode=mode))


def by_wrap(script: Path, told: Path, mode: str) -> None:
    command = ["-m", "tocsin", "wrap", "--server", "crm", "--events", str(told), "--", sys.executable, str(script)]
    environment = {**os.environ, "FASTMCP_LOG_ENABLED": "false"}

    def make() -> Client[Any]:
        transport = StdioTransport(sys.executable, command, env=environment, keep_alive=False, cwd=str(Path.cwd()))
        return Client(transport, mode=mode)

    use(make)


VANTAGES = {"middleware": by_middleware, "proxy": by_proxy, "wrap": by_wrap}


def events(path: Path) -> list[AuditEvent]:
    told = [normalise(DECODER.decode(line)) for line in path.read_bytes().splitlines()]
    return [event for event in told if event.kind == "request"]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_every_vantage_tells_the_same_of_what_it_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", KEY)
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    seen: dict[str, list[dict[str, Any]]] = {}
    for vantage, run in VANTAGES.items():
        told = tmp_path / f"{vantage}.ndjson"
        run(script, told, mode)
        seen[vantage] = [_facts(event) for event in events(told)]
    for vantage, told_events in seen.items():
        beyond = {name for event in told_events for name in event} - SEES[vantage] - OWN
        assert beyond == set(), f"{vantage} sees more than the table says"
    wanted = seen["proxy"]
    assert len(wanted) >= 8
    for vantage, told_events in seen.items():
        assert [event["method"] for event in told_events] == [event["method"] for event in wanted], vantage
        for event, other in zip(told_events, wanted, strict=True):
            shared = SEES[vantage] & SEES["proxy"] - {"request_bytes", "response_bytes", "auth", "session"}
            differing = {
                name: (event.get(name), other.get(name)) for name in shared if event.get(name) != other.get(name)
            }
            assert not differing, f"{vantage} and proxy differ on {event['method']}"
            for name in WIRE:
                assert (event.get(name) is None) == (other.get(name) is None), (vantage, event["method"], name)


def _facts(event: AuditEvent) -> dict[str, Any]:
    return {name: bytes(value) if name == "manifest" else value for name, value in items(event)}
