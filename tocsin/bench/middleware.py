"""The middleware: what it adds to a request of an MCP server over HTTP."""

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tocsin.bench.figure import Figure
from tocsin_audit import AuditMiddleware

REQUESTS: Final = 3_000
ROUNDS: Final = 5
ROWS: Final = [{"id": one, "tenant_id": "acme", "name": f"customer {one}", "amount": one * 3.5} for one in range(20)]
CALL: Final = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "get_rows", "arguments": {"customer": "acme-1", "limit": 50}},
    }
).encode()
ANSWER: Final = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "content": [{"type": "text", "text": json.dumps(ROWS)}],
            "structuredContent": {"result": ROWS},
            "isError": False,
        },
    }
).encode()
HEADERS: Final = (
    (b"host", b"127.0.0.1:8000"),
    (b"accept", b"application/json, text/event-stream"),
    (b"user-agent", b"python-httpx/0.28"),
    (b"mcp-protocol-version", b"2025-11-25"),
    (b"mcp-session-id", b"0123456789abcdef0123456789abcdef"),
    (b"content-type", b"application/json"),
    (b"content-length", str(len(CALL)).encode()),
)
_App = Callable[[Any, Any, Any], Awaitable[None]]


def measure() -> Iterator[Figure]:
    """Microseconds of processor time that a request costs more: in the server's own thread, and in all threads."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        audited = AuditMiddleware(
            _server, server="crm", path=Path(folder) / "events.ndjson", ownership=[{"result": "[*].tenant_id"}]
        )
        try:
            asyncio.run(_ask(audited, REQUESTS // 10))
            plain = [_spent(_server) for _ in range(ROUNDS)]
            more = [_spent(audited) for _ in range(ROUNDS)]
        finally:
            audited.stop()
    own, whole = (min(one[part] for one in more) - min(one[part] for one in plain) for part in (0, 1))
    yield Figure("middleware_request", round(own / REQUESTS * 1e6, 1), "µs/request", REQUESTS)
    yield Figure("middleware_whole", round(whole / REQUESTS * 1e6, 1), "µs/request", REQUESTS)


async def _server(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001  # an ASGI application's signature
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": ANSWER})


async def _ask(app: _App, count: int) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": CALL, "more_body": False}

    async def send(message: Any) -> None:
        pass

    for _ in range(count):
        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": HEADERS, "client": ("10.1.1.1", 5)}
        await app(scope, receive, send)


def _spent(app: _App) -> tuple[float, float]:
    thread, whole = time.thread_time(), time.process_time()
    asyncio.run(_ask(app, REQUESTS))
    own = time.thread_time() - thread
    # What other threads still have to write of it.
    time.sleep(0.5)
    return own, time.process_time() - whole
