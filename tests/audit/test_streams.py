"""Answers that take another way than their requests: the transport of 2024-11-05, and streams that are resumed."""

import asyncio
import gzip
import json
import threading
from typing import Any

import httpx
import pytest
from mcp.client.client import Client as SdkClient
from mcp.client.sse import sse_client
from mcp.server.mcpserver import MCPServer

from tests.audit.conftest import Written
from tests.audit.serving import serving, until
from tocsin_audit.wire import Inflating, LiveTap, SseTap, session_in

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows", "arguments": {"count": 3}}}
RULES = ({"result": "[*].tenant_id"},)


def answer(number: int, rows: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": {"structuredContent": {"result": [{"tenant_id": "acme"}] * rows}}}


class Older:
    """A server of the older transport that says what a test tells it to, when it tells it."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Queue[dict[str, Any] | None] | None = None

    def say(self, message: dict[str, Any] | None) -> None:
        assert self._loop is not None
        assert self._queue is not None
        self._loop.call_soon_threadsafe(self._queue.put_nowait, message)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["method"] == "POST":
            await send({"type": "http.response.start", "status": 202, "headers": []})
            await send({"type": "http.response.body", "body": b"Accepted"})
            return
        self._loop, self._queue = asyncio.get_running_loop(), asyncio.Queue()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        first = b"event: endpoint\r\ndata: /messages?session_id=session-0123456789\r\n\r\n"
        await send({"type": "http.response.body", "body": first, "more_body": True})
        self.open.set()
        while (message := await self._queue.get()) is not None:
            body = f"event: message\r\ndata: {json.dumps(message)}\r\n\r\n".encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class Listening:
    """A client that holds the stream open."""

    def __init__(self, url: str, **headers: str) -> None:
        self.heard = b""
        self._url, self._headers = url, headers
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with httpx.stream("GET", f"{self._url}/sse", timeout=30, headers=self._headers) as stream:
            for piece in stream.iter_raw():
                self.heard += piece

    def end(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()


def post(url: str, message: Any, **headers: str) -> None:
    assert httpx.post(f"{url}/messages?session_id=session-0123456789", json=message, headers=headers).status_code == 202


def test_a_server_of_the_official_sdk_is_told_with_what_its_stream_answered(written: Written) -> None:
    server = MCPServer("billing", version="3.1")

    @server.tool()
    def rows(count: int) -> list[dict[str, Any]]:
        return [{"tenant_id": "globex"}] * count

    async def use(url: str) -> None:
        async with SdkClient(sse_client(f"{url}/sse"), mode="legacy") as client:
            await client.call_tool("rows", {"count": 5})
            await client.call_tool("nope", {})

    app = written.audit(server.sse_app(), server="billing", ownership=RULES)
    with serving(app) as url:
        asyncio.run(use(url))
    good, unknown = written.events("tools/call")
    assert (good.outcome, good.rows, good.resource_tenants, good.transport) == ("ok", 5, ("globex",), "sse")
    assert (good.protocol, good.server_version) == ("2025-11-25", "3.1")
    assert good.client_version is not None
    assert good.duration_ms is not None
    assert good.response_bytes is not None
    assert good.response_bytes > 100
    assert unknown.outcome == "not_found"
    assert good.session == unknown.session == written.event("initialize").session
    assert not any(event.signals for event in written.events())


def test_an_answer_that_is_seen_before_its_request_is_over_belongs_to_it_all_the_same(written: Written) -> None:
    older = Older()
    with serving(written.audit(older, ownership=RULES), lifespan="off") as url:
        listening = Listening(url)
        assert older.open.wait(20)
        older.say(answer(1, 4))
        until(lambda: b"result" in listening.heard)
        post(url, CALL)
        older.say(None)
        listening.end()
    event = written.event()
    assert (event.method, event.outcome, event.rows, event.signals) == ("tools/call", "ok", 4, ())


def test_orphans_and_doubles_are_told_with_whose_data_they_brought(written: Written) -> None:
    older = Older()
    with serving(written.audit(older, ownership=RULES), lifespan="off") as url:
        listening = Listening(url)
        assert older.open.wait(20)
        post(url, CALL)
        older.say(answer(1))
        older.say(answer(1, 9))
        until(lambda: listening.heard.count(b"result") >= 2)
        older.say(None)
        listening.end()
    call, double = written.events()
    assert (call.outcome, call.rows) == ("ok", 1)
    assert (double.outcome, double.signals, double.rows) == ("protocol_violation", ("mixup:double",), None)
    assert (double.resource_tenants, double.request_id) == (("acme",), "1")
    assert double.session == call.session


def test_a_stream_that_ends_cuts_off_what_waits(written: Written) -> None:
    older = Older()
    with serving(written.audit(older), lifespan="off") as url:
        listening = Listening(url)
        assert older.open.wait(20)
        post(url, CALL)
        older.say(None)
        listening.end()
    event = written.event("tools/call")
    assert (event.outcome, event.reason) == ("cancelled", "the stream ended before the answer")


def test_what_waits_when_the_audit_ends_is_told(written: Written) -> None:
    older = Older()
    with serving(written.audit(older), lifespan="off") as url:
        post(url, CALL)
    assert written.event("tools/call").reason == "the audit ended before the answer"


def test_an_answer_on_another_callers_stream_is_a_mixup(written: Written) -> None:
    def token(subject: str) -> str:
        import base64

        parts = ({"alg": "none"}, {"sub": subject, "iss": "i"})
        coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        return f"Bearer {'.'.join(coded)}.sig"

    older = Older()
    with serving(written.audit(older, ownership=RULES), lifespan="off") as url:
        listening = Listening(url, Authorization=token("mallory"))
        assert older.open.wait(20)
        post(url, CALL, Authorization=token("alice"))
        older.say(answer(1))
        until(lambda: b"result" in listening.heard)
        older.say(None)
        listening.end()
    event = written.event("tools/call")
    assert (event.user, event.outcome, event.signals) == ("i|alice", "protocol_violation", ("mixup:stream",))


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_an_encoded_stream_is_read_as_it_passes(piece: int) -> None:
    data = gzip.compress(b"".join(f"data: {json.dumps(answer(n))}\n\n".encode() for n in range(50)))
    tap = SseTap()
    inflating = Inflating(tap, "gzip")
    for at in range(0, len(data), piece):
        inflating.feed(data[at : at + piece])
    assert (len(tap.bodies()), tap.seen, tap.truncated) == (50, len(data), False)


def test_a_bomb_in_a_stream_only_counts() -> None:
    data = gzip.compress(b"x" * 200_000_000, 1)
    tap = SseTap()
    Inflating(tap, "gzip").feed(data)
    assert (tap.truncated, tap.seen) == (True, len(data))
    broken = SseTap()
    Inflating(broken, "gzip").feed(b"no gzip at all")
    assert broken.truncated


def test_a_stream_names_its_session_once() -> None:
    tap = LiveTap()
    tap.feed(b"event: endpoint\ndata: /messages/?session_id=0123\n\n")
    tap.feed(b"event: endpoint\ndata: /messages/?session_id=other\n\n")
    assert (tap.session, tap.take()) == ("0123", [])
    assert session_in("a=1&sessionId=x") == "x"
    assert session_in("session_id=") is None
