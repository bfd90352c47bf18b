"""`/api/v1`: what operators ask and do, and the open and guarded pages beside it."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from alerting import queries
from alerting.incidents.life import ACTS
from alerting.incidents.walls import own_incident
from stream.clean import clean_text
from stream.control import IncidentChange
from stream.errors import RejectedError
from stream.finding import SEVERITIES
from tocsin.access.authority import admitted
from tocsin.access.log_in import Gate, asker_of
from tocsin.acts import carry_out
from tocsin.api.body import limit_of, read_body
from tocsin.api.coverage import CoverageAnswers
from tocsin.api.drill import DrillApi
from tocsin.api.events import Events
from tocsin.api.guarded import error, guarded
from tocsin.api.links import Linking
from tocsin.api.mutes import Mutes
from tocsin.api.pagerduty import PagerDutyHook
from tocsin.api.refused import DeadLetters
from tocsin.api.removal import Removals
from tocsin.api.response import response_routes
from tocsin.api.reveal import Reveal
from tocsin.moments import moment
from tocsin.runtime import Runtime
from tocsin.upkeep.probes import Probes
from tocsin.whynot.inquiry import Inquiries


class _Said(msgspec.Struct):
    by: str = ""
    note: str | None = None
    verdict: str | None = None
    root_cause: str | None = None
    to: str | None = None


class Api:
    """The routes of a running Tocsin that are not for producers."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._inquiries = Inquiries(runtime)
        self._gate = Gate(runtime.ready_made.data, runtime.token, runtime.own_events, runtime.clock)

    def routes(self) -> list[Route]:
        """All of them; those of `/api/v1` ask for what `tocsin.access.authority` says."""
        under = "/api/v1/"
        routes = [admitted(route, self._gate) if route.path.startswith(under) else route for route in self._routes()]
        return [*Probes(self._runtime, self._gate).routes(), *routes]

    def _routes(self) -> list[Route]:
        mutes, linking = Mutes(self._runtime), Linking(self._runtime)
        letters, events, removals = DeadLetters(self._runtime), Events(self._runtime), Removals(self._runtime)
        return [
            Route("/v1/pagerduty/{sink}", PagerDutyHook(self._runtime).take, methods=["POST"]),
            Route("/api/v1/me", guarded(self._me)),
            Route("/api/v1/incidents", guarded(self._incidents)),
            Route("/api/v1/incidents/{id}", guarded(self._incident)),
            Route("/api/v1/incidents/{id}/why", guarded(self._why)),
            *response_routes(self._runtime),
            Route("/api/v1/incidents/{id}/link", guarded(linking.link), methods=["POST"]),
            Route("/api/v1/incidents/{id}/unlink", guarded(linking.unlink), methods=["POST"]),
            Route("/api/v1/incidents/{id}/{act}", guarded(self._act), methods=["POST"]),
            Route("/api/v1/events", guarded(events.answer)),
            Route("/api/v1/events/stream", guarded(events.stream)),
            Route("/api/v1/coverage", guarded(CoverageAnswers(self._runtime).answer)),
            Route("/api/v1/why-not", guarded(self._inquiries.answer)),
            Route("/api/v1/refused", guarded(letters.list_)),
            Route("/api/v1/refused/retry", guarded(letters.retry), methods=["POST"]),
            Route("/api/v1/silences", guarded(mutes.list_)),
            Route("/api/v1/silences", guarded(mutes.add), methods=["POST"]),
            Route("/api/v1/silences/preview", guarded(mutes.preview), methods=["POST"]),
            Route("/api/v1/silences/{id}/end", guarded(mutes.end), methods=["POST"]),
            Route("/api/v1/pilot", guarded(mutes.pilot)),
            Route("/api/v1/risks", guarded(mutes.risks)),
            Route("/api/v1/drills", guarded(DrillApi(self._runtime).begin), methods=["POST"]),
            Route("/api/v1/reveal", guarded(Reveal(self._runtime).answer), methods=["POST"]),
            *removals.routes(),
        ]

    async def _me(self, request: Request) -> Response:
        asker = asker_of(request)
        tenants = sorted(asker.tenants) if asker.tenants is not None else None
        return JSONResponse({"name": asker.name, "role": asker.role, "tenants": tenants})

    async def _incidents(self, request: Request) -> Response:
        asked = request.query_params
        wanted = queries.Filter(
            state=asked.get("state", "open"),
            tenants=asker_of(request).tenants,
            tenant=asked.get("tenant"),
            family=asked.get("family"),
            severity=_severity(asked.get("severity")),
            entity=asked.get("entity"),
            since=moment(asked["since"], self._runtime.clock()) if "since" in asked else None,
            limit=limit_of(asked.get("limit"), 100, 1000),
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
                asker_of(request).tenants,
                targets=runtime.ready_made.policies.targets,
                now=runtime.alert.clock,
            )
        )

    async def _why(self, request: Request) -> Response:
        id_, seen = request.path_params["id"], asker_of(request).tenants
        return JSONResponse(await run_in_threadpool(queries.why, self._runtime.store, id_, seen))

    async def _act(self, request: Request) -> Response:
        act = request.path_params["act"]
        if act not in ACTS:
            return error(404, f"there is no act '{act[:32]}'", f"there are {', '.join(ACTS)}")
        said = await read_body(request, _Said, '{"by": "you", "note": "…", "verdict": "true"}')
        runtime = self._runtime
        seen = asker_of(request).tenants
        record = await run_in_threadpool(queries.find, runtime.store, request.path_params["id"], seen)
        now = runtime.clock()
        change = IncidentChange(
            incident=record.id,
            act=act,
            by=clean_text(said.by, 100) or "operator",
            at=now,
            verdict=said.verdict,
            cause=clean_text(said.root_cause, 2000) if said.root_cause is not None else None,
            note=clean_text(said.note, 2000) if said.note is not None else None,
            to=clean_text(said.to, 100) if said.to is not None and act == "hand-over" else None,
        )
        await carry_out(runtime, change)
        after = await run_in_threadpool(queries.find, runtime.store, record.id)
        return JSONResponse(queries.summary(own_incident(after.incident(), seen)))


def _severity(text: str | None) -> Any:
    if text is not None and text not in SEVERITIES:
        raise RejectedError(f"'{text[:32]}' is no severity", hint=", ".join(SEVERITIES))
    return text
