"""Silences, exceptions, and the reports on pages and risks of `/api/v1`."""

import uuid
from typing import Any, Final, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from alerting import pilot, queries
from alerting.deciding.mute import DAY, check
from alerting.deciding.policy import Policies
from alerting.harmless import harmless
from alerting.incidents import risk_list
from alerting.incidents.walls import within
from stream.clean import clean_text
from stream.control import Muted, Unmuted
from stream.errors import RejectedError
from tocsin.access.log_in import asker_of
from tocsin.acts import carry_out
from tocsin.api.body import read_body
from tocsin.moments import duration, moment
from tocsin.runtime import Runtime

LOOK_BACK: Final = 30 * DAY
"""Seconds of the past in which a preview looks."""
TITLE: Final = 500


class _Wanted(msgspec.Struct):
    """What an operator says of a silence or an exception; `until` is a moment or a length of time from `start`."""

    kind: Literal["silence", "exception"] = "silence"
    where: tuple[str, ...] = ()
    start: str | None = None
    until: str = "1h"
    owner: str = ""
    reason: str = ""
    by: str = "operator"
    forced: bool = False


class _Ended(msgspec.Struct):
    by: str = "operator"


class Mutes:
    """What operators ask and do about being told less."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def list_(self, request: Request) -> Response:
        """The silences and exceptions that hold; all that ever were with `state=all`."""
        asked = request.query_params
        all_ = asked.get("state", "holding") == "all"
        now, seen = self._runtime.alert.clock, asker_of(request).tenants
        return JSONResponse(
            await run_in_threadpool(
                queries.mutes, self._runtime.store, now, kind=asked.get("kind"), all_=all_, tenants=seen
            )
        )

    async def add(self, request: Request) -> Response:
        """Make one; the answer has its id and what it spares because that must never be silent.

        To have silent what must never be is an administrator's to decide.
        """
        muted = await self._muted(request)
        if muted.forced and asker_of(request).role != "administrator":
            raise RejectedError(
                f"forcing a {muted.kind} takes the role administrator",
                hint="ask one, or leave out --force: what may be silent will be",
            )
        checked = check(muted)
        await carry_out(self._runtime, muted)
        found = await run_in_threadpool(
            queries.mutes, self._runtime.store, self._runtime.alert.clock, id_=muted.id, all_=True
        )
        return JSONResponse({**found[0], "spared": checked.spared}, status_code=201)

    async def end(self, request: Request) -> Response:
        """End one before its time."""
        said = await read_body(request, _Ended, '{"by": "you"}')
        runtime, now = self._runtime, self._runtime.clock()
        seen = asker_of(request).tenants
        found = await run_in_threadpool(
            queries.mutes, runtime.store, runtime.alert.clock, id_=request.path_params["id"], all_=True, tenants=seen
        )
        if len(found) != 1:
            raise RejectedError(
                "no silence or exception begins with that, or several do", hint="see `tocsin silence list`"
            )
        await carry_out(runtime, Unmuted(id=found[0]["id"], by=clean_text(said.by, 100) or "operator", at=now))
        ended = await run_in_threadpool(
            queries.mutes, runtime.store, runtime.alert.clock, id_=found[0]["id"], all_=True
        )
        return JSONResponse(ended[0])

    async def preview(self, request: Request) -> Response:
        """What one would have hidden in the last 30 days."""
        checked = check(await self._muted(request))
        runtime, ready, asker = self._runtime, self._runtime.ready_made, asker_of(request)

        def look() -> dict[str, Any]:
            findings = pilot.past(runtime.store, runtime.clock() - LOOK_BACK, tenants=asker.tenants)
            return pilot.preview(findings, checked.matcher, ready.policies, ready.routes)

        return JSONResponse({**await run_in_threadpool(look), "spared": checked.spared})

    async def risks(self, request: Request) -> Response:
        """Those with the most risk, and what it is made of."""
        runtime, seen = self._runtime, asker_of(request).tenants
        return JSONResponse(await run_in_threadpool(risk_list.top, runtime.store, runtime.alert.clock, tenants=seen))

    async def pilot(self, request: Request) -> Response:
        """What going live would have cost in pages."""
        runtime, ready = self._runtime, self._runtime.ready_made
        since, seen = moment(request.query_params.get("since", "30d"), runtime.clock()), asker_of(request).tenants

        def look() -> dict[str, Any]:
            policies = Policies(page_from=ready.policies.page_from, budget=ready.policies.budget)
            return pilot.report(pilot.past(runtime.store, since, tenants=seen), policies, ready.routes)

        return JSONResponse(await run_in_threadpool(look))

    async def _muted(self, request: Request) -> Muted:
        hint = '{"where": ["tenant=acme"], "until": "4h", "owner": "ann", "reason": "…"}'
        said = await read_body(request, _Wanted, hint)
        now = self._runtime.clock()
        start = moment(said.start, now) if said.start is not None else now
        length = duration(said.until)
        seen = asker_of(request).tenants
        if seen is not None and not within(said.where, seen):
            raise RejectedError(
                f"a {said.kind} of yours has to be for your tenants alone", hint=f"--where tenant={sorted(seen)[0]}"
            )
        return Muted(
            id=uuid.uuid4().hex,
            kind=said.kind,
            where=said.where,
            start=start,
            until=start + length if length is not None else moment(said.until, now),
            owner=clean_text(said.owner, 100) or "",
            reason=harmless(said.reason, TITLE),
            by=clean_text(said.by, 100) or "operator",
            at=now,
            forced=said.forced,
        )
