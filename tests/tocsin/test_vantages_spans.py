"""The same real session seen by the proxy in front of a server and by the spans that the server itself exports."""

import asyncio
import http.server
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from collector.formats.otel import traces
from collector.proxy.route import Upstream
from tests.audit.serving import until
from tests.collector.proxy.peers import proxied
from tests.tocsin.test_vantages import SERVER, events, talk
from tocsin.demo.world import end_process, free_ports
from tocsin_audit.event import AuditEvent

SERVING = """
import sys
import uvicorn
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

provider = TracerProvider(resource=Resource({"service.name": "crm", "service.version": "1.2"}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(sys.argv[2], timeout=60)))
trace.set_tracer_provider(provider)
uvicorn.run(mcp.http_app(), port=int(sys.argv[1]), log_level="critical")

"""
ALIKE = ("server", "kind", "method", "target", "outcome", "protocol")
"""What spans of FastMCP 4.1 tell as everybody else does."""
BLIND = (
    "source_ip",
    "user_agent",
    "request_bytes",
    "response_bytes",
    "rows",
    "args_keys",
    "args_hash",
    "auth",
    "token",
)
"""What none of them has, and a coverage line must not claim."""


class Receiver:
    """Takes what an exporter sends, as the listener's own parser reads it."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.events += traces(body, self.headers["Content-Type"]).events
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
def test_spans_tell_of_a_session_what_the_proxy_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    for name in [name for name in os.environ if name.startswith(("TOCSIN_", "OTEL_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOCSIN_FINGERPRINT_KEY", "fleet:a key for tests")
    script, told = tmp_path / "server.py", tmp_path / "events.ndjson"
    script.write_text(SERVER.partition("if __name__")[0] + SERVING)
    (port,) = free_ports(1)
    receiver = Receiver()
    server = subprocess.Popen([sys.executable, str(script), str(port), receiver.url], stderr=subprocess.DEVNULL)
    try:
        with proxied(told, Upstream(url=f"http://127.0.0.1:{port}", server="crm")) as running:

            async def use() -> None:
                async with Client(f"{running.url}/mcp", mode=mode) as client:
                    await talk(client)

            until(lambda: _listens(port), 60)
            asyncio.run(use())
    finally:
        end_process(server)
        receiver.close()
    wanted = [_facts(event) for event in events(told) if event.method not in ("initialize", "server/discover")]
    seen = [_facts(event) for event in receiver.events if event.method not in ("initialize", "server/discover")]
    assert sorted(set(seen), key=str) == sorted(set(wanted), key=str)
    assert [name for event in receiver.events for name in BLIND if getattr(event, name) not in (None, ())] == []


def _facts(event: AuditEvent) -> tuple[Any, ...]:
    return tuple(getattr(event, name) for name in ALIKE)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True
