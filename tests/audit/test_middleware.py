"""One line in front of a real FastMCP server, with real clients of both eras over real HTTP."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import msgspec
import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from fastmcp.tools.base import ToolResult
from starlette.applications import Starlette

from tests.audit.conftest import Written
from tests.audit.serving import serving
from tocsin_audit import AuditMiddleware

ALICE = "token-of-alice-0123456789"
TOKENS: dict[str, dict[str, Any]] = {
    ALICE: {
        "client_id": "desktop",
        "sub": "alice",
        "iss": "https://idp.example",
        "org_id": "acme",
        "scopes": ["read"],
        "act": {"sub": "agent-7"},
    }
}
RULES = (
    {"uri": "crm://{tenant}/**"},
    {"argument": "customer_id", "match": "^(?P<tenant>[a-z]+)-"},
    {"result": "[*].tenant_id"},
    {"result": "rows[*].tenant_id"},
)
ERAS = ("2026-07-28", "legacy")


def crm(**options: Any) -> FastMCP:
    mcp: FastMCP = FastMCP("crm", version="1.2", **options)

    @mcp.tool(annotations={"readOnlyHint": True})
    def rows(count: int, foreign: int | None = None) -> list[dict[str, Any]]:
        return [{"id": i, "tenant_id": "globex" if i == foreign else "acme"} for i in range(count)]

    @mcp.tool
    def page(customer_id: str) -> dict[str, Any]:
        return {"rows": [{"tenant_id": "acme"}] * 3, "total": 3, "for": customer_id}

    @mcp.tool
    def fails() -> str:
        raise ToolError("the database is away")

    @mcp.tool
    def softly() -> ToolResult:
        return ToolResult(content="not today", is_error=True)

    @mcp.tool
    async def slow(name: str) -> str:
        await asyncio.sleep(0.02)
        return name * 10

    @mcp.resource("crm://{tenant}/customers/{number}")
    def customer(tenant: str, number: str) -> str:
        return json.dumps({"tenant": tenant, "number": number})

    @mcp.prompt
    def greet() -> str:
        return "hello"

    return mcp


def talk(url: str, what: Callable[[Client[Any]], Coroutine[Any, Any, object]], **options: Any) -> None:
    async def session() -> None:
        async with Client(f"{url}/mcp", **options) as client:
            await what(client)

    asyncio.run(session())


@pytest.mark.parametrize("json_response", [True, False])
@pytest.mark.parametrize("mode", ERAS)
def test_a_call_becomes_one_event_with_caller_and_owners(written: Written, mode: str, json_response: bool) -> None:
    mcp = crm(auth=StaticTokenVerifier(TOKENS))
    written.audit(mcp, ownership=RULES)
    with serving(mcp.http_app(json_response=json_response)) as url:
        talk(url, lambda c: c.call_tool("rows", {"count": 2000, "foreign": 1234}), mode=mode, auth=ALICE)
    event = written.event("tools/call")
    assert (event.server, event.target, event.outcome) == ("crm", "rows", "ok")
    # Only the listing that a modern call makes inside has told the annotations.
    assert event.action == ("read" if mode == "2026-07-28" else None)
    assert (event.user, event.client, event.tenant) == ("https://idp.example|alice", "desktop", "acme")
    assert (event.auth, event.identity, event.scopes) == ("valid", "verified", ("read",))
    assert event.on_behalf_of == ("agent-7",)
    assert event.resource_tenants == ("acme", "globex")
    assert event.rows == 2000
    assert event.bytes_quality == "exact"
    assert event.response_bytes is not None
    assert event.response_bytes > 50_000
    assert event.protocol == ("2026-07-28" if mode == "2026-07-28" else "2025-11-25")
    assert (event.session is None) == (mode == "2026-07-28")
    assert event.token is not None
    assert event.token.startswith("fleet:")
    assert ALICE.encode() not in written.path.read_bytes()
    assert event.source_ip == "127.0.0.1"
    assert event.transport == "http"


@pytest.mark.parametrize("mode", ERAS)
def test_each_way_to_fail_has_its_outcome(written: Written, mode: str) -> None:
    mcp = crm()
    written.audit(mcp)

    async def use(client: Client[Any]) -> None:
        for name in ("fails", "softly", "nope", "rows"):
            with pytest.raises(ToolError):
                await client.call_tool(name, {})
        with pytest.raises(Exception, match="not found"):
            await client.read_resource("other://x")
        await client.get_prompt("greet")
        await client.ping() if mode == "legacy" else None

    with serving(mcp.http_app()) as url:
        talk(url, use, mode=mode)
    told = [(event.method, event.target, event.outcome) for event in written.events() if event.target]
    assert told == [
        ("tools/call", "fails", "tool_error"),
        ("tools/call", "softly", "tool_error"),
        ("tools/call", "nope", "not_found"),
        ("tools/call", "rows", "invalid_params"),
        ("resources/read", "other://x", "not_found"),
        ("prompts/get", "greet", "ok"),
    ]
    assert written.events("tools/call")[0].reason == "the database is away"
    assert not written.events("ping")


def test_rejected_callers_are_seen_and_told_apart_from_discovery(written: Written) -> None:
    mcp = crm(auth=StaticTokenVerifier(TOKENS))
    written.audit(mcp, trusted_proxies=["127.0.0.1"])
    body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "rows", "arguments": {"count": 1}}}
    accept = {"Accept": "application/json, text/event-stream"}
    with serving(mcp.http_app(), proxy_headers=False) as url:
        for extra in (
            {},
            {"Authorization": "Bearer wrong-token-000001", "X-Forwarded-For": "6.6.6.6, 203.0.113.9"},
            {"Authorization": "Basic dXNlcjpwYXNz"},
        ):
            assert httpx.post(f"{url}/mcp", json=body, headers={**accept, **extra}).status_code == 401
        httpx.get(f"{url}/mcp", headers={**accept, "Authorization": "Bearer wrong-token-000002"})
        httpx.get(f"{url}/nowhere")
    missing, wrong, basic, stream = written.events()
    assert (missing.outcome, missing.auth, missing.target) == ("auth_missing", "none", "rows")
    assert (wrong.outcome, wrong.auth, wrong.method, wrong.request_id) == ("auth_invalid", "invalid", "tools/call", 7)
    assert wrong.token is not None
    assert wrong.reason is not None
    assert (wrong.source_ip, wrong.ip_trust) == ("203.0.113.9", "trusted_xff")
    assert basic.outcome == "auth_invalid"
    assert (stream.kind, stream.outcome, stream.method) == ("auth", "auth_invalid", None)


def test_a_rejected_jwt_still_says_whom_it_claims(written: Written) -> None:
    mcp = crm(auth=StaticTokenVerifier(TOKENS))
    written.audit(mcp, tenant_claim="org.id")
    parts = (msgspec.json.encode(part) for part in ({"alg": "none"}, {"sub": "bob", "iss": "i", "org": {"id": "o"}}))
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + ".sig"
    headers = {"Authorization": f"Bearer {token}"}
    with serving(mcp.http_app()) as url:
        httpx.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}, headers=headers)
    event = written.event()
    assert (event.outcome, event.identity, event.user, event.tenant) == ("auth_invalid", "claimed", "i|bob", "o")


def test_a_header_that_disagrees_with_the_body_is_a_protocol_violation(written: Written) -> None:
    mcp = crm()
    written.audit(mcp)
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
    params = {"name": "rows", "arguments": {"count": 1}, "_meta": meta}
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "slow",
    }
    with serving(mcp.http_app()) as url:
        answer = httpx.post(
            f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}, headers=headers
        )
    assert answer.status_code == 400
    event = written.event()
    assert (event.outcome, event.error_code, event.target) == ("protocol_violation", -32020, "rows")


def test_an_unknown_session_is_named_as_that(written: Written) -> None:
    mcp = crm()
    written.audit(mcp)
    headers = {"Accept": "application/json, text/event-stream", "Mcp-Session-Id": "gone-00000000"}
    with serving(mcp.http_app()) as url:
        for extra in (headers, {"Accept": headers["Accept"]}):
            httpx.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=extra)
    assert [event.outcome for event in written.events()] == ["session_invalid", "session_invalid"]
    assert [event.session is None for event in written.events()] == [False, True]


def test_a_foreign_origin_is_named_as_that(written: Written) -> None:
    mcp = crm()
    written.audit(mcp)
    headers = {"Origin": "https://evil.example", "Accept": "application/json, text/event-stream"}
    with serving(mcp.http_app(host_origin_protection=True)) as url:
        answer = httpx.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, headers=headers)
    assert answer.status_code == 403
    event = written.event()
    assert (event.outcome, event.method, event.origin) == ("origin_rejected", "tools/list", "https://evil.example")


@pytest.mark.parametrize("mode", ERAS)
def test_the_listing_that_the_server_does_for_itself_is_not_told(written: Written, mode: str) -> None:
    mcp = crm()
    written.audit(mcp)

    async def use(client: Client[Any]) -> None:
        for _ in range(3):
            await client.call_tool_mcp("rows", {"count": 1})

    with serving(mcp.http_app()) as url:
        talk(url, use, mode=mode)
    assert len(written.events("tools/call")) == 3
    assert len(written.events("tools/list")) == 1  # the client's own, for the output schemas


def test_mounted_servers_and_tools_that_call_tools_are_told_once(written: Written) -> None:
    child, parent = crm(), FastMCP("parent")
    parent.mount(child, namespace="kid")

    @parent.tool
    async def both() -> str:
        await parent.call_tool("kid_rows", {"count": 2})
        return "done"

    written.audit(child, server="child")
    written.audit(parent)

    async def use(client: Client[Any]) -> None:
        await client.call_tool("kid_rows", {"count": 2})
        await client.call_tool("both")

    with serving(parent.http_app()) as url:
        talk(url, use)
    calls = written.events("tools/call")
    assert [(event.server, event.target) for event in calls] == [("parent", "kid_rows"), ("parent", "both")]


@pytest.mark.parametrize("mode", ERAS)
def test_concurrent_calls_are_not_mixed_up(written: Written, mode: str) -> None:
    mcp = crm()
    written.audit(mcp)

    async def use(client: Client[Any]) -> None:
        names = [f"n{i}" * (i + 1) for i in range(20)]
        await asyncio.gather(*(client.call_tool("slow", {"name": name}) for name in names))

    async def pair(url: str) -> None:
        async with Client(f"{url}/mcp", mode=mode) as one, Client(f"{url}/mcp", mode=mode) as two:
            await asyncio.gather(use(one), use(two))

    with serving(mcp.http_app()) as url:
        asyncio.run(pair(url))
    calls = written.events("tools/call")
    assert len(calls) == 40
    assert {event.outcome for event in calls} == {"ok"}
    assert len({event.args_hash for event in calls}) == 20
    by_arguments: dict[str | None, set[int | None]] = {}
    for event in calls:
        overhead = len(str(event.request_id))
        assert event.response_bytes is not None
        by_arguments.setdefault(event.args_hash, set()).add(event.response_bytes - overhead)
    assert all(len(sizes) == 1 for sizes in by_arguments.values())
    assert len({tuple(sizes) for sizes in by_arguments.values()}) > 15


def test_a_listing_carries_its_manifest(written: Written) -> None:
    mcp = crm()
    written.audit(mcp)
    with serving(mcp.http_app()) as url:
        talk(url, lambda c: c.list_tools())
        talk(url, lambda c: c.list_tools(), mode="legacy")
    modern, legacy = written.events("tools/list")
    first, second = (msgspec.json.decode(event.manifest) for event in (modern, legacy))
    assert first["count"] == 5
    assert first == second
    assert modern.rows == 5


def test_the_application_stays_the_one_its_users_know(written: Written) -> None:
    mcp = crm()
    written.audit(mcp)
    app = mcp.http_app(path="/here")
    assert isinstance(app, Starlette)
    assert app.state.path == "/here"
    assert app.state.fastmcp_server is mcp


def test_a_rejection_by_a_middleware_added_later_is_seen(written: Written) -> None:
    class Closed:
        def __init__(self, app: Any) -> None:
            self._app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await self._app(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 429, "headers": []})
            await send({"type": "http.response.body", "body": b"slow down"})

    mcp = crm()
    written.audit(mcp)
    app = mcp.http_app()
    app.add_middleware(Closed)
    with serving(app) as url:
        httpx.post(f"{url}/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    event = written.event()
    assert (event.outcome, event.reason) == ("rate_limited", "slow down")


def test_a_mounted_application_is_audited_without_its_lifespan_passing_through_us(written: Written) -> None:
    mcp = crm()
    written.audit(mcp)
    inner = mcp.http_app(path="/mcp")
    outer = Starlette(lifespan=inner.lifespan)
    outer.mount("/", inner)
    with serving(outer) as url:
        talk(url, lambda c: c.call_tool("rows", {"count": 1}))
    assert written.event("tools/call").outcome == "ok"


def test_without_http_the_mcp_layer_speaks_alone(written: Written) -> None:
    mcp = crm()
    written.audit(mcp, ownership=RULES)

    async def use() -> None:
        async with Client(mcp) as client:
            await client.list_tools()
            await client.call_tool("rows", {"count": 3, "foreign": 1})
            await client.call_tool("page", {"customer_id": "globex-1"})
            with pytest.raises(ToolError):
                await client.call_tool("nope", {})
            await client.read_resource("crm://acme/customers/1")

    asyncio.run(use())
    calls = written.events("tools/call")
    assert [(event.target, event.outcome, event.rows) for event in calls] == [
        ("rows", "ok", 3),
        ("page", "ok", 3),
        ("nope", "not_found", None),
    ]
    assert [event.resource_tenants for event in calls] == [("acme", "globex"), ("acme", "globex"), ()]
    listed = written.event("tools/list")
    assert msgspec.json.decode(listed.manifest)["count"] == 5
    assert written.event("resources/read").resource_tenants == ("acme",)
    assert listed.transport is None
    assert listed.auth == "none"


def test_neither_server_nor_application_is_refused_with_a_hint() -> None:
    with pytest.raises(TypeError, match="hint: pass the FastMCP object"):
        AuditMiddleware(object())


def test_an_unconfigured_middleware_warns_once_and_lets_everything_pass(caplog: pytest.LogCaptureFixture) -> None:
    mcp = crm()
    AuditMiddleware(mcp)
    assert [record.getMessage() for record in caplog.records] == [
        "tocsin-audit: crm is not audited: neither TOCSIN_URL and TOCSIN_KEY nor path= are set"
    ]
    with serving(mcp.http_app()) as url:
        talk(url, lambda c: c.call_tool("rows", {"count": 1}))
