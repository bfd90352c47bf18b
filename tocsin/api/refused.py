"""The dead letters of `/api/v1`: what a sink refused, and sending it again."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alerting.delivering import refused
from stream.errors import RejectedError
from tocsin.api.body import read_body
from tocsin.runtime import Runtime


class _Which(msgspec.Struct, forbid_unknown_fields=True):
    ids: tuple[int, ...] = ()
    sink: str | None = None
    all: bool = False


class DeadLetters:
    """Lists dead letters and sends them again."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def list_(self, request: Request) -> Response:
        """Those of a sink, or all."""
        sink = request.query_params.get("sink")
        found = await run_in_threadpool(refused.refused, self._runtime.store, sink=sink, limit=refused.MOST)
        return JSONResponse(found)

    async def retry(self, request: Request) -> Response:
        """Send some again: by id, of a sink, or all."""
        which = await read_body(request, _Which, '{"ids": [17]}, {"sink": "siem"} or {"all": true}')
        if len(which.ids) > refused.MOST or (not which.ids and which.sink is None and not which.all):
            raise RejectedError("say which dead letters", hint='{"ids": [17]}, {"sink": "siem"} or {"all": true}')
        now = self._runtime.clock()
        sent = await run_in_threadpool(refused.retry, self._runtime.store, now, ids=which.ids, sink=which.sink)
        return JSONResponse(sent)
