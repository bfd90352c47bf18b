"""A small collector that checks what it is sent as strictly as the real one, and can be told to misbehave."""

import gzip
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tocsin_audit.event import DECODER, AuditEvent, normalise

KEY = "collector-key-1"


class TinyCollector:
    def __init__(self, port: int = 0) -> None:
        self.events: list[AuditEvent] = []
        self.batches: list[int] = []
        self.repeats = 0
        self.refuse: list[tuple[int, dict[str, str], bytes]] = []
        self.delay = 0.0
        self.most_lines = 10_000
        self.reject: Callable[[AuditEvent], bool] = lambda event: False
        self.producer: dict[str, Any] = {"version": "1", "ownership": [], "identity": [], "denials": []}
        self.changed = threading.Condition()
        self._seen: set[tuple[str | None, str | None, int | None]] = set()
        self._version = 0
        self._stopping = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                outer.post(self)

            def do_GET(self) -> None:
                outer.get(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def publish(self, **changes: Any) -> None:
        with self.changed:
            self._version += 1
            self.producer = {**self.producer, "version": str(self._version), **changes}
            self.changed.notify_all()

    def wait(self, condition: Callable[[list[AuditEvent]], bool], seconds: float = 20.0) -> list[AuditEvent]:
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.events), seconds), [
                (event.kind, event.method, event.outcome, event.reason) for event in self.events
            ]
            return list(self.events)

    def close(self) -> None:
        with self.changed:
            self._stopping = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        assert handler.path == "/v1/events"
        assert handler.headers["Content-Type"] == "application/x-ndjson"
        if self.delay:
            time.sleep(self.delay)
        with self.changed:
            planned = self.refuse.pop(0) if self.refuse else None
        if planned is not None:
            _answer(handler, *planned)
        elif handler.headers["Authorization"] != f"Bearer {KEY}":
            _answer(handler, 401, {}, b"{}")
        else:
            self._take(handler, gzip.decompress(body))

    def _take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        lines = body.rstrip(b"\n").split(b"\n")
        if len(lines) > self.most_lines:
            _answer(handler, 413, {}, b"{}")
            return
        accepted = duplicates = 0
        rejected = []
        with self.changed:
            for number, line in enumerate(lines, 1):
                event = normalise(DECODER.decode(line))
                if self.reject(event):
                    rejected.append({"line": number, "field": "tenant", "error": "not yours", "hint": "ask"})
                    continue
                key = (event.producer, event.run, event.seq)
                assert None not in key
                if key in self._seen:
                    duplicates += 1
                    continue
                self._seen.add(key)
                self.events.append(event)
                accepted += 1
            self.repeats += duplicates
            self.batches.append(len(lines))
            self.changed.notify_all()
        reply = {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}
        _answer(handler, 400 if len(rejected) == len(lines) else 200, {}, json.dumps(reply).encode())

    def get(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        assert path == "/v1/producer"
        assert query.startswith("wait=")
        if handler.headers["Authorization"] != f"Bearer {KEY}":
            _answer(handler, 401, {}, b"{}")
            return
        known = handler.headers.get("If-None-Match")
        with self.changed:
            self.changed.wait_for(lambda: self._stopping or self._etag != known, float(query.partition("=")[2]))
            etag, body = self._etag, json.dumps(self.producer).encode()
        if etag == known:
            _answer(handler, 304, {"ETag": etag}, b"")
        else:
            _answer(handler, 200, {"ETag": etag, "Content-Type": "application/json"}, body)

    @property
    def _etag(self) -> str:
        return f'"{self._version}"'


def _answer(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    try:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
    except OSError:
        handler.close_connection = True  # the producer has gone
