"""A real HTTP server for an ASGI application, in a thread."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from tocsin_audit import AuditMiddleware


@contextlib.contextmanager
def serving(app: Any, **config: Any) -> Iterator[str]:
    """Serve on loopback; yields `http://127.0.0.1:port`."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    given = {"log_level": "critical", "timeout_graceful_shutdown": 1, "ws": "none", **config}
    server = uvicorn.Server(uvicorn.Config(app, **given))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
    assert not thread.is_alive()


def finished(audit: AuditMiddleware) -> None:
    """Wait until everything is written, which on a busy machine takes longer than a server would wait at its end."""
    audit.stop()
    recorder = audit._recorder
    if recorder is not None and recorder._thread is not None:
        recorder._thread.join(120)
        assert not recorder._thread.is_alive()


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so in time"
        time.sleep(0.005)
