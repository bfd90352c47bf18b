"""The HTTP server of a running Tocsin: producers, operators and probes on one port."""

import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from starlette.applications import Starlette

from collector.keys import FILE as KEYS_FILE
from collector.keys import Keys
from collector.limits import MIB, Limits
from collector.listener import Listener
from tocsin.api import Api
from tocsin.client import base_url
from tocsin.runtime import Runtime

logger = logging.getLogger("tocsin")

GRACE: Final = 10
"""Seconds that requests under way get at the end."""


class Server(uvicorn.Server):
    """Says where it listens once it does, and lets waiting producers go when it is told to end."""

    def __init__(self, config: uvicorn.Config, listener: Listener, runtime: Runtime) -> None:
        super().__init__(config)
        self._listener = listener
        self._runtime = runtime

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # the sockets are passed on untouched
        """Start as uvicorn does, and tell the address: only now is it known where any port would do."""
        await super().startup(sockets)  # type: ignore[arg-type]  # as above
        port = self.servers[0].sockets[0].getsockname()[1]
        ready = self._runtime.ready_made
        logger.info("listening", extra={"url": base_url(ready.loaded, port), "data": str(ready.data)})

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # the sockets are passed on untouched
        """Answer long polls, then stop as uvicorn does."""
        self._listener.close()
        await super().shutdown(sockets)  # type: ignore[arg-type]  # as above


def application(runtime: Runtime) -> tuple[Starlette, Listener]:
    """The ASGI application of a runtime, which starts and ends with it, and its listener."""
    listen = runtime.ready_made.config.listen
    listener = Listener(
        runtime.log,
        Keys(runtime.ready_made.data / KEYS_FILE),
        runtime.told,
        observer=runtime.metrics,
        clock=runtime.clock,
        limits=Limits(body=listen.body_mib * MIB, in_flight=listen.in_flight_mib * MIB),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        runtime.start()
        yield

    return Starlette(routes=[*listener.routes, *Api(runtime).routes()], lifespan=lifespan), listener


def serve(runtime: Runtime) -> int:
    """Serve until SIGTERM or SIGINT, drain and close; the exit code: 0, or 1 after a stage failed."""
    listen = runtime.ready_made.config.listen
    loaded = runtime.ready_made.loaded
    app, listener = application(runtime)
    config = uvicorn.Config(
        app,
        host=listen.host,
        port=listen.port,
        ssl_certfile=str(loaded.path(listen.tls.certificate)) if listen.tls else None,
        ssl_keyfile=str(loaded.path(listen.tls.key)) if listen.tls else None,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = Server(config, listener, runtime)

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
        server.run()
    finally:
        runtime.stop()
    return 1 if runtime.failed.is_set() or not server.started else 0
