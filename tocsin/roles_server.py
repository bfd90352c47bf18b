"""The HTTP side of roles: probes and metrics for all of them, receipt where they listen, operators where they alert."""

from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collector.keys import FILE as KEYS_FILE
from collector.keys import Keys
from collector.limits import MIB, Limits
from collector.listener import Listener
from tocsin.api import Api
from tocsin.authority import admitted, enough, refusal, rule_of
from tocsin.log_in import Gate, NotLetInError, asker_of
from tocsin.roles import ALERT, LISTEN, Roles
from tocsin.server import serve_application
from tocsin.setup import LOOPBACK

_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


def serve(roles: Roles) -> int:
    """Serve until SIGTERM or SIGINT, hand over and close; the exit code: 0, or 1 after a stage failed."""
    return serve_application(roles, *application(roles))


def application(roles: Roles) -> tuple[Starlette, Listener | None]:
    """The ASGI application of a process with these roles, and its listener where it has one."""
    listener = _listener(roles) if LISTEN in roles.roles else None
    routes = list(listener.routes) if listener is not None else []
    if listener is not None and roles.inputs is not None:
        routes += roles.inputs.routes(listener.pushed)
    if ALERT in roles.roles:
        served: Any = roles  # it has what the interface asks of a Runtime
        routes += Api(served).routes()
    else:
        routes += Probes(roles).routes()
    return Starlette(routes=routes), listener


class Probes:
    """Life, readiness, metrics and status, for processes without the operators' interface."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._gate = Gate(roles.ready_made.data, roles.token, roles.own_events, roles.clock)

    def routes(self) -> list[Route]:
        """Where they are."""
        status = admitted(Route("/api/v1/status", self._status), self._gate)
        return [
            Route("/healthz", self._health),
            Route("/readyz", self._readiness),
            Route("/metrics", self._metrics),
            status,
        ]

    async def _health(self, _: Request) -> Response:
        failed = self._roles.failed.is_set()
        return JSONResponse({"status": "failed" if failed else "alive"}, status_code=500 if failed else 200)

    async def _readiness(self, _: Request) -> Response:
        problems = self._roles.problems
        ready = self._roles.caught_up and not problems
        status = "ready" if ready else "not ready" if problems else "catching up"
        return JSONResponse({"status": status, "problems": sorted(problems)}, status_code=200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        if request.client is None or request.client.host not in LOOPBACK:
            try:
                why = enough(await self._gate.asker(request), rule_of("GET", "/metrics"))
            except NotLetInError as error:
                return refusal(error)
            if why:
                return JSONResponse({"error": why, "hint": "ask an administrator"}, status_code=403)
        return Response(await run_in_threadpool(self._roles.metrics.page), media_type=_TEXT)

    async def _status(self, request: Request) -> Response:
        status = await run_in_threadpool(self._roles.status)
        if asker_of(request).tenants is not None:
            status = {name: status[name] for name in ("version", "ready") if name in status}
        return JSONResponse(status)


def _listener(roles: Roles) -> Listener:
    listen = roles.ready_made.config.listen
    return Listener(
        roles.spread,
        Keys(roles.ready_made.data / KEYS_FILE),
        roles.told,
        observer=roles.metrics,
        clock=roles.clock,
        limits=Limits(
            body=listen.body_mib * MIB, in_flight=listen.in_flight_mib * MIB, key_rate=listen.key_mib_per_second * MIB
        ),
        tallies=roles.inputs.tallies if roles.inputs is not None else None,
        enrich=roles.ready_made.enrich,
        hear=roles.denying.obedience.hear if roles.denying is not None else None,
        stranger=lambda address, why: roles.own_events.failed("collector", address, why),
    )
