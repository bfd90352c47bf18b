"""Working on an incident by `/api/v1`: its runbook, evidence, scope, actions elsewhere, and its report."""

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
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
from alerting.record import Record
from alerting.response import outside
from alerting.response.evidence import findings_of, sealed
from alerting.response.precision import precision
from alerting.response.progress import progress, step_of
from alerting.response.report import gathered, html, markdown
from alerting.response.scope import scope
from stream.clean import clean_text
from stream.control import Performed, Stepped
from stream.errors import RejectedError, TocsinError
from tocsin.acts import carry_out
from tocsin.api_denials import DenialsApi
from tocsin.body import read_body
from tocsin.containing import action_of, issuer_of
from tocsin.moments import duration, moment
from tocsin.runtime import Runtime

Handler = Callable[[Request], Awaitable[Response]]

EVERY: Final = 200
"""Frames between two signs of progress."""


class _Step(msgspec.Struct):
    state: str = "done"
    by: str = "operator"
    note: str = ""
    owner: str | None = None
    due: str | None = None


class _Asked(msgspec.Struct):
    by: str = "operator"
    value: str | None = None
    dry_run: bool = False
    undo: bool = False


class _Revoke(msgspec.Struct):
    issuer: str = ""
    token: str = ""
    by: str = "operator"
    dry_run: bool = False


class Responses:
    """What operators do about one incident beside its life."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def runbook(self, request: Request) -> Response:
        """The runbook with what became of each step."""
        return JSONResponse(await run_in_threadpool(self._progress, request.path_params["id"]))

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
        return JSONResponse(await run_in_threadpool(self._progress, record.id))

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

    async def action(self, request: Request) -> Response:
        """Do an action elsewhere, or with `dry_run` show what would be sent; what came of it is in the timeline."""
        said = await read_body(request, _Asked, '{"by": "you", "value": "…", "dry_run": true}')
        runtime, record, name = self._runtime, await self._record(request), request.path_params["name"]
        action = action_of(runtime.ready_made.loaded, name)
        template = action.undo if said.undo else action.do
        if template is None:
            raise RejectedError(
                f"the action '{name[:40]}' has no undo", hint="give it one in alerting.containment.actions"
            )
        facts = outside.facts_for(record.incident(), said.value)
        shown = outside.dry(template, facts, action.secrets)
        if said.dry_run:
            return JSONResponse({"dry_run": True, "action": name, "request": shown})
        words = f"{name} (undo)" if said.undo else name
        tell = partial(self._tell, uuid.uuid4().hex, record, words, clean_text(said.by, 100) or "operator")
        await tell("attempting", f"{shown['method']} {shown['url']}")
        told = await run_in_threadpool(outside.send, template, facts, action)
        state = ("undone" if said.undo else "done") if told.worked else "failed"
        await tell(state, told.words)
        if told.worked and not said.undo and action.verify is not None:
            told = await run_in_threadpool(outside.send, action.verify, facts, action)
            state = "verified" if told.worked else "failed"
            await tell(state, told.words if told.worked else f"done, but not verified: {told.words}")
        return JSONResponse({"action": words, "state": state, "result": told.words, "request": shown})

    async def revoke(self, request: Request) -> Response:
        """Revoke a token at its issuer and ask afterwards whether it still works; the token itself is kept nowhere."""
        said = await read_body(request, _Revoke, '{"issuer": "name", "token": "…", "by": "you"}')
        runtime, record = self._runtime, await self._record(request)
        issuer = issuer_of(runtime.ready_made.loaded, said.issuer)
        if said.dry_run:
            return JSONResponse(
                {"dry_run": True, "issuer": said.issuer, "revoke": issuer.revoke, "check": issuer.introspect}
            )
        if not said.token.strip():
            raise RejectedError("there is no token to revoke", hint="--token-file FILE, or - for standard input")
        words = f"revoke at {said.issuer}"
        tell = partial(self._tell, uuid.uuid4().hex, record, words, clean_text(said.by, 100) or "operator")
        await tell("attempting", issuer.revoke)
        told, checked = await run_in_threadpool(outside.revoke, issuer, said.token.strip())
        state = (
            "failed" if not told.worked else "done" if checked is None else "verified" if checked.worked else "failed"
        )
        result = told.words if checked is None else f"{told.words}; {checked.words}"
        await tell(state, result)
        return JSONResponse({"action": words, "state": state, "result": result})

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
        return JSONResponse(await run_in_threadpool(precision, runtime.store, since, runtime.clock()))

    def _progress(self, id_: str) -> dict[str, Any]:
        runtime = self._runtime
        record = queries.find(runtime.store, id_)
        return progress(runtime.store, runtime.runbooks, record, runtime.alert.clock)

    async def _record(self, request: Request) -> Record:
        return await run_in_threadpool(queries.find, self._runtime.store, request.path_params["id"])

    async def _tell(self, id_: str, record: Record, action: str, by: str, state: str, result: str) -> None:
        now = self._runtime.clock()
        act = Performed(
            id=id_, incident=record.id, action=action, state=state, by=by, at=now, result=harmless(result, 500)
        )
        await carry_out(self._runtime, act)

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


def response_routes(runtime: Runtime, guarded: Callable[[Handler], Handler]) -> list[Route]:
    """Where operators work on incidents; they stand before the acts of an incident's life."""
    work, refusing = Responses(runtime), DenialsApi(runtime)
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
        Route(f"{at}/actions/{{name}}", guarded(work.action), methods=["POST"]),
        Route(f"{at}/revoke", guarded(work.revoke), methods=["POST"]),
        Route(f"{at}/report", guarded(work.report)),
        Route("/api/v1/precision", guarded(work.precision)),
    ]
