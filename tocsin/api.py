"""`/api/v1`: what operators ask and do, and the open and guarded pages beside it."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting import queries
from alerting.life import ACTS
from stream.clean import clean_text
from stream.control import IncidentChange
from stream.errors import RejectedError, TocsinError
from stream.finding import SEVERITIES
from tocsin.acts import carry_out
from tocsin.api_links import Linking
from tocsin.api_mutes import Mutes
from tocsin.api_refused import DeadLetters
from tocsin.body import TooLargeError, read_body
from tocsin.moments import moment
from tocsin.pagerduty_hook import PagerDutyHook
from tocsin.runtime import Runtime
from tocsin.search import Query, search
from tocsin.whynot.inquiry import Inquiries

LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})

Handler = Callable[[Request], Awaitable[Response]]


class _Said(msgspec.Struct):
    by: str = ""
    note: str | None = None
    verdict: str | None = None


class Api:
    """The routes of a running Tocsin that are not for producers."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._inquiries = Inquiries(runtime)

    def routes(self) -> list[Route]:
        """All of them; what is neither open nor signed by its sender asks for the operator's token."""
        guarded, mutes, linking = self._guarded, Mutes(self._runtime), Linking(self._runtime)
        letters = DeadLetters(self._runtime)
        return [
            Route("/healthz", self._health),
            Route("/readyz", self._readiness),
            Route("/metrics", self._metrics),
            Route("/v1/pagerduty/{sink}", PagerDutyHook(self._runtime).take, methods=["POST"]),
            Route("/api/v1/status", guarded(self._status)),
            Route("/api/v1/incidents", guarded(self._incidents)),
            Route("/api/v1/incidents/{id}", guarded(self._incident)),
            Route("/api/v1/incidents/{id}/why", guarded(self._why)),
            Route("/api/v1/incidents/{id}/link", guarded(linking.link), methods=["POST"]),
            Route("/api/v1/incidents/{id}/unlink", guarded(linking.unlink), methods=["POST"]),
            Route("/api/v1/incidents/{id}/{act}", guarded(self._act), methods=["POST"]),
            Route("/api/v1/events", guarded(self._events)),
            Route("/api/v1/why-not", guarded(self._inquiries.answer)),
            Route("/api/v1/refused", guarded(letters.list_)),
            Route("/api/v1/refused/retry", guarded(letters.retry), methods=["POST"]),
            Route("/api/v1/silences", guarded(mutes.list_)),
            Route("/api/v1/silences", guarded(mutes.add), methods=["POST"]),
            Route("/api/v1/silences/preview", guarded(mutes.preview), methods=["POST"]),
            Route("/api/v1/silences/{id}/end", guarded(mutes.end), methods=["POST"]),
            Route("/api/v1/pilot", guarded(mutes.pilot)),
            Route("/api/v1/risks", guarded(mutes.risks)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guard(request: Request) -> Response:
            if not self._is_operator(request):
                hint = "send Authorization: Bearer with the token of the data directory's token file"
                return _error(401, "no valid operator token", hint)
            try:
                return await handler(request)
            except TooLargeError as error:
                return _error(413, error.what, error.hint)
            except RejectedError as error:
                return _error(
                    404 if "no incident" in error.what or "no event with" in error.what else 400, error.what, error.hint
                )
            except TocsinError as error:
                return _error(503, error.what, error.hint)

        return guard

    def _is_operator(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), self._runtime.token.encode())

    async def _health(self, _: Request) -> Response:
        failed = self._runtime.failed.is_set()
        return JSONResponse({"status": "failed" if failed else "alive"}, status_code=500 if failed else 200)

    async def _readiness(self, _: Request) -> Response:
        problems = self._runtime.problems
        ready = self._runtime.caught_up and not problems
        status = "ready" if ready else "not ready" if problems else "catching up"
        return JSONResponse({"status": status, "problems": sorted(problems)}, status_code=200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        peer = request.client.host if request.client is not None else ""
        if peer not in LOOPBACK and not self._is_operator(request):
            return _error(401, "metrics ask for a token beyond loopback", "send Authorization: Bearer")
        page = await run_in_threadpool(self._runtime.metrics.page)
        return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _status(self, _: Request) -> Response:
        return JSONResponse(self._runtime.status())

    async def _incidents(self, request: Request) -> Response:
        asked = request.query_params
        wanted = queries.Filter(
            state=asked.get("state", "open"),
            tenants=frozenset({asked["tenant"]}) if "tenant" in asked else None,
            family=asked.get("family"),
            severity=_severity(asked.get("severity")),
            entity=asked.get("entity"),
            since=moment(asked["since"], self._runtime.clock()) if "since" in asked else None,
            limit=_number(asked.get("limit"), 100, 1000),
        )
        found = await run_in_threadpool(queries.list_incidents, self._runtime.store, wanted)
        return JSONResponse([queries.summary(incident) for incident in found])

    async def _incident(self, request: Request) -> Response:
        runtime = self._runtime
        return JSONResponse(
            await run_in_threadpool(
                queries.show,
                runtime.store,
                request.path_params["id"],
                runtime.runbooks,
                targets=runtime.ready_made.policies.targets,
                now=runtime.alert.clock,
            )
        )

    async def _why(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(queries.why, self._runtime.store, request.path_params["id"]))

    async def _act(self, request: Request) -> Response:
        act = request.path_params["act"]
        if act not in ACTS:
            return _error(404, f"there is no act '{act[:32]}'", f"there are {', '.join(ACTS)}")
        said = await read_body(request, _Said, '{"by": "you", "note": "…", "verdict": "true"}')
        runtime = self._runtime
        record = await run_in_threadpool(queries.find, runtime.store, request.path_params["id"])
        now = runtime.clock()
        change = IncidentChange(
            incident=record.id,
            act=act,
            by=clean_text(said.by, 100) or "operator",
            at=now,
            verdict=said.verdict,
            note=clean_text(said.note, 2000) if said.note is not None else None,
        )
        await carry_out(runtime, change)
        after = await run_in_threadpool(queries.find, runtime.store, record.id)
        return JSONResponse(queries.summary(after.incident()))

    async def _events(self, request: Request) -> Response:
        asked = request.query_params
        now = self._runtime.clock()
        query = Query(
            since=moment(asked["since"], now) if "since" in asked else 0.0,
            until=moment(asked["until"], now) if "until" in asked else 1e12,
            limit=_number(asked.get("limit"), 100, 1000),
            **{key: asked[key] for key in ("tenant", "principal", "server", "outcome", "id") if key in asked},
        )
        answer = await run_in_threadpool(search, self._runtime.log, query)
        return Response(msgspec.json.encode(answer), media_type="application/json")


def _error(status: int, error: str, hint: str = "") -> JSONResponse:
    return JSONResponse({"error": error, "hint": hint}, status_code=status)


def _number(text: str | None, default: int, most: int) -> int:
    if text is None:
        return default
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
        raise RejectedError(f"limit must be a number from 1 to {most}")
    return int(text)


def _severity(text: str | None) -> Any:
    if text is not None and text not in SEVERITIES:
        raise RejectedError(f"'{text[:32]}' is no severity", hint=", ".join(SEVERITIES))
    return text
