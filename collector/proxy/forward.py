"""Forwarding: one request to the upstream and its answer back, as it comes, nothing held up."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Final

import httpx

from collector.proxy.endpoint import EndpointRewriter
from collector.proxy.headers import back, onward
from collector.proxy.route import Upstream
from stream.errors import ConfigError
from tocsin_audit.asgi import Message, Receive, Send
from tocsin_audit.exchange import Scope
from tocsin_audit.source import Network

LOG: Final = logging.getLogger("tocsin.proxy")
TARGET: Final = "tocsin.proxy.target"
"""Where the router leaves the path to ask the upstream for."""
_IDLE: Final = 4.0
"""Seconds that a connection is kept for the next request: less than the five that common servers keep it."""
_WRITE: Final = 60.0
_KEPT: Final = 100


class UpstreamBrokenError(Exception):
    """The upstream stopped in the middle of an answer; the caller's connection is to break too."""


class Forward:
    """An ASGI application that stands for one upstream."""

    def __init__(self, upstream: Upstream, trusted: tuple[Network, ...] = ()) -> None:
        """Raises ConfigError where its certificates cannot be used."""
        self._upstream = upstream
        self._trusted = trusted
        self._url = httpx.URL(upstream.origin)
        self._host = None if upstream.preserve_host else self._url.netloc
        timeout = {"connect": upstream.connect_s, "read": None, "write": _WRITE, "pool": upstream.connect_s}
        self._timeout = timeout
        self._transport = httpx.AsyncHTTPTransport(
            verify=_context(upstream),
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=_KEPT, keepalive_expiry=_IDLE),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request; raises UpstreamBrokenError where the answer was begun and not ended."""
        first = await receive()
        if first["type"] != "http.request":
            return
        body = _Body(first, receive)
        work = asyncio.ensure_future(self._exchange(scope, body, send))
        gone = asyncio.ensure_future(body.disconnected())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, gone):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone
            if not work.done():
                with contextlib.suppress(asyncio.CancelledError, httpx.HTTPError, OSError):
                    await work

    async def close(self) -> None:
        """Close the connections to the upstream."""
        await self._transport.aclose()

    async def _exchange(self, scope: Scope, body: "_Body", send: Send) -> None:
        try:
            response = await self._transport.handle_async_request(self._request(scope, body))
        except (httpx.TimeoutException, httpx.TransportError) as error:
            status, said = _failed(error)
            LOG.warning("%s: %s", self._upstream.server, said, extra={"url": self._upstream.url, "error": str(error)})
            await _answer(send, status, said)
            return
        try:
            await self._pass_back(scope, response, send)
        except httpx.TransportError as error:
            LOG.warning("%s: stopped in the middle of an answer", self._upstream.server, extra={"error": str(error)})
            raise UpstreamBrokenError(str(error)) from error
        finally:
            await response.aclose()

    def _request(self, scope: Scope, body: "_Body") -> httpx.Request:
        given: list[tuple[bytes, bytes]] = scope["headers"]
        length = any(name.lower() == b"content-length" for name, _ in given)
        headers = onward(
            given,
            host=self._host,
            client=scope.get("client"),
            scheme=scope.get("scheme", "http"),
            trusted=self._trusted,
            chunked=(not body.empty and not length) or any(name.lower() == b"transfer-encoding" for name, _ in given),
        )
        target = scope[TARGET].encode("latin-1")
        if query := scope.get("query_string"):
            target += b"?" + query
        extensions = {"target": target, "timeout": self._timeout}
        return httpx.Request(scope["method"], self._url, headers=headers, stream=body, extensions=extensions)

    async def _pass_back(self, scope: Scope, response: httpx.Response, send: Send) -> None:
        headers = back(response.headers.raw)
        moved = self._upstream.prefix != self._upstream.base or self._host is not None
        rewriter = None
        kind = response.headers.get("content-type", "")
        plain = "content-encoding" not in response.headers
        if moved and plain and scope["method"] == "GET" and kind.startswith("text/event-stream"):
            rewriter = EndpointRewriter(self._upstream)
            headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        assert isinstance(response.stream, httpx.AsyncByteStream)
        async for chunk in response.stream:
            passed = rewriter.feed(chunk) if rewriter is not None else chunk
            if passed:
                await send({"type": "http.response.body", "body": passed, "more_body": True})
        rest = rewriter.rest() if rewriter is not None else b""
        await send({"type": "http.response.body", "body": rest, "more_body": False})


class _Body(httpx.AsyncByteStream):
    """The caller's body, piece by piece, and afterwards the news that the caller has gone."""

    def __init__(self, first: Message, receive: Receive) -> None:
        self._first = first
        self._receive = receive
        self._read = asyncio.Event()
        self._gone = False
        self.empty = not first.get("body") and not first.get("more_body", False)
        if not first.get("more_body", False):
            self._read.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        message = self._first
        while True:
            if body := message.get("body"):
                yield body
            if not message.get("more_body", False):
                self._read.set()
                return
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._read.set()
                # Ending here would make a whole request of half a one.
                raise httpx.WriteError("the caller has gone in the middle of the request")

    async def disconnected(self) -> None:
        """Wait until the caller has gone."""
        await self._read.wait()
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"


def _context(upstream: Upstream) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=upstream.authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if upstream.certificate is not None:
            context.load_cert_chain(upstream.certificate, upstream.key)
    except OSError as error:
        raise ConfigError(
            f"its certificates cannot be used ({error})",
            where=f"upstream {upstream.url}",
            hint="name PEM files: authority, and certificate with key where the server asks for one",
        ) from error
    return context


def _failed(error: httpx.HTTPError) -> tuple[int, str]:
    """The status and the words for an upstream that gave no answer."""
    if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
        return 504, "the MCP server behind this proxy does not answer in time"
    if isinstance(error, httpx.ConnectError):
        return 502, "the MCP server behind this proxy cannot be reached"
    return 502, "the MCP server behind this proxy broke the connection"


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
