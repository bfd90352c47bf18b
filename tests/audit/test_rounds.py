"""Calls in more than one round: batches, tasks, input that is asked for; and servers inside of servers."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from fastmcp import Client, FastMCP
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from tests.audit.conftest import Written
from tests.audit.serving import serving, until
from tests.audit.tiny_collector import KEY, TinyCollector
from tocsin_audit import AuditMiddleware

TASK = "task-0123456789abcdef"
ROWS = {"content": [], "structuredContent": {"result": [{"t": "globex"}] * 4}}
RULES = ({"result": "[*].t"},)


def call(number: int, method: str = "tools/call", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def answering(results: dict[str, Any]) -> Starlette:
    """A server that has one result for each method."""

    async def answer(request: Request) -> Response:
        asked = await request.json()
        many = asked if isinstance(asked, list) else [asked]
        said = [{"jsonrpc": "2.0", "id": one["id"], "result": results[one["method"]]} for one in many if "id" in one]
        return JSONResponse(said if isinstance(asked, list) else said[0])

    return Starlette(routes=[Route("/mcp", answer, methods=["POST"])])


def test_a_batch_is_told_call_by_call(written: Written) -> None:
    app = written.audit(answering({"tools/call": ROWS, "tools/list": {"tools": []}}), ownership=RULES)
    batch = [call(1, name="rows"), {"jsonrpc": "2.0", "method": "notifications/progress"}, call(2, "tools/list")]
    with serving(app) as url:
        httpx.post(f"{url}/mcp", json=batch, headers={"MCP-Protocol-Version": "2025-03-26"})
        httpx.post(f"{url}/mcp", json=batch[:1], headers={"MCP-Protocol-Version": "2025-11-25"})
    one, two, late = written.events()
    assert [(event.request_id, event.method, event.outcome) for event in (one, two)] == [
        (1, "tools/call", "ok"),
        (2, "tools/list", "ok"),
    ]
    assert (one.rows, one.resource_tenants, two.resource_tenants) == (4, ("globex",), ())
    assert one.response_bytes is not None
    assert one.response_bytes > (two.response_bytes or 0)
    assert (one.reason, late.reason) == (None, "a batch in 2025-11-25, which has none")


def test_a_batch_beyond_the_bound_says_so(written: Written) -> None:
    app = written.audit(answering({"tools/call": {"content": []}}))
    with serving(app) as url:
        httpx.post(f"{url}/mcp", json=[call(number, name="rows") for number in range(1003)], timeout=30)
    events = written.events()
    assert (len(events), events[0].reason) == (1000, "a batch of 1003, of which the first 1000 are told")


@pytest.mark.parametrize("extension", [True, False])
def test_what_a_task_delivers_is_told_with_the_tool_that_began_it(written: Written, extension: bool) -> None:
    begun = {"resultType": "task", "taskId": TASK} if extension else {"task": {"taskId": TASK, "status": "working"}}
    state = {"taskId": TASK, "status": "completed", **({"result": ROWS} if extension else {})}
    app = written.audit(
        answering({"tools/call": begun, "tasks/get": state, "tasks/result": ROWS}), ownership=RULES, server="crm"
    )
    last = "tasks/get" if extension else "tasks/result"
    with serving(app) as url:
        for body in (call(1, name="export_rows", arguments={}), call(2, last, taskId=TASK)):
            httpx.post(f"{url}/mcp", json=body)
    started, delivered = written.events()
    assert (started.target, started.rows, started.resource_tenants) == ("export_rows", None, ())
    assert (delivered.method, delivered.target, delivered.action) == (last, "export_rows", started.action)
    assert (delivered.rows, delivered.resource_tenants) == (4, ("globex",))
    assert delivered.handles_presented == started.handles_minted
    assert delivered.handles_minted == ()


def test_a_task_that_failed_has_its_outcome(written: Written) -> None:
    error = {"code": -32602, "message": "Unknown tool: x"}
    app = written.audit(answering({"tasks/get": {"taskId": TASK, "status": "failed", "error": error}}))
    with serving(app) as url:
        httpx.post(f"{url}/mcp", json=call(1, "tasks/get", taskId=TASK))
    assert written.event().outcome == "not_found"


def test_each_round_of_a_call_that_needs_input_is_told(written: Written) -> None:
    state = "opaque-state-0123456789"
    needed = {"resultType": "input_required", "requestState": state, "inputRequests": {}}
    app = written.audit(answering({"tools/call": needed}))
    with serving(app) as url:
        httpx.post(f"{url}/mcp", json=call(1, name="pay"))
        httpx.post(f"{url}/mcp", json=call(2, name="pay", requestState=state, inputResponses={}))
    first, second = written.events()
    assert (first.outcome, second.outcome) == ("input_required", "input_required")
    assert len(first.handles_minted) == 1
    assert second.handles_presented == first.handles_minted


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_a_server_in_a_server_in_an_application_is_told_once(written: Written, mode: str) -> None:
    child: FastMCP = FastMCP("child")

    @child.tool
    def rows(count: int) -> list[dict[str, str]]:
        return [{"t": "globex"}] * count

    parent: FastMCP = FastMCP("parent")
    parent.mount(child, namespace="child")
    written.audit(child)
    written.audit(parent)
    inner = parent.http_app()
    outer = written.audit(Starlette(routes=[Mount("/", inner)], lifespan=inner.router.lifespan_context), server="outer")

    async def use(url: str) -> None:
        async with Client(f"{url}/mcp", mode=mode) as client:
            await client.call_tool("child_rows", {"count": 2})

    with serving(outer) as url:
        asyncio.run(use(url))
    event = written.event("tools/call")
    assert (event.target, event.rows, event.outcome) == ("child_rows", 2, "ok")
    listings = written.events("tools/list")
    assert len(listings) == len({event.request_id for event in listings})


def test_a_whole_server_can_be_denied() -> None:
    collector = TinyCollector()
    audit = AuditMiddleware(
        answering({"tools/call": {"content": []}}), server="crm", url=collector.url, key=KEY, limits={"stop_s": 1}
    )
    denial = {"id": "d", "until": time.time() + 60, "incident": "INC-1"}
    collector.publish(denials=[{**denial, "subject": {"server": "hr"}}])
    with serving(audit) as url:

        def status() -> int:
            return httpx.post(f"{url}/mcp", json=call(1, name="rows")).status_code

        collector.wait(lambda events: any(json.loads(bytes(e.ext))["denials"] for e in events if e.kind == "heartbeat"))
        assert status() == 200
        collector.publish(denials=[{**denial, "subject": {"server": "crm"}}])
        until(lambda: status() == 403)
    audit.stop()
    collector.close()
