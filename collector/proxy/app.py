"""The proxy as one ASGI application: routing in front of audited upstreams."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from collector.proxy.forward import TARGET, Forward, UpstreamBrokenError
from collector.proxy.route import Router, Upstream
from tocsin_audit import AuditMiddleware
from tocsin_audit.asgi import Receive, Send
from tocsin_audit.exchange import Scope
from tocsin_audit.onlooker import Onlooker
from tocsin_audit.options import NO_LIMITS
from tocsin_audit.source import networks


class Proxy:
    """Every upstream is audited by the middleware's own code, each as a producer of its own.

    `events` is a file to append to instead of sending, `onlooker` what looks into content and checks
    tokens. Raises ValueError where upstreams or trusted proxies cannot be
    used, ConfigError where an upstream's certificates cannot.
    """

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        *,
        events: Path | None = None,
        trusted_proxies: Iterable[str] | None = None,
        limits: Mapping[str, Any] = NO_LIMITS,
        onlooker: Onlooker | None = None,
    ) -> None:
        self._router = Router(upstreams)
        trusted = tuple(trusted_proxies) if trusted_proxies is not None else None
        self._forwards = [Forward(upstream, networks(trusted or ())) for upstream in upstreams]
        self._audits = [
            AuditMiddleware(
                forward,
                server=upstream.server,
                path=events,
                trusted_proxies=trusted,
                limits=limits,
                onlooker=onlooker,
            )
            for forward, upstream in zip(self._forwards, upstreams, strict=True)
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        routed = self._router.find(host.decode("latin-1"), path)
        if routed is None:
            body = b"no MCP server of this proxy is at this address"
            headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 404, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})
            return
        scope[TARGET] = routed.path
        try:
            await self._audits[routed.index](scope, receive, send)
        except UpstreamBrokenError:
            return  # an answer without its end makes the server close the connection, as the upstream did

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                for audit in self._audits:
                    audit.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def close(self) -> None:
        """Close the connections, and deliver or spool what is left."""
        for forward in self._forwards:
            await forward.close()
        await asyncio.gather(*(asyncio.to_thread(audit.stop) for audit in self._audits))
