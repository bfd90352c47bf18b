"""The door of every HTTP input: who comes in, and with how much."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Literal

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from collector.encoding import ENCODINGS, TooLargeError, expand
from collector.keys import Key, Keys
from collector.limits import InFlight, Limits
from stream.errors import FullError, RejectedError, StorageError
from stream.throttle import Throttle

SOON: Final = 1
"""Seconds after which a producer that was too many may come again."""
QUOTA_SECONDS: Final = 10
"""Seconds over which a key's quota is an average."""
LATER: Final = 15
"""Seconds after which it may when the disk is full or fails."""

Cause = Literal["", "none", "unknown", "revoked", "busy", "large", "content"]
Handler = Callable[[Request, Key], Awaitable[Response]]
Answer = Callable[[Request, "Refused"], Response]
Stranger = Callable[[str, str], None]
"""Hears the address of a request whose key was not good, and why."""


class Refused(Exception):  # noqa: N818  # not an error of the program: an answer on its way out
    """A request that is not taken: the status, what is wrong, what to do, and after how many seconds to come again."""

    def __init__(self, status: int, error: str, hint: str, *, after: int | None = None, cause: Cause = "") -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.after = after
        self.cause: Cause = cause

    @property
    def headers(self) -> dict[str, str]:
        """What the answer's headers say of it."""
        headers = {} if self.after is None else {"Retry-After": str(self.after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


class Door:
    """Checks keys, reads bodies within bounds and undoes their encoding; used by one event loop.

    `told` hears the status of each refusal and whose key it was, `stranger` of each key that was not good.
    """

    def __init__(
        self,
        keys: Keys,
        limits: Limits,
        told: Callable[[str, str], None],
        stranger: Stranger | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limits: Final = limits
        self._keys = keys
        self._told = told
        self._stranger = stranger
        self._clock = clock
        self._in_flight = InFlight(limits.in_flight)
        self._quota = Throttle(limits.key_rate * QUOTA_SECONDS, QUOTA_SECONDS) if limits.key_rate else None

    @property
    def in_flight(self) -> int:
        """The bytes that requests under way hold."""
        return self._in_flight.size

    def guarded(
        self, handle: Handler, *, scheme: str = "bearer", answer: Answer | None = None
    ) -> Callable[[Request], Awaitable[Response]]:
        """A handler that is called with the key of each request, refusals told as `answer` has them."""

        async def guard(request: Request) -> Response:
            key: Key | None = None
            try:
                key = self._key(request, scheme)
                return await handle(request, key)
            except Refused as refused:
                self._told(str(refused.status), key.scope if key is not None else "")
                if refused.cause in ("unknown", "revoked") and self._stranger is not None:
                    peer = request.client.host if request.client is not None else ""
                    self._stranger(peer, f"{refused.cause} collector key")
                return (answer or plain)(request, refused)

        return guard

    @asynccontextmanager
    async def body(self, request: Request, holder: str, types: Collection[str], example: str) -> AsyncIterator[bytes]:
        """The whole body behind its encoding, counted for a holder (a key's id) until it was dealt with.

        Raises Refused where it is too large, too slow, not whole, or of a content type that is not among `types`.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if media_type(request) not in types:
            raise Refused(415, f"Content-Type {media_type(request)[:100]!r} is not taken", example, cause="content")
        if encoding not in ENCODINGS:
            raise Refused(
                415, f"Content-Encoding {encoding[:100]!r} is not taken", "use gzip, zstd or identity", cause="content"
            )
        claimed = 0

        def claim(size: int) -> None:
            nonlocal claimed
            verdict = self._in_flight.claim(holder, size)
            if verdict == "key":
                hint = "wait for answers before sending more"
                raise Refused(429, "this key has too much under way", hint, after=SOON, cause="busy")
            if verdict == "all":
                hint = "send it again a little later"
                raise Refused(503, "too much is under way", hint, after=SOON, cause="busy")
            claimed += size

        try:
            data = await self._read(request, claim)
            try:
                body = expand(data, encoding, self.limits.body)
                if body is not data:
                    claim(len(body))
                self._spend(holder, len(body))
                yield body
            except TooLargeError as error:
                raise Refused(413, error.what, error.hint, cause="large") from error
            except RejectedError as error:
                raise Refused(400, error.what, error.hint, cause="content") from error
            except FullError as error:
                raise Refused(503, "there is no room for more events", error.hint, after=LATER) from error
            except StorageError as error:
                hint = "send them again later"
                raise Refused(503, "events cannot be made durable now", hint, after=LATER) from error
        finally:
            self._in_flight.release(holder, claimed)

    def _spend(self, holder: str, size: int) -> None:
        now = time.monotonic()
        if self._quota is None or self._quota.spend(holder, now, size):
            return
        after = math.ceil(self._quota.wait(holder, now, size))
        raise Refused(429, "this key is over its quota", "send less, or ask for more", after=after, cause="busy")

    def _key(self, request: Request, scheme: str) -> Key:
        said, _, text = request.headers.get("authorization", "").partition(" ")
        hint = f"send Authorization: {scheme.capitalize()} and a collector key; `tocsin keys create` makes one"
        if said.lower() != scheme or not text:
            raise Refused(401, "no collector key was presented", hint, cause="none")
        try:
            key = self._keys.find(text.strip())
        except StorageError as error:
            raise Refused(503, error.what, error.hint, after=LATER) from error
        if key is None:
            raise Refused(401, "the collector key is not known", hint, cause="unknown")
        if not key.good(self._clock()):
            raise Refused(403, f"the collector key {key.id} was revoked", "ask for a new one", cause="revoked")
        return key

    async def _read(self, request: Request, claim: Callable[[int], None]) -> bytes:
        most = self.limits.body
        length = request.headers.get("content-length", "")
        too_large = Refused(413, f"the body is larger than {most} bytes", "send fewer events at a time", cause="large")
        if length.isdecimal() and int(length) > most:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.limits.read_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise too_large
                    claim(len(part))
                    parts.append(part)
        except TimeoutError as error:
            raise Refused(
                408, "the body did not arrive in time", "send smaller bodies, or look at the network"
            ) from error
        except ClientDisconnect as error:
            raise Refused(400, "the body did not arrive whole", "send it again") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)


def media_type(request: Request) -> str:
    """The content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def plain(_: Request, refused: Refused) -> Response:
    """A refusal as JSON: `{error, hint}`."""
    return json_reply(refused.status, {"error": refused.error, "hint": refused.hint}, refused.headers)


def json_reply(status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")
