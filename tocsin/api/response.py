"""Working on an incident by `/api/v1`: its runbook, evidence, scope and report."""

import json
from collections.abc import AsyncIterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

import anyio
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from alerting import queries
from alerting.harmless import harmless
from alerting.incidents.record import Record
from alerting.response.evidence import findings_of, sealed
from alerting.response.follow_ups import follow_ups
from alerting.response.precision import precision
from alerting.response.progress import progress, step_of
from alerting.response.report import gathered, html, markdown
from alerting.response.scope import scope
from stream.clean import clean_text
from stream.control import Stepped
from stream.errors import RejectedError, TocsinError
from tocsin.access.log_in import asker_of
from tocsin.acts import carry_out
from tocsin.api.actions import ActionsApi
from tocsin.api.body import read_body
from tocsin.api.denials import DenialsApi
from tocsin.api.guarded import guarded
from tocsin.moments import duration, moment
from tocsin.runtime import Runtime

EVERY: Final = 200
"""Frames between two signs of progress."""


class _Step(msgspec.Struct):
    state: str = "done"
    by: str = "operator"
    note: str = ""
    owner: str | None = None
    due: str | None = None


class Responses:
    """What operators do about one incident beside its life."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def runbook(self, request: Request) -> Response:
        """The runbook with what became of each step."""
        seen = asker_of(request).tenants
        return JSONResponse(await run_in_threadpool(self._progress, request.path_params["id"], seen))

    async def step(self, request: Request) -> Response:
        """Say what became of a step; the answer is the runbook then."""
        said = await read_body(request, _Step, '{"state": "done", "by": "you", "note": "…"}')
        runtime, now = self._runtime, self._runtime.clock()
        record = await self._record(request)
        step = step_of(runtime.runbooks, record, request.path_params["step"])
        act = Stepped(
            incident=record.id,
            step=step.id,
            state=said.state,
            by=clean_text(said.by, 100) or "operator",
            at=now,
            note=harmless(said.note, 1000),
            owner=clean_text(said.owner, 100) if said.owner is not None else None,
            due=_due(said.due, now),
        )
        await carry_out(runtime, act)
        return JSONResponse(await run_in_threadpool(self._progress, record.id, asker_of(request).tenants))

    async def evidence(self, request: Request) -> Response:
        """The sealed archive; its manifest's digest stands in the header `X-Tocsin-Manifest`."""
        opening = request.query_params.get("opening")
        if opening is not None and not (opening.isdecimal() and len(opening) < 6):
            raise RejectedError("an opening is a number from 1")
        number = int(opening) if opening is not None else None
        body, digest, which = await run_in_threadpool(sealed, self._runtime.store, request.path_params["id"], number)
        headers = {"X-Tocsin-Manifest": digest, "X-Tocsin-Opening": str(which)}
        return Response(body, media_type="application/zip", headers=headers)

    async def scope(self, request: Request) -> Response:
        """The scope as JSON lines: progress while the log is searched, then the report."""
        record = await self._record(request)
        return StreamingResponse(self._searched(record), media_type="application/x-ndjson")

    async def report(self, request: Request) -> Response:
        """The incident's report: the facts, or as text with `format=md` or `html`."""
        runtime, form = self._runtime, request.query_params.get("format", "json")
        record = await self._record(request)

        def made() -> dict[str, Any]:
            found = self._scope(record, None)
            ready = runtime.ready_made
            return gathered(runtime.store, runtime.runbooks, record, found, ready.policies.targets, runtime.clock())

        facts = await run_in_threadpool(made)
        if form == "md":
            return Response(markdown(facts), media_type="text/markdown; charset=utf-8")
        if form == "html":
            return Response(html(facts), media_type="text/html; charset=utf-8")
        return JSONResponse(facts)

    async def precision(self, request: Request) -> Response:
        """How often each detector was right, by the verdicts, and what to tune."""
        runtime = self._runtime
        since = moment(request.query_params.get("since", "90d"), runtime.clock())
        budget = runtime.ready_made.policies.budget
        return JSONResponse(await run_in_threadpool(precision, runtime.store, since, runtime.clock(), budget))

    async def follow_ups(self, request: Request) -> Response:
        """What is left to do after incidents, the soonest due first."""
        runtime, seen = self._runtime, asker_of(request).tenants
        since = moment(request.query_params.get("since", "90d"), runtime.clock())
        books, now = runtime.runbooks, runtime.alert.clock
        return JSONResponse(await run_in_threadpool(follow_ups, runtime.store, books, now, since, seen))

    def _progress(self, id_: str, seen: frozenset[str] | None) -> dict[str, Any]:
        runtime = self._runtime
        record = queries.find(runtime.store, id_, seen)
        return progress(runtime.store, runtime.runbooks, record, runtime.alert.clock, seen)

    async def _record(self, request: Request) -> Record:
        seen = asker_of(request).tenants
        return await run_in_threadpool(queries.find, self._runtime.store, request.path_params["id"], seen)

    def _scope(self, record: Record, told: Any) -> dict[str, Any]:
        runtime = self._runtime
        findings = findings_of(runtime.store, record.id)
        directory = runtime.directory.directory
        return scope(runtime.log, record, findings, directory, runtime.clock(), progress=told)

    async def _searched(self, record: Record) -> AsyncIterator[bytes]:
        """Lines of progress from a thread of its own, which goes on to its bounds where nobody listens any more."""
        lines: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

        def told(frames: int, received: float) -> None:
            if frames % EVERY == 0:
                lines.put({"progress": {"frames": frames, "at": received}})

        def run() -> None:
            try:
                lines.put({"scope": self._scope(record, told)})
            except TocsinError as error:
                lines.put({"error": error.what, "hint": error.hint})
            finally:
                lines.put(None)

        Thread(target=run, name="tocsin-scope", daemon=True).start()
        while True:
            try:
                line = lines.get_nowait()
            except Empty:
                await anyio.sleep(0.02)
                continue
            if line is None:
                return
            yield json.dumps(line).encode() + b"\n"


def _due(text: str | None, now: float) -> float | None:
    if text is None:
        return None
    length = duration(text)
    return now + length if length is not None else moment(text, now)


def response_routes(runtime: Runtime) -> list[Route]:
    """Where operators work on incidents; they stand before the acts of an incident's life."""
    work, refusing, acting = Responses(runtime), DenialsApi(runtime), ActionsApi(runtime)
    at = "/api/v1/incidents/{id}"
    return [
        Route(f"{at}/deny", guarded(refusing.deny), methods=["POST"]),
        Route("/api/v1/denials", guarded(refusing.list_)),
        Route("/api/v1/denials/{id}", guarded(refusing.show)),
        Route("/api/v1/denials/{id}/lift", guarded(refusing.lift), methods=["POST"]),
        Route(f"{at}/runbook", guarded(work.runbook)),
        Route(f"{at}/runbook/{{step}}", guarded(work.step), methods=["POST"]),
        Route(f"{at}/evidence", guarded(work.evidence)),
        Route(f"{at}/scope", guarded(work.scope)),
        Route(f"{at}/actions/{{name}}", guarded(acting.action), methods=["POST"]),
        Route(f"{at}/revoke", guarded(acting.revoke), methods=["POST"]),
        Route("/api/v1/approvals", guarded(acting.asked)),
        Route("/api/v1/approvals/{id}", guarded(acting.decide), methods=["POST"]),
        Route(f"{at}/report", guarded(work.report)),
        Route("/api/v1/precision", guarded(work.precision)),
        Route("/api/v1/follow-ups", guarded(work.follow_ups)),
    ]
