"""The listener: `POST /v1/events` and `GET /v1/producer` for everything that holds a collector key."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from hashlib import sha256
from typing import Any, Final, Protocol

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from collector.admit import CHUNK, Admitted, admit
from collector.encoding import ENCODINGS, TooLargeError, expand
from collector.format import Reason
from collector.keys import Key, Keys
from collector.limits import InFlight, Limits
from collector.lines import TYPES, Lines, split
from collector.producer import FactsSource, document
from stream.crashpoints import crash_point
from stream.decode import identify
from stream.dedup import Duplicates
from stream.errors import FullError, RejectedError, StorageError
from stream.frame import LIMIT
from stream.log import EVENTS, Log
from stream.receipt import receive

POLL: Final = 0.25
"""Seconds between looks for a change while a producer waits."""
SOON: Final = 1
"""Seconds after which a producer that was too many may come again."""
LATER: Final = 15
"""Seconds after which it may when the disk is full or fails."""


class Observer(Protocol):
    """Hears what was received, for metrics; never decides anything."""

    def accepted(self, count: int) -> None:
        """So many events became durable."""
        ...

    def duplicates(self, count: int) -> None:
        """So many events were recognised as sent before."""
        ...

    def rejected(self, reason: str, count: int) -> None:
        """So many lines (or one body, for a reason that is a status) were refused."""
        ...

    def received(self, size: int, seconds: float) -> None:
        """A body of so many bytes was dealt with in so many seconds."""
        ...


class _Refused(Exception):  # noqa: N818  # not an error of the program: an answer on its way out
    def __init__(self, status: int, error: str, hint: str, *, after: int | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "hint": hint}
        self.headers = {} if after is None else {"Retry-After": str(after)}
        if status == 401:
            self.headers["WWW-Authenticate"] = "Bearer"


class Listener:
    """Takes events from producers and makes them durable before it answers.

    `routes` are for a Starlette application in one event loop; `close` lets waiting producers go, so that a server can
    stop. `clock` is the wall clock in seconds since the epoch: each request's `received` is read from it once.
    """

    def __init__(
        self,
        log: Log,
        keys: Keys,
        facts_source: FactsSource,
        *,
        observer: Observer,
        clock: Callable[[], float] = time.time,
        limits: Limits | None = None,
        duplicates: Duplicates | None = None,
    ) -> None:
        self._log = log
        self._keys = keys
        self._facts_source = facts_source
        self._observer = observer
        self._clock = clock
        self._limits = limits or Limits()
        self._duplicates = duplicates or Duplicates()
        self._in_flight = InFlight(self._limits.in_flight)
        self._polls = 0
        self._closing = False
        self.routes = [
            Route("/v1/events", self._guarded(self._post_events), methods=["POST"]),
            Route("/v1/producer", self._guarded(self._get_producer), methods=["GET"]),
        ]

    @property
    def in_flight(self) -> int:
        """The bytes that requests under way hold."""
        return self._in_flight.size

    def close(self) -> None:
        """Answer what waits for a change."""
        self._closing = True

    def _guarded(
        self, handle: Callable[[Request, Key], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return await handle(request, self._key(request))
            except _Refused as refused:
                self._observer.rejected(str(refused.status), 1)
                return _json(refused.status, refused.body, refused.headers)

        return answer

    def _key(self, request: Request) -> Key:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        hint = "send Authorization: Bearer and a collector key; `tocsin keys create` makes one"
        if scheme.lower() != "bearer" or not text:
            raise _Refused(401, "no collector key was presented", hint)
        try:
            key = self._keys.find(text.strip())
        except StorageError as error:
            raise _Refused(503, error.what, error.hint, after=LATER) from error
        if key is None:
            raise _Refused(401, "the collector key is not known", hint)
        if key.revoked is not None:
            raise _Refused(403, f"the collector key {key.id} was revoked", "ask for a new one")
        return key

    async def _post_events(self, request: Request, key: Key) -> Response:
        begin = time.perf_counter()
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if content_type not in TYPES:
            raise _Refused(
                415,
                f"Content-Type {content_type[:100]!r} is not taken",
                "send application/x-ndjson (with curl: -H 'Content-Type: application/x-ndjson' --data-binary @FILE)",
            )
        if encoding not in ENCODINGS:
            raise _Refused(415, f"Content-Encoding {encoding[:100]!r} is not taken", "use gzip, zstd or identity")
        claimed = 0

        def claim(size: int) -> None:
            nonlocal claimed
            verdict = self._in_flight.claim(key.id, size)
            if verdict == "key":
                raise _Refused(
                    429, "this key has too much under way", "wait for answers before sending more", after=SOON
                )
            if verdict == "all":
                raise _Refused(503, "too much is under way", "send it again a little later", after=SOON)
            claimed += size

        try:
            data = await self._read(request, claim)
            try:
                body = expand(data, encoding, self._limits.body)
                if body is not data:
                    claim(len(body))
                lines = split(body, content_type, self._limits.lines)
            except TooLargeError as error:
                raise _Refused(413, error.what, error.hint) from error
            except RejectedError as error:
                raise _Refused(400, error.what, error.hint) from error
            if not lines.lines:
                raise _Refused(400, "the body has no events", "send one JSON object a line")
            answer = await self._take(lines, body, key)
        finally:
            self._in_flight.release(key.id, claimed)
        self._observer.received(len(body), time.perf_counter() - begin)
        return answer

    async def _read(self, request: Request, claim: Callable[[int], None]) -> bytes:
        most = self._limits.body
        length = request.headers.get("content-length", "")
        too_large = _Refused(413, f"the body is larger than {most} bytes", "send fewer events at a time")
        if length.isdecimal() and int(length) > most:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise too_large
                    claim(len(part))
                    parts.append(part)
        except TimeoutError as error:
            raise _Refused(
                408, "the body did not arrive in time", "send smaller bodies, or look at the network"
            ) from error
        except ClientDisconnect as error:
            raise _Refused(400, "the body did not arrive whole", "send it again") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _take(self, lines: Lines, body: bytes, key: Key) -> Response:
        received = self._clock()
        admitted = Admitted()
        for at in range(0, len(lines.lines), CHUNK):
            if at:
                # A large body must not keep others waiting.
                await asyncio.sleep(0)
            chunk = slice(at, at + CHUNK)
            joined = lines.joined if len(lines.lines) <= CHUNK else None
            admit(admitted, lines.lines[chunk], lines.numbers[chunk], key, self._limits.line, joined)
        digest = sha256(body).hexdigest()
        identify(admitted.events, digest, admitted.numbers)
        good = len(admitted.events)
        repeated = self._duplicates.find(key.id, admitted.events, received)
        if repeated:
            admitted.without(repeated)
        crash_point("receive.before_append")
        await self._append(admitted, digest, key, received)
        crash_point("receive.after_append")
        self._tell(len(admitted.events), len(repeated), admitted.reasons)
        reply = {"accepted": len(admitted.events), "duplicates": len(repeated), "rejected": admitted.rejected}
        if good:
            return _json(200, reply)
        return _json(400, {"error": "no line could be used", "hint": "see `rejected` for each line's fault", **reply})

    async def _append(self, admitted: Admitted, digest: str, key: Key, received: float) -> None:
        """Wait until every frame is durable; what is, is known from then on, so that a retry does not count twice."""
        parts = [slice(at, at + LIMIT) for at in range(0, len(admitted.events), LIMIT)]
        futures: list[Future[int]] = [
            self._log.append(
                EVENTS,
                receive(
                    admitted.events[part],
                    admitted.payload(part),
                    received,
                    source=key.id,
                    digest=digest,
                    numbers=admitted.numbers[part],
                    tenant=key.tenant,
                ),
            )
            for part in parts
        ]
        outcomes = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        failed: BaseException | None = None
        for part, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                failed = failed or outcome
            else:
                self._duplicates.mark(key.id, admitted.events[part], received)
        if isinstance(failed, FullError):
            raise _Refused(503, "there is no room for more events", failed.hint, after=LATER) from failed
        if isinstance(failed, StorageError):
            raise _Refused(503, "events cannot be made durable now", "send them again later", after=LATER) from failed
        if failed is not None:
            raise failed

    def _tell(self, accepted: int, duplicates: int, reasons: Sequence[Reason]) -> None:
        if accepted:
            self._observer.accepted(accepted)
        if duplicates:
            self._observer.duplicates(duplicates)
        for reason in set(reasons):
            self._observer.rejected(reason, reasons.count(reason))

    async def _get_producer(self, request: Request, key: Key) -> Response:
        wait = request.query_params.get("wait", "0")
        if not wait.replace(".", "", 1).isdecimal():
            raise _Refused(400, f"wait={wait[:20]!r} is no number of seconds", "leave it out, or say wait=25")
        known = request.headers.get("if-none-match", "")
        told, now = self._facts_source(), self._clock()
        current = document(told, key, now)
        if known == current.etag:
            if self._polls >= self._limits.polls:
                raise _Refused(503, "too many producers wait already", "ask again later", after=LATER)
            deadline = time.monotonic() + min(float(wait), self._limits.poll_seconds)
            self._polls += 1
            try:
                while known == current.etag and not self._closing and (left := deadline - time.monotonic()) > 0:
                    await asyncio.sleep(min(POLL, left))
                    latest, now = self._facts_source(), self._clock()
                    if latest is not told or now >= current.until:
                        told = latest
                        current = document(told, key, now)
            finally:
                self._polls -= 1
        headers = {"ETag": current.etag, "Cache-Control": "no-store"}
        if known == current.etag:
            return Response(status_code=304, headers=headers)
        return Response(current.body, media_type="application/json", headers=headers)


def _json(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")
