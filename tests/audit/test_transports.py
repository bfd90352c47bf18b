"""Transports where an answer takes another way than the request: stdio, the older event stream, subscriptions."""

import asyncio
import json
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.transports import SSETransport, StdioTransport
from mcp.server.mcpserver import MCPServer

from tests.audit.conftest import Written
from tests.audit.serving import serving, until


def server(entered: threading.Event | None = None, leave: threading.Event | None = None) -> FastMCP:
    mcp: FastMCP = FastMCP("crm")

    @mcp.tool
    def rows(count: int) -> list[dict[str, str]]:
        if entered is not None and leave is not None:
            entered.set()
            leave.wait(20)
        return [{"tenant_id": "globex"}] * count

    return mcp


def test_a_stdio_server_tells_its_calls_and_stops_in_order(written: Written, tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        from fastmcp import FastMCP
        from tocsin_audit import AuditMiddleware
        mcp = FastMCP("crm")
        @mcp.tool
        def rows(count: int) -> list[int]:
            return list(range(count))
        AuditMiddleware(mcp, path=sys.argv[1])
        mcp.run(show_banner=False)
        """)
    )

    async def use() -> None:
        transport = StdioTransport(sys.executable, [str(script), str(written.path)], keep_alive=False)
        async with Client(transport, mode="legacy") as client:
            await client.call_tool("rows", {"count": 4})

    asyncio.run(use())
    until(lambda: written.path.exists() and b'"stopped"' in written.path.read_bytes())
    event = written.event("tools/call")
    assert (event.transport, event.rows, event.outcome, event.auth) == ("stdio", 4, "ok", "none")
    assert event.agent == "mcp"
    assert event.protocol == "2025-11-25"


def test_over_the_older_event_stream_the_mcp_layer_has_the_last_word(written: Written) -> None:
    mcp = server()
    written.audit(mcp, ownership=[{"result": "[*].tenant_id"}])

    async def use(url: str) -> None:
        async with Client(SSETransport(f"{url}/sse")) as client:
            await client.call_tool("rows", {"count": 3})
            with pytest.raises(Exception, match="nope"):
                await client.call_tool("nope", {})

    with serving(mcp.http_app(transport="sse", path="/sse")) as url:
        asyncio.run(use(url))
    good, unknown = written.events("tools/call")
    assert (good.outcome, good.rows, good.resource_tenants) == ("ok", 3, ("globex",))
    assert good.source_ip == "127.0.0.1"
    assert unknown.outcome == "not_found"


def test_a_caller_who_leaves_before_the_answer_is_told_with_what_was_made_for_him(written: Written) -> None:
    entered, leave = threading.Event(), threading.Event()
    mcp = server(entered, leave)
    written.audit(mcp, ownership=[{"result": "[*].tenant_id"}])
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows", "arguments": {"count": 3}}}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    with serving(mcp.http_app()) as url:
        opening = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "desk", "version": "1"}}
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": opening}
        session = httpx.post(f"{url}/mcp", json=hello, headers=headers).headers["mcp-session-id"]
        with httpx.stream("POST", f"{url}/mcp", json=body, headers={**headers, "Mcp-Session-Id": session}):
            assert entered.wait(20)
        leave.set()
        until(lambda: written.path.exists() and b"tools/call" in written.path.read_bytes())
    event = written.event("tools/call")
    assert (event.outcome, event.rows, event.resource_tenants) == ("cancelled", 3, ("globex",))
    assert event.client_version == "desk/1"
    assert event.session is not None


def test_an_answer_that_is_fetched_after_the_stream_was_cut_off_is_told_too(written: Written) -> None:
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"structuredContent": {"result": [{"t": "globex"}] * 9}}}

    async def resumable(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        if scope["method"] == "POST":
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await send({"type": "http.response.body", "body": f"id: 7\ndata: {json.dumps(answer)}\n\n".encode()})

    app = written.audit(resumable, ownership=[{"result": "[*].t"}])
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows"}}
    session = {"Mcp-Session-Id": "session-0001", "Accept": "text/event-stream"}
    with serving(app, lifespan="off") as url:
        with httpx.stream("POST", f"{url}/mcp", json=call, headers=session):
            pass
        httpx.get(f"{url}/mcp", headers={**session, "Last-Event-ID": "6"})
    cut, fetched = written.events("tools/call")
    assert (cut.outcome, cut.rows) == ("cancelled", None)
    assert (fetched.outcome, fetched.rows, fetched.resource_tenants) == ("ok", 9, ("globex",))
    assert cut.session == fetched.session


def test_a_subscription_is_told_when_it_begins(written: Written) -> None:
    app = written.audit(MCPServer("crm").streamable_http_app(), server="crm")
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {"notifications": {"toolsListChanged": True}, "_meta": meta},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "subscriptions/listen",
    }
    with serving(app) as url, httpx.stream("POST", f"{url}/mcp", json=body, headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        next(answer.iter_raw())
        until(lambda: written.path.exists() and b"subscriptions/listen" in written.path.read_bytes())
    event = written.event("subscriptions/listen")
    assert event.outcome == "ok"


def test_an_address_that_the_server_took_from_its_proxy_is_marked(written: Written) -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with serving(written.audit(refusing), lifespan="off") as url:  # the server itself trusts 127.0.0.1 by default
        headers = {"X-Forwarded-For": "203.0.113.9", "Accept": "text/event-stream"}
        httpx.post(f"{url}/mcp", content=json.dumps({"jsonrpc": "2.0", "id": 1, "method": "x"}), headers=headers)
    event = written.event()
    assert (event.source_ip, event.ip_trust) == ("203.0.113.9", "trusted_xff")
