"""The ASGI half around applications of any make."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from mcp.client.client import Client as SdkClient
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.audit.conftest import Written
from tests.audit.serving import serving, until
from tocsin_audit import AuditMiddleware

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "export", "arguments": {"q": "x"}}}


def app_of(handler: Callable[[Request], Awaitable[Response]]) -> Starlette:
    return Starlette(routes=[Route("/mcp", handler, methods=["GET", "POST", "DELETE"])])


class Verifier:
    async def verify_token(self, token: str) -> AccessToken | None:
        if token != "good-token-000000000001":
            return None
        claims = {"iss": "https://idp.example", "org_id": "acme"}
        return AccessToken(token=token, client_id="agent-a", scopes=["read"], subject="alice", claims=claims)


def sdk_server(**options: Any) -> MCPServer:
    server = MCPServer("billing", version="3.1", **options)

    @server.tool()
    def rows(count: int) -> list[dict[str, Any]]:
        return [{"tenant_id": "acme" if i else "globex"} for i in range(count)]

    return server


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("json_response", [True, False])
def test_a_server_of_the_official_sdk_is_audited(written: Written, mode: str, json_response: bool) -> None:
    app = sdk_server().streamable_http_app(json_response=json_response)
    app.add_middleware(AuditMiddleware, server="billing", path=written.path, ownership=[{"result": "[*].tenant_id"}])

    async def use(url: str) -> None:
        async with SdkClient(f"{url}/mcp", mode=mode) as client:
            await client.call_tool("rows", {"count": 5})
            await client.call_tool("nope", {})

    with serving(app) as url:
        asyncio.run(use(url))
        # The application owns this middleware, so its file is waited for.
        until(lambda: written.path.exists() and written.path.read_bytes().count(b"tools/call") == 2)
    good, unknown = written.events("tools/call")
    assert (good.server, good.outcome, good.rows) == ("billing", "ok", 5)
    assert good.resource_tenants == ("acme", "globex")
    assert good.server_version == "3.1"
    assert good.client_version is not None
    assert unknown.outcome == "not_found"


def test_an_sdk_server_object_is_audited_in_place_with_verified_callers(written: Written) -> None:
    issuer = AnyHttpUrl("https://idp.example")
    auth = AuthSettings(issuer_url=issuer, resource_server_url=None, required_scopes=["read"])
    server = sdk_server(token_verifier=Verifier(), auth=auth)
    written.audit(server)
    headers = {"Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with serving(server.streamable_http_app(stateless_http=True, json_response=True)) as url:
        for token in (None, "bad-token", "good-token-000000000001"):
            extra = {"Authorization": f"Bearer {token}"} if token else {}
            httpx.post(f"{url}/mcp", json=body, headers={**headers, **extra})
    missing, bad, good = written.events()
    assert (missing.outcome, bad.outcome, good.outcome) == ("auth_missing", "auth_invalid", "ok")
    assert (good.user, good.client, good.tenant) == ("https://idp.example|alice", "agent-a", "acme")
    assert good.identity == "verified"
    assert good.server == "billing"


def test_a_stream_passes_while_it_is_being_made(written: Written) -> None:
    released = anyio.Event()

    async def stream(request: Request) -> Response:
        await request.body()

        async def parts() -> Any:
            progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}
            yield f"event: message\r\ndata: {json.dumps(progress)}\r\n\r\n"
            await released.wait()
            yield f"data: {json.dumps({'jsonrpc': '2.0', 'id': 1, 'result': {'content': []}})}\n\n"

        return StreamingResponse(parts(), media_type="text/event-stream")

    audit = written.audit(app_of(stream))
    received: list[bytes] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            received.append(message.get("body", b""))
            if b"progress" in received[-1]:
                released.set()  # only the first part's arrival lets the second be made

    requests = [{"type": "http.request", "body": json.dumps(CALL).encode(), "more_body": False}]

    async def receive() -> Any:
        if requests:
            return requests.pop(0)
        await asyncio.sleep(60)
        raise AssertionError

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "headers": [],
        "query_string": b"",
        "client": ("10.1.1.1", 5),
    }
    asyncio.run(asyncio.wait_for(audit(scope, receive, send), 10))
    assert b"progress" in received[0]
    event = written.event()
    assert (event.outcome, event.rows, event.target) == ("ok", 0, "export")


def test_a_client_that_goes_away_cancels(written: Written) -> None:
    async def endless(request: Request) -> Response:
        await request.body()

        async def parts() -> Any:
            while True:
                yield ": ping\n\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(parts(), media_type="text/event-stream")

    app = written.audit(app_of(endless))
    with serving(app) as url, httpx.stream("POST", f"{url}/mcp", json=CALL) as answer:
        next(answer.iter_raw())
    event = written.event()
    assert (event.outcome, event.reason, event.method) == ("cancelled", "client disconnected", "tools/call")


def test_what_the_application_raises_is_told_and_raised_again(written: Written) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise ZeroDivisionError("inside")

    audit = written.audit(broken)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(_call(audit, CALL))
    event = written.event()
    assert (event.outcome, event.reason, event.method) == ("upstream_error", "ZeroDivisionError", "tools/call")


def test_a_batch_becomes_one_event_for_each_request_in_it(written: Written) -> None:
    async def batch(request: Request) -> Response:
        asked = await request.json()
        answers = [
            {
                "jsonrpc": "2.0",
                "id": item["id"],
                "result": {"structuredContent": {"rows": [1] * item["id"]}, "content": []},
            }
            for item in asked
            if "id" in item
        ]
        return JSONResponse(answers[::-1])

    audit = written.audit(app_of(batch))
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    asyncio.run(_call(audit, [{**CALL, "id": 2}, note, {**CALL, "id": 7}]))
    assert [(event.request_id, event.rows, event.bytes_quality) for event in written.events()] == [
        (2, 2, "exact"),
        (7, 7, "exact"),
    ]


def test_an_answer_to_somebody_elses_request_is_signalled(written: Written) -> None:
    async def mixed(request: Request) -> Response:
        await request.body()
        answer = {"jsonrpc": "2.0", "id": 99, "result": {"structuredContent": {"result": [{"t": "globex"}]}}}
        return JSONResponse(answer)

    audit = written.audit(app_of(mixed), ownership=[{"result": "[*].t"}])
    asyncio.run(_call(audit, CALL))
    event = written.event()
    assert (event.outcome, event.signals) == ("protocol_violation", ("mixup:foreign",))
    assert event.resource_tenants == ("globex",)


def test_a_second_answer_to_one_request_is_signalled(written: Written) -> None:
    async def twice(request: Request) -> Response:
        await request.body()
        answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})
        return Response(f"data: {answer}\n\ndata: {answer}\n\n", media_type="text/event-stream")

    asyncio.run(_call(written.audit(app_of(twice)), CALL))
    event = written.event()
    assert (event.outcome, event.signals) == ("protocol_violation", ("mixup:double",))


def test_notifications_streams_and_other_routes_make_no_events(written: Written) -> None:
    async def quiet(request: Request) -> Response:
        return Response(status_code=202 if request.method == "POST" else 200)

    app = written.audit(app_of(quiet))
    with serving(app) as url:
        httpx.post(f"{url}/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"})
        httpx.get(f"{url}/mcp", headers={"Accept": "text/event-stream"})
        httpx.delete(f"{url}/mcp")
        httpx.get(f"{url}/favicon.ico")
        httpx.post(f"{url}/login", json={"password": "x"})
    assert written.events() == []


def test_a_body_beyond_the_bound_is_counted_and_passed_on_whole(written: Written) -> None:
    async def large(request: Request) -> Response:
        asked = await request.body()
        text = "y" * (5 * 1024 * 1024)
        answer = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": text}], "got": len(asked)}}
        return JSONResponse(answer)

    app = written.audit(app_of(large))
    call = {**CALL, "params": {"name": "export", "arguments": {"blob": "x" * (5 * 1024 * 1024)}}}
    with serving(app) as url:
        answer = httpx.post(f"{url}/mcp", json=call, timeout=60)
    sent, received = len(answer.request.content), len(answer.content)
    assert answer.json()["result"]["got"] == sent
    event = written.event()
    assert (event.request_bytes, event.response_bytes, event.bytes_quality) == (sent, received, "capped")
    assert event.method == "tools/call"


def test_malformed_json_is_a_protocol_violation(written: Written) -> None:
    app = written.audit(sdk_server().streamable_http_app(json_response=True))
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    with serving(app) as url:
        httpx.post(f"{url}/mcp", content=b'{"jsonrpc": "2.0", "id": 1, "meth', headers=headers)
    assert written.event().outcome == "protocol_violation"


def test_a_fault_of_our_own_never_reaches_the_server(
    written: Written, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fine(request: Request) -> Response:
        await request.body()
        return JSONResponse({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr("tocsin_audit.wire.Tap.feed", broken)
    monkeypatch.setattr("tocsin_audit.assemble.Assembler.events", broken)
    app = written.audit(app_of(fine))
    with serving(app) as url:
        assert [httpx.post(f"{url}/mcp", json=CALL).status_code for _ in range(5)] == [200] * 5
    beat = [event for event in written.all() if event.kind == "heartbeat"][-1]
    assert json.loads(bytes(beat.ext))["faults"] > 5
    told = [record.getMessage() for record in caplog.records if "fault of our own" in record.getMessage()]
    assert len(told) == len(set(told)) == 3


def test_wrapping_twice_tells_once(written: Written) -> None:
    async def fine(request: Request) -> Response:
        await request.body()
        return JSONResponse({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})

    app = written.audit(written.audit(app_of(fine)))
    asyncio.run(_call(app, CALL))
    assert len(written.events()) == 1


async def _call(app: Any, body: Any) -> list[Any]:
    """One POST straight into an ASGI application."""
    sent: list[Any] = []
    requests = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> Any:
        return requests.pop(0) if requests else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "headers": [],
        "query_string": b"",
        "client": ("10.1.1.1", 5),
    }
    await app(scope, receive, send)
    return sent
