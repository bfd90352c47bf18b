"""Search over `/api/v1`: one answer, or line by line as events are found."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from alerting.incidents.walls import own_event
from stream.errors import TocsinError
from stream.facts import Facts
from tocsin.access.log_in import asker_of
from tocsin.api.body import limit_of
from tocsin.moments import moment
from tocsin.runtime import Runtime
from tocsin.search import FRAMES, LIMIT, Query, Reach, Whose, hits, said, search
from tocsin_audit.event import rfc3339

STREAMED: Final = 1_000_000
"""Events of one stream at most."""
EVERYTHING: Final = 1 << 60
EVERY: Final = 0.2
"""Seconds between two lines that tell how far a search is."""
TOGETHER: Final = 100
"""Events that are sent at once."""
_NAMED: Final = ("tenant", "principal", "server", "tool", "text", "outcome", "id")
_ENCODE: Final = msgspec.json.Encoder().encode


class Events:
    """What an asker may see of the events in the log."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def answer(self, request: Request) -> Response:
        """The newest events that fit, in the order of the log, as one document."""
        query = self._query(request, LIMIT)
        runtime = self._runtime
        answer = await run_in_threadpool(
            search, runtime.log, query, tenant_of=self._tenant_of(query), index=runtime.index
        )
        if query.tenants is None:
            return Response(_ENCODE(answer), media_type="application/json")
        events = [own_event(event, query.tenants) for event in answer.events]
        # How many frames there are and when they came is everybody's traffic; the oldest event shown is theirs.
        told = {"events": events, "more": answer.more, "back_to": events[0]["received"] if events else None}
        return Response(_ENCODE(told), media_type="application/json")

    async def stream(self, request: Request) -> Response:
        """A line for each event that fits, the newest first, and between them how far the search is; `end` is last.

        With `all` it goes on to the oldest event there is.
        """
        query = self._query(request, STREAMED)
        frames = EVERYTHING if request.query_params.get("all") else FRAMES
        return StreamingResponse(self._lines(query, frames), media_type="application/x-ndjson")

    def _lines(self, query: Query, frames: int) -> Iterator[bytes]:
        reach, seen = Reach(), query.tenants
        runtime = self._runtime
        found = hits(runtime.log, query, reach, frames=frames, tenant_of=self._tenant_of(query), index=runtime.index)
        held: list[bytes] = []
        told, oldest = time.monotonic(), None
        try:
            for event in found:
                if event is not None:
                    oldest = event["received"]
                    held.append(_line(event=event if seen is None else own_event(event, seen)))
                now = time.monotonic()
                if len(held) >= TOGETHER or now - told >= EVERY:
                    # How many frames there are and when they came is everybody's traffic.
                    looked = {"frames": reach.frames, "back_to": rfc3339(reach.received)} if seen is None else {}
                    yield b"".join([*held, _line(looked=looked)])
                    held.clear()
                    told = now
        except TocsinError as error:
            yield b"".join([*held, _line(error=error.what, where=error.where, hint=error.hint)])
            return
        back_to = reach.back_to if seen is None else oldest
        end = {"more": reach.more, "back_to": back_to, **({"frames": reach.frames} if seen is None else {})}
        yield b"".join([*held, _line(end=end)])

    def _tenant_of(self, query: Query) -> Whose:
        return said if query.tenants is None else Facts(self._runtime.ready_made.directory).tenant

    def _query(self, request: Request, most: int) -> Query:
        asked = request.query_params
        now = self._runtime.clock()
        return Query(
            since=moment(asked["since"], now) if "since" in asked else 0.0,
            until=moment(asked["until"], now) if "until" in asked else 1e12,
            limit=limit_of(asked.get("limit"), 100, most),
            tenants=asker_of(request).tenants,
            **_named(asked),
        )


def _named(asked: Mapping[str, str]) -> dict[str, Any]:
    """What is asked for by name in a search."""
    return {key: asked[key] for key in _NAMED if key in asked}


def _line(**said: object) -> bytes:
    return _ENCODE(said) + b"\n"
