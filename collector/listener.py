"""The listener: `POST /v1/events` in any format, `GET /v1/producer`, and the other inputs that come over HTTP."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.admit import CHUNK, admit
from collector.door import LATER, Door, Refused, Stranger, json_reply, media_type
from collector.enrich import Enricher, Options
from collector.formats.native import FORMAT as NATIVE
from collector.intake import Intake
from collector.keys import Key, Keys
from collector.limits import Limits
from collector.lines import TYPES, Lines, split
from collector.observer import Observer
from collector.producer import FactsSource, document
from collector.push.cloudevents import CloudEvents
from collector.push.hec import Hec
from collector.push.otlp import Otlp
from collector.push.pushed import Delivery, Pushed
from collector.reading import Record
from collector.tally import Tallies
from stream.dedup import Duplicates
from stream.log import Log
from tocsin_audit.event import AuditEvent

NAME: Final = "events"
"""What the status and the metrics call this input."""
POLL: Final = 0.25
"""Seconds between looks for a change while a producer waits."""
EXAMPLE: Final = "send application/x-ndjson (with curl: -H 'Content-Type: application/x-ndjson' --data-binary @FILE)"


class Listener:
    """Takes events from producers and makes them durable before it answers.

    `routes` are for a Starlette application in one event loop; `close` lets waiting producers go, so that a server can
    stop. `clock` is the wall clock in seconds since the epoch: each request's `received` is read from it once.
    `hear` is called with the events that became durable and their receipt.
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
        tallies: Tallies | None = None,
        hear: Callable[[Sequence[AuditEvent], float], None] | None = None,
        enrich: Options | None = None,
        stranger: Stranger | None = None,
    ) -> None:

        def told(status: str, source: str) -> None:
            observer.rejected(status, 1, source)

        self.door = Door(keys, limits or Limits(), told, stranger, clock)
        self.intake = Intake(log, duplicates)
        self.tallies = Tallies() if tallies is None else tallies
        made = Enricher(enrich, lambda: facts_source().directory) if enrich is not None else None
        self.pushed = Pushed(self.door, self.intake, observer, self.tallies, clock, made)
        self._facts_source = facts_source
        self._hear = hear
        self._observer = observer
        self._clock = clock
        self._polls = 0
        self._closing = False
        self.routes = [
            Route("/v1/events", self.door.guarded(self._post_events), methods=["POST"]),
            Route("/v1/producer", self.door.guarded(self._get_producer), methods=["GET"]),
            *Hec(self.pushed).routes,
            *CloudEvents(self.pushed).routes,
            *Otlp(self.pushed).routes,
        ]

    @property
    def in_flight(self) -> int:
        """The bytes that requests under way hold."""
        return self.door.in_flight

    def close(self) -> None:
        """Answer what waits for a change."""
        self._closing = True

    async def _post_events(self, request: Request, key: Key) -> Response:
        async with self.door.body(request, key.scope, TYPES, EXAMPLE) as body:
            form = self.pushed.asked(request)
            lines = split(body, media_type(request), self.door.limits.lines)
            if not lines.lines:
                raise Refused(400, "the body has no events", "send one JSON object a line")
            delivery = self.pushed.begin(NAME, body, key)
            if form is NATIVE:
                await self._admit(delivery, lines)
            else:
                records = [Record(line, number) for line, number in zip(lines.lines, lines.numbers, strict=True)]
                await self.pushed.read(delivery, records, form)
            good = len(delivery.admitted.events)
            kept = await self.pushed.keep(delivery)
            if self._hear is not None:
                self._hear(delivery.admitted.events, delivery.received)
        rejected = delivery.admitted.rejected
        reply = {"accepted": kept.accepted, "duplicates": kept.duplicates, "rejected": rejected}
        if good or not rejected:
            return json_reply(200, reply)
        hint = "see `rejected` for each line's fault"
        return json_reply(400, {"error": "no line could be used", "hint": hint, **reply})

    async def _admit(self, delivery: Delivery, lines: Lines) -> None:
        delivery.records = len(lines.lines)
        for at in range(0, len(lines.lines), CHUNK):
            if at:
                # A large body must not keep others waiting.
                await asyncio.sleep(0)
            chunk = slice(at, at + CHUNK)
            joined = lines.joined if len(lines.lines) <= CHUNK else None
            longest = self.door.limits.line
            admit(
                delivery.admitted,
                lines.lines[chunk],
                lines.numbers[chunk],
                delivery.key,
                longest,
                joined,
                enrich=self.pushed.enrich,
            )

    async def _get_producer(self, request: Request, key: Key) -> Response:
        wait = request.query_params.get("wait", "0")
        if not wait.replace(".", "", 1).isdecimal():
            raise Refused(400, f"wait={wait[:20]!r} is no number of seconds", "leave it out, or say wait=25")
        known = request.headers.get("if-none-match", "")
        told, now = self._facts_source(), self._clock()
        current = document(told, key, now)
        if known == current.etag:
            if self._polls >= self.door.limits.polls:
                raise Refused(503, "too many producers wait already", "ask again later", after=LATER)
            deadline = time.monotonic() + min(float(wait), self.door.limits.poll_seconds)
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
