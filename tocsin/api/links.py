"""Linking and unlinking incidents by `/api/v1`."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alerting import queries
from alerting.harmless import harmless
from stream.clean import clean_text
from stream.control import Linked
from tocsin.access.log_in import asker_of
from tocsin.acts import carry_out
from tocsin.api.body import read_body
from tocsin.runtime import Runtime


class _Said(msgspec.Struct):
    other: str = ""
    why: str = ""
    by: str = "operator"


class Linking:
    """What operators do about links."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def link(self, request: Request) -> Response:
        """Tie two incidents together."""
        return await self._carry_out(request, cut=False)

    async def unlink(self, request: Request) -> Response:
        """Take a link away for good."""
        return await self._carry_out(request, cut=True)

    async def _carry_out(self, request: Request, *, cut: bool) -> Response:
        said = await read_body(request, _Said, '{"other": "the other incident", "why": "…", "by": "you"}')
        runtime = self._runtime
        seen = asker_of(request).tenants
        one = await run_in_threadpool(queries.find, runtime.store, request.path_params["id"], seen)
        other = await run_in_threadpool(queries.find, runtime.store, said.other, seen)
        by = clean_text(said.by, 100) or "operator"
        why, now = harmless(said.why, 500), runtime.clock()
        await carry_out(runtime, Linked(one=one.id, other=other.id, by=by, at=now, why=why, cut=cut))
        told = await run_in_threadpool(queries.why, runtime.store, one.id, seen)
        return JSONResponse({"incident": told["incident"], "links": told["links"]})
