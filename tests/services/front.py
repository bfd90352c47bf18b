"""An HTTP server in front of a service, real or small, that fails on demand the way networks and servers fail."""

import http.client
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import urlsplit

import msgspec


@dataclass(frozen=True)
class Request:
    """What a client asked; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What it is answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(status: int, body: object, **headers: str) -> Reply:
    """An answer in JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, msgspec.json.encode(body), {"content-type": "application/json", **named})


Handler = Callable[[Request], Reply]


@dataclass(frozen=True)
class Fault:
    """How one request goes wrong: another answer instead, or none; `after` says that the service has acted by then."""

    kind: Literal["reply", "silence", "half", "reset"]
    after: bool = False
    reply: Reply | None = None


SILENCE = Fault("silence")
HALF = Fault("half", after=True)
RESET = Fault("reset")
LOST_ANSWER = Fault("reset", after=True)


def unavailable(status: int = 503) -> Fault:
    """A server that answers with an error of its own."""
    return Fault("reply", reply=Reply(status, b"<html>out of order</html>", {"content-type": "text/html"}))


class Front:
    """The server; `faults` holds what is to happen to the next requests, one each, `always` to all of them."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.requests: list[Request] = []
        self._handler = handler
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler_class(self))
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Request, connection: socket.socket) -> tuple[Reply | None, bool]:
        """The answer (none: hang up at once) and whether only half of it is to be sent."""
        self.requests.append(request)
        fault = self.faults.popleft() if self.faults else self.always
        if fault is None:
            return self._handler(request), False
        reply = self._handler(request) if fault.after else (fault.reply or Reply(500))
        match fault.kind:
            case "reply":
                return reply, False
            case "half":
                return (reply, True) if reply.body else (None, False)  # of an empty answer not even the head comes
            case "silence":
                self._closing.wait(30)
            case "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return None, False


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Clients that hang up or do not trust us are what the tests are about."""


def _handler_class(front: Front) -> type[BaseHTTPRequestHandler]:
    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply, half = front.answer(Request(self.command, self.path, headers, body), self.connection)
            if reply is None or half:
                self.close_connection = True
            if reply is None:
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body[: len(reply.body) // 2] if half else reply.body)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Requests are recorded, not printed."""

    return Connection


def forward(url: str) -> Handler:
    """A handler that asks the real service at the URL."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    host, port = parts.hostname, parts.port

    def handler(request: Request) -> Reply:
        connection = http.client.HTTPConnection(host, port, timeout=30)
        try:
            headers = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
            connection.request(request.method, request.path, request.body or None, headers)
            answer = connection.getresponse()
            hop = {"content-length", "transfer-encoding", "connection"}
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in hop}
            return Reply(answer.status, answer.read(), kept)
        finally:
            connection.close()

    return handler
