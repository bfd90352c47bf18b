"""One connection to an upstream: HTTP/1.1 (RFC 9112) on bare asyncio, one exchange at a time, nothing held up."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import httptools

from collector.proxy.headers import Header

LARGEST_HEAD: Final = 128 * 1024
"""Bytes that an answer may take without any of its body: for its head, or behind its last piece."""
HELD: Final = 256 * 1024
"""Bytes of an answer that wait for the caller before the upstream is held back."""


class BrokenError(Exception):
    """The upstream broke the connection, or did not speak HTTP."""


class Connection(asyncio.Protocol):
    """Carries requests one after the other; `closed` is called once, when it can carry no more."""

    def __init__(self, closed: Callable[["Connection"], None]) -> None:
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self.idle: asyncio.TimerHandle | None = None
        self._asked = False
        self._reset("")

    def _reset(self, method: str) -> None:
        self._method = method
        self._headers: list[Header] = []
        self._status = 0
        self._bare = 0
        self._parts: deque[bytes] = deque()
        self._held = 0
        self._paused = False
        self._until_close = False
        self._over = False
        self._keep = False

    @property
    def reusable(self) -> bool:
        """Whether the answer came whole and the upstream keeps the connection."""
        return self._over and self._keep and self._error is None and not self._parts

    def ask(self, method: str, head: bytes) -> None:
        """Begin an exchange with the head of a request and whatever of its body is there."""
        self._reset(method)
        self._asked = True
        self.write(head)

    def write(self, data: bytes) -> None:
        """Send more of the request's body; what a broken connection cannot take goes nowhere."""
        if self._error is None and self._transport is not None:
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the upstream has taken most of what was sent."""
        if self._writable is not None and self._error is None:
            await asyncio.shield(self._writable)

    async def head(self) -> tuple[int, list[Header]]:
        """Status and headers of the answer; raises BrokenError where there is none."""
        while not self._status:
            await self._wait()
        return self._status, self._headers

    async def more(self) -> tuple[bytes, bool]:
        """The next piece of the answer's body, and whether more may follow; raises BrokenError where it breaks off."""
        while not self._parts and not self._over:
            await self._wait()
        data = self._parts.popleft() if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._held = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data, not self._over

    def abort(self) -> None:
        """Break the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(BrokenError("it was given up"))

    def close(self) -> None:
        """Close the connection in good order."""
        if self._transport is not None:
            self._transport.close()

    async def _wait(self) -> None:
        if self._error is not None:
            raise BrokenError(str(self._error)) from self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._wake()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by their class

    def data_received(self, data: bytes) -> None:
        """Read what came; whatever comes without having been asked for ends the connection."""
        if self._over or not self._asked:
            self._refuse("an answer that nobody asked for")
            return
        held = self._held
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._refuse(f"no HTTP: {error}")
            return
        self._bare = self._bare + len(data) if self._held == held else 0
        if self._bare > LARGEST_HEAD and not self._over:
            self._refuse("a head without end")
        elif self._held > HELD and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: an answer without a length is whole now, any other is broken."""
        self._transport = None
        if self._status and self._until_close and exc is None and self._error is None:
            self._over = True
        self._fail(exc or BrokenError("it was closed"))
        self._closed(self)

    def pause_writing(self) -> None:
        """Let the sender wait."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Let the sender go on."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _refuse(self, why: str) -> None:
        self._fail(BrokenError(why))
        if self._transport is not None:
            self._transport.abort()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A second answer to one request is none."""
        if self._over:
            raise BrokenError("an answer that nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; what follows a body stays on this hop."""
        if not self._status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there; of a provisional answer (1xx) nothing is passed on."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._status = status
        names = {name.lower() for name, _ in self._headers}
        bodiless = self._method == "HEAD" or status in (204, 304)
        self._until_close = not bodiless and not names & {b"content-length", b"transfer-encoding"}
        if self._method == "HEAD":
            # The parser cannot be told that no body follows, so that this was the last answer of the connection.
            self._over = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._over:
            self._parts.append(body)
            self._held += len(body)

    def on_message_complete(self) -> None:
        """The answer is whole; after a provisional one the real one follows."""
        if not self._status:
            self._headers = []
            return
        if self._method != "HEAD":
            self._keep = self._parser.should_keep_alive()
        self._over = True
