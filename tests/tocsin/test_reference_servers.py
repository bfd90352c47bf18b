"""The published TypeScript reference servers behind the proxy and inside the wrapper, with real clients."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.client.transports import SSETransport, StdioTransport

from collector.proxy.route import Upstream
from tests.audit.serving import serving
from tests.collector.proxy.peers import proxied
from tests.services.reference_servers import everything_over, server_script
from tests.services.run import MissingError, skip_or_fail
from tocsin.demo.world import free_ports
from tocsin_audit.event import DECODER, AuditEvent, normalise

pytestmark = pytest.mark.xdist_group("reference_servers")  # npm's one download is not done twice at once

Talk = Callable[[Client[Any]], Awaitable[None]]


@pytest.fixture(autouse=True)
def reference_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", "fleet:a key for tests")
    monkeypatch.setenv("TOCSIN_SPOOL", str(tmp_path / "spool"))
    try:
        server_script("everything")
    except MissingError as error:
        skip_or_fail(error)


def events(path: Path, method: str | None = None) -> list[AuditEvent]:
    told = [normalise(DECODER.decode(line)) for line in path.read_bytes().splitlines()]
    return [event for event in told if event.kind == "request" and (method is None or event.method == method)]


def wrapped(path: Path, server: str, *arguments: str, talk: Talk, **environment: str) -> None:
    words = ["-m", "tocsin", "wrap", "--server", server, "--events", str(path), "--"]
    command = [*words, "node", server_script(server), *arguments]

    async def use() -> None:
        transport = StdioTransport(
            sys.executable, command, env={**os.environ, **environment}, keep_alive=False, cwd=str(Path.cwd())
        )
        async with Client(transport) as client:
            await talk(client)

    asyncio.run(use())


async def use_everything(client: Client[Any]) -> None:
    assert len(await client.list_tools()) > 5
    (said,) = (await client.call_tool("echo", {"message": "hello"})).content
    assert getattr(said, "text", None) == "Echo: hello"
    await client.call_tool("get-structured-content", {"location": "Chicago"})
    with pytest.raises(Exception, match=r"(?i)not found|unknown"):
        await client.call_tool("no-such-tool", {})
    await client.get_prompt("simple-prompt")


def check_everything(path: Path, transport: str) -> None:
    calls = [(event.target, event.outcome, event.rows) for event in events(path, "tools/call")]
    assert calls == [
        ("echo", "ok", 1),
        ("get-structured-content", "ok", 1),
        ("no-such-tool", "not_found", None),
    ]
    (greeting,) = events(path, "initialize")
    assert (greeting.protocol, greeting.outcome, greeting.transport) == ("2025-11-25", "ok", transport)
    assert greeting.server_version is not None
    listed = events(path, "tools/list")[0]
    assert json.loads(bytes(listed.manifest))["count"] == listed.rows
    (prompt,) = events(path, "prompts/get")
    assert (prompt.target, prompt.outcome) == ("simple-prompt", "ok")
    assert not [event.signals for event in events(path) if event.signals]
    assert len({event.client_version for event in events(path)}) == 1


@pytest.mark.parametrize(("transport", "path", "told_as"), [("streamableHttp", "/mcp", "http"), ("sse", "/sse", "sse")])
def test_everything_through_the_proxy(tmp_path: Path, transport: str, path: str, told_as: str) -> None:
    told = tmp_path / "events.ndjson"
    (port,) = free_ports(1)

    async def use(url: str) -> None:
        async with Client(SSETransport(url) if transport == "sse" else url) as client:
            await use_everything(client)

    with (
        everything_over(transport, port, tmp_path) as behind,
        proxied(told, Upstream(url=behind, server="everything", prefix="/ts")) as running,
    ):
        asyncio.run(use(f"{running.url}/ts{path}"))
    check_everything(told, told_as)


CLIENT = """
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
const client = new Client({ name: "ts-agent", version: "7.1" }, { capabilities: { elicitation: {} } });
client.setRequestHandler(ElicitRequestSchema, async () => ({ action: "accept", content: { value: "ann" } }));
const requestInit = { headers: { Authorization: "Bearer a-token-of-ann" } };
await client.connect(new StreamableHTTPClientTransport(new URL(process.argv[2]), { requestInit }));
await client.listTools();
await client.callTool({ name: "greet", arguments: {} });
const unknown = await client.callTool({ name: "no-such-tool", arguments: {} });
if (!unknown.isError) throw new Error("it was not refused");
await client.close();
"""


def test_a_client_in_typescript_through_the_proxy(tmp_path: Path) -> None:
    mcp: FastMCP = FastMCP("crm")

    @mcp.tool
    async def greet(ctx: Context) -> str:
        return (await ctx.elicit("Your name?", response_type=str)).action

    told, script = tmp_path / "events.ndjson", tmp_path / "client.mjs"
    script.write_text(CLIENT)
    (tmp_path / "node_modules").symlink_to(Path(server_script("everything")).parents[3])
    with serving(mcp.http_app()) as behind, proxied(told, Upstream(url=behind, server="crm")) as running:
        done = subprocess.run(
            ["node", str(script), f"{running.url}/mcp"], capture_output=True, text=True, check=False, timeout=200
        )
    assert done.returncode == 0, done.stderr
    calls = [(event.target, event.outcome) for event in events(told, "tools/call")]
    assert calls == [("greet", "ok"), ("no-such-tool", "not_found")]
    (asked,) = events(told, "elicitation/create")
    assert (asked.outcome, asked.args_keys) == ("ok", ("value",))
    assert {event.client_version for event in events(told)} == {"ts-agent/7.1"}
    assert len({event.token for event in events(told)}) == 1


def test_everything_through_the_wrapper(tmp_path: Path) -> None:
    told = tmp_path / "events.ndjson"
    wrapped(told, "everything", "stdio", talk=use_everything)
    check_everything(told, "stdio")


def test_files_through_the_wrapper(tmp_path: Path) -> None:
    told, folder = tmp_path / "events.ndjson", tmp_path / "files"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")

    async def use(client: Client[Any]) -> None:
        await client.call_tool("read_text_file", {"path": str(folder / "a.txt")})
        await client.call_tool("write_file", {"path": str(folder / "b.txt"), "content": "x"})
        with pytest.raises(Exception, match="denied"):
            await client.call_tool("read_text_file", {"path": "/etc/passwd"})

    wrapped(told, "filesystem", str(folder), talk=use)
    calls = [(event.target, event.action, event.outcome) for event in events(told, "tools/call")]
    assert calls == [
        ("read_text_file", "read", "ok"),
        ("write_file", "write", "ok"),
        ("read_text_file", "read", "tool_error"),
    ]
    assert (folder / "b.txt").read_text() == "x"


def test_memory_through_the_wrapper(tmp_path: Path) -> None:
    told = tmp_path / "events.ndjson"

    async def use(client: Client[Any]) -> None:
        people = ("ann", "bob", "cid")
        entities: list[Any] = [{"name": name, "entityType": "person", "observations": []} for name in people]
        await client.call_tool("create_entities", {"entities": entities})
        await client.call_tool("delete_entities", {"entityNames": ["ann"]})
        await client.call_tool("read_graph", {})

    wrapped(told, "memory", talk=use, MEMORY_FILE_PATH=str(tmp_path / "memory.jsonl"))
    calls = [(event.target, event.action, event.outcome) for event in events(told, "tools/call")]
    assert calls == [
        ("create_entities", "create", "ok"),
        ("delete_entities", "delete", "ok"),
        ("read_graph", "read", "ok"),
    ]
    assert events(told, "tools/call")[0].rows == 3
