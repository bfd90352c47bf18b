"""A proxy in front of an application, both served for real."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from collector.proxy.app import Proxy
from collector.proxy.route import Upstream
from tests.audit.serving import finished, serving
from tocsin_audit.event import DECODER, AuditEvent, normalise


class Proxied:
    """A running proxy and the file of its events."""

    def __init__(self, url: str, proxy: Proxy, path: Path | None) -> None:
        self.url = url
        self.proxy = proxy
        self.path = path

    def events(self, method: str | None = None) -> list[AuditEvent]:
        """What was told, once the proxy has ended."""
        assert self.path is not None
        told = [normalise(DECODER.decode(line)) for line in self.path.read_bytes().splitlines()]
        return [e for e in told if e.kind in ("request", "auth") and (method is None or e.method == method)]


@contextlib.contextmanager
def proxied(path: Path | None, *upstreams: Upstream, **said: Any) -> Iterator[Proxied]:
    """A proxy on loopback; its events are whole when the block is over, or go to the environment's collector."""
    proxy = Proxy(upstreams, events=path, **said)
    with serving(proxy, lifespan="on", date_header=False, server_header=False, proxy_headers=False) as url:
        yield Proxied(url, proxy, path)
    for audit in proxy._audits:
        finished(audit)


@contextlib.contextmanager
def in_front_of(app: Any, path: Path, **said: Any) -> Iterator[Proxied]:
    """A proxy in front of an application."""
    with serving(app) as behind, proxied(path, Upstream(url=behind, server="crm", **said)) as running:
        yield running


def raw(handler: Callable[[socket.socket], None]) -> tuple[str, socket.socket]:
    """A server that speaks for itself over bare sockets."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=handler, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}", listening


def request_of(connection: socket.socket) -> bytes:
    """The head of a request, and what of its body came with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    return data
