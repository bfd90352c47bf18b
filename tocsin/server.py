"""The HTTP server of a running Tocsin: producers, operators and probes on one port."""

import logging
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Final, Protocol

import uvicorn
from starlette.applications import Starlette

from collector.listener import Listener
from stream.errors import ConfigError, UnavailableError
from stream.log import EVENTS
from tocsin.api.routes import Api
from tocsin.client import base_url
from tocsin.connections import protocol
from tocsin.listening import listener_of
from tocsin.runtime import Runtime
from tocsin.setup import Ready

logger = logging.getLogger("tocsin")

GRACE: Final = 10
"""Seconds that requests under way get at the end."""


class Served(Protocol):
    """What a server must know of what runs behind it."""

    failed: threading.Event
    on_failure: Callable[[], None]

    @property
    def ready_made(self) -> Ready:
        """The configuration."""
        ...

    def start(self) -> None:
        """Begin, once the port is ours."""
        ...

    def stop(self) -> None:
        """End, once nobody is served any more."""
        ...


class Server(uvicorn.Server):
    """Lets waiting producers go when it is told to end."""

    def __init__(self, config: uvicorn.Config, listener: Listener | None) -> None:
        super().__init__(config)
        self._listener = listener

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer long polls, then stop as uvicorn does."""
        if self._listener is not None:
            self._listener.close()
        await super().shutdown(sockets)


def application(runtime: Runtime) -> tuple[Starlette, Listener]:
    """The ASGI application of a runtime, and its listener."""
    listener = listener_of(runtime, runtime.log, runtime.inputs, runtime.denying)
    listener.intake.lag = lambda: runtime.log.end(EVENTS) - runtime.detect.position
    routes = [*listener.routes, *runtime.inputs.routes(listener.pushed), *Api(runtime).routes()]
    return Starlette(routes=routes), listener


def serve(runtime: Runtime) -> int:
    """Serve everything of one process; see `serve_application`."""
    return serve_application(runtime, *application(runtime))


def serve_application(runtime: Served, app: Starlette, listener: Listener | None) -> int:
    """Serve until SIGTERM or SIGINT, drain and close; the exit code: 0, or 1 after a stage failed.

    Raises ConfigError where the certificate is none, UnavailableError where nobody can listen there, StorageError where
    nothing can be stored.
    """
    listen = runtime.ready_made.config.listen
    loaded = runtime.ready_made.loaded
    config = uvicorn.Config(
        app,
        ssl_certfile=str(loaded.path(listen.tls.certificate)) if listen.tls else None,
        ssl_keyfile=str(loaded.path(listen.tls.key)) if listen.tls else None,
        ssl_ca_certs=str(loaded.path(listen.tls.clients)) if listen.tls and listen.tls.clients else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if listen.tls and listen.tls.clients else ssl.CERT_NONE,
        http=protocol(listen.connections),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = Server(config, listener)

    def end(*_: object) -> None:
        server.should_exit = True

    def fail() -> None:
        runtime.failed.set()
        end()

    runtime.on_failure = fail
    # uvicorn takes the signals over while it serves and raises them again afterwards; one before that counts too.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    try:
        load(config)
        with bound(listen.host, listen.port) as listening:
            runtime.start()
            url = base_url(loaded, listening.getsockname()[1])
            logger.info("listening", extra={"url": url, "data": str(runtime.ready_made.data)})
            server.run([listening])
    finally:
        runtime.stop()
    return 1 if runtime.failed.is_set() or not server.started else 0


def load(config: uvicorn.Config) -> None:
    """Read what the configuration names; raises ConfigError where certificate and key are not what they should be."""
    try:
        config.load()
    except OSError as error:
        raise ConfigError(
            f"the certificate and its key cannot be used ({error})",
            where=str(config.ssl_certfile),
            hint="name PEM files that belong together, the key without a password, in listen.tls",
        ) from error


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens, before anything is started for it; raises UnavailableError where it cannot."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UnavailableError(
            f"cannot listen ({error.strerror or error})",
            where=f"{host}:{port}",
            hint="stop what listens there, or choose another listen.port or listen.host",
        ) from error
