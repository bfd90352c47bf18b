"""What every process of Tocsin answers: whether it lives, whether it is ready, its metrics, and where it stands."""

import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tocsin.access.authority import admitted, enough, refusal, rule_of
from tocsin.access.log_in import Gate, NotLetInError, asker_of
from tocsin.upkeep.metrics import Metrics

PEERS: Final = frozenset({"127.0.0.1", "::1"})
"""Who may see the metrics without a token."""
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Probed(Protocol):
    """What the probes must know of what runs."""

    failed: threading.Event
    metrics: Metrics

    @property
    def problems(self) -> Mapping[str, str]:
        """The stages that cannot go on, with the reason."""
        ...

    @property
    def caught_up(self) -> bool:
        """Whether what was known is told."""
        ...

    def status(self) -> dict[str, Any]:
        """Where everything stands."""
        ...


class Probes:
    """The routes of life, readiness, metrics and status; the latter two ask for what `tocsin.access.authority` says."""

    def __init__(self, probed: Probed, gate: Gate) -> None:
        self._probed = probed
        self._gate = gate

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/healthz", self._health),
            Route("/readyz", self._readiness),
            Route("/metrics", self._metrics),
            admitted(Route("/api/v1/status", self._status), self._gate),
        ]

    async def _health(self, _: Request) -> Response:
        failed = self._probed.failed.is_set()
        return JSONResponse({"status": "failed" if failed else "alive"}, status_code=500 if failed else 200)

    async def _readiness(self, _: Request) -> Response:
        problems = self._probed.problems
        ready = self._probed.caught_up and not problems
        status = "ready" if ready else "not ready" if problems else "catching up"
        return JSONResponse({"status": status, "problems": sorted(problems)}, status_code=200 if ready else 503)

    async def _metrics(self, request: Request) -> Response:
        if request.client is None or request.client.host not in PEERS:
            try:
                why = enough(await self._gate.asker(request), rule_of("GET", "/metrics"))
            except NotLetInError as error:
                return refusal(error)
            if why:
                return JSONResponse({"error": why, "hint": "ask an administrator"}, status_code=403)
        return Response(await run_in_threadpool(self._probed.metrics.page), media_type=_TEXT)

    async def _status(self, request: Request) -> Response:
        status = await run_in_threadpool(self._probed.status)
        if asker_of(request).tenants is not None:
            # Counts and places in the log are those of all tenants together.
            status = {name: status[name] for name in ("version", "ready") if name in status}
        return JSONResponse(status)
