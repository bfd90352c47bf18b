"""Forwarding: one request to the upstream and its answer back, as it comes, nothing held up."""

import asyncio
import logging
import ssl
from typing import Final

import httpx

from collector.proxy.connection import BrokenError, Connection
from collector.proxy.endpoint import EndpointRewriter
from collector.proxy.headers import Header, back, onward, request_head
from collector.proxy.pool import Pool
from collector.proxy.route import Upstream
from stream.errors import ConfigError
from tocsin_audit.asgi import Message, Receive, Send
from tocsin_audit.exchange import Scope
from tocsin_audit.source import Network

LOG: Final = logging.getLogger("tocsin.proxy")
TARGET: Final = "tocsin.proxy.target"
"""Where the router leaves the path to ask the upstream for."""
_WRITE: Final = 60.0
"""Seconds that an upstream may take to accept what is sent to it."""


class UpstreamBrokenError(Exception):
    """The upstream stopped in the middle of an answer; the caller's connection is to break too."""


class Forward:
    """An ASGI application that stands for one upstream."""

    def __init__(self, upstream: Upstream, trusted: tuple[Network, ...] = ()) -> None:
        """Raises ConfigError where its certificates cannot be used."""
        self._upstream = upstream
        self._trusted = trusted
        url = httpx.URL(upstream.origin)
        secure = url.scheme == "https"
        self._host = None if upstream.preserve_host else url.netloc
        self._pool = Pool(
            url.raw_host.decode("ascii"),
            url.port or (443 if secure else 80),
            _context(upstream) if secure else None,
            upstream.connect_s,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request; raises UpstreamBrokenError where the answer was begun and not ended."""
        first = await receive()
        if first["type"] != "http.request":
            return
        try:
            connection = await self._pool.get()
        except OSError as error:
            await self._failed(send, error)
            return
        asking = _Asking(connection, first, receive)
        try:
            asking.begin(scope["method"], self._head(scope, asking))
            await self._answer(scope, connection, asking, send)
        finally:
            asking.end()
            if not asking.sent:
                connection.abort()
            self._pool.give(connection)

    async def close(self) -> None:
        """Close the connections to the upstream."""
        self._pool.close()

    async def _answer(self, scope: Scope, connection: Connection, asking: "_Asking", send: Send) -> None:
        try:
            status, headers = await connection.head()
        except BrokenError as error:
            if not asking.gone:
                await self._failed(send, error)
            return
        try:
            await self._pass_back(scope, connection, status, back(headers), send)
        except BrokenError as error:
            if asking.gone:
                return
            LOG.warning("%s: stopped in the middle of an answer", self._upstream.server, extra={"error": str(error)})
            raise UpstreamBrokenError(str(error)) from error

    def _head(self, scope: Scope, asking: "_Asking") -> bytes:
        given: list[Header] = scope["headers"]
        names = {name.lower() for name, _ in given}
        asking.chunked = (not asking.empty and b"content-length" not in names) or b"transfer-encoding" in names
        headers = onward(
            given,
            host=self._host,
            client=scope.get("client"),
            scheme=scope.get("scheme", "http"),
            trusted=self._trusted,
            chunked=asking.chunked,
        )
        target = scope[TARGET].encode("latin-1")
        if query := scope.get("query_string"):
            target += b"?" + query
        return request_head(scope["method"].encode("ascii"), target, headers)

    async def _pass_back(
        self, scope: Scope, connection: Connection, status: int, headers: list[Header], send: Send
    ) -> None:
        rewriter = self._rewriter(scope, headers)
        if rewriter is not None:
            headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        more = True
        while more:
            body, more = await connection.more()
            if rewriter is not None:
                body = rewriter.feed(body) if more else rewriter.feed(body) + rewriter.rest()
            if body or not more:
                await send({"type": "http.response.body", "body": body, "more_body": more})

    def _rewriter(self, scope: Scope, headers: list[Header]) -> EndpointRewriter | None:
        """What makes the addresses of the older transport this proxy's own, where an answer may name one."""
        moved = self._upstream.prefix != self._upstream.base or self._host is not None
        if not moved or scope["method"] != "GET":
            return None
        said = {name.lower(): value for name, value in headers}
        stream = said.get(b"content-type", b"").startswith(b"text/event-stream")
        return EndpointRewriter(self._upstream) if stream and b"content-encoding" not in said else None

    async def _failed(self, send: Send, error: Exception) -> None:
        """Answer for an upstream that gave no answer."""
        status, said = 502, "the MCP server behind this proxy broke the connection"
        if isinstance(error, TimeoutError):
            status, said = 504, "the MCP server behind this proxy does not answer in time"
        elif isinstance(error, OSError):
            said = "the MCP server behind this proxy cannot be reached"
        LOG.warning("%s: %s", self._upstream.server, said, extra={"url": self._upstream.url, "error": str(error)})
        body = said.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class _Asking:
    """The caller's body on its way to the upstream, and afterwards the news that the caller has gone."""

    def __init__(self, connection: Connection, first: Message, receive: Receive) -> None:
        self._connection = connection
        self._first = first
        self._receive = receive
        self._task: asyncio.Task[None] | None = None
        self.empty = not first.get("body") and not first.get("more_body", False)
        self.chunked = False
        self.sent = False
        self.gone = False

    def begin(self, method: str, head: bytes) -> None:
        """Send what is there, and go on with the rest beside the answer."""
        self.sent = not self._first.get("more_body", False)
        self._connection.ask(method, head + self._framed(self._first.get("body", b"")))
        self._task = asyncio.ensure_future(self._on())

    def end(self) -> None:
        """Stop listening to the caller."""
        if self._task is not None:
            self._task.cancel()

    async def _on(self) -> None:
        while not self.sent:
            async with asyncio.timeout(_WRITE):
                await self._connection.drain()
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._leave()
                return
            self.sent = not message.get("more_body", False)
            self._connection.write(self._framed(message.get("body", b"")))
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        """The caller has gone: whoever works for him is told, and half a request never looks like a whole one."""
        self.gone = True
        self._connection.abort()

    def _framed(self, body: bytes) -> bytes:
        if not self.chunked:
            return body
        framed = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        return framed + b"0\r\n\r\n" if self.sent else framed


def _context(upstream: Upstream) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=upstream.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        if upstream.certificate is not None:
            context.load_cert_chain(upstream.certificate, upstream.key)
    except OSError as error:
        raise ConfigError(
            f"its certificates cannot be used ({error})",
            where=f"upstream {upstream.url}",
            hint="name PEM files: authority, and certificate with key where the server asks for one",
        ) from error
    return context
