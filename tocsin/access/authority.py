"""Authority: which role each route and each command asks for, in one table; what is not in it is for administrators."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stream.errors import StorageError
from tocsin.access.log_in import Asker, Gate, NotLetInError
from tocsin.access.operators import ROLES, Role

Needs = Role | Literal["nobody", "signature", "producer", "host"]
"""A role; `nobody` is open, `signature` is the sender's, `producer` a collector key, `host` the data directory."""
Wall = Literal["own", "all"]
"""`own` shows each asker what their tenants may see; `all` is for those alone who may see every tenant."""


class Rule(NamedTuple):
    """What it takes to use a route or a command."""

    needs: Needs
    wall: Wall = "all"


DEFAULT: Final = Rule("administrator")
"""What holds for a route that nobody thought of."""

_VIEW: Final = Rule("viewer", "own")
_ACT: Final = Rule("responder", "own")
_WIDE: Final = Rule("viewer")
_WIDE_ACT: Final = Rule("responder")
_OPEN: Final = Rule("nobody")
_KEY: Final = Rule("producer")
_HOST: Final = Rule("host")

ROUTES: Final[dict[str, Rule]] = {
    "GET /healthz": _OPEN,
    "GET /readyz": _OPEN,
    "GET /metrics": Rule("viewer"),
    "POST /v1/pagerduty/{sink}": Rule("signature"),
    "POST /v1/events": _KEY,
    "GET /v1/producer": _KEY,
    "POST /v1/cloudevents": _KEY,
    "POST /v1/traces": _KEY,
    "POST /v1/logs": _KEY,
    **{f"POST /services/collector{path}": _KEY for path in ("", "/event", "/event/1.0", "/raw", "/raw/1.0", "/ack")},
    **{f"GET /services/collector{path}": _OPEN for path in ("/health", "/health/1.0")},
    "GET /api/v1/me": _VIEW,
    "GET /api/v1/status": _VIEW,
    "GET /api/v1/incidents": _VIEW,
    "GET /api/v1/incidents/{id}": _VIEW,
    "GET /api/v1/incidents/{id}/why": _VIEW,
    "POST /api/v1/incidents/{id}/link": _ACT,
    "POST /api/v1/incidents/{id}/unlink": _ACT,
    "POST /api/v1/incidents/{id}/{act}": _ACT,
    "GET /api/v1/incidents/{id}/evidence": _WIDE,
    "GET /api/v1/incidents/{id}/report": _WIDE,
    "GET /api/v1/incidents/{id}/runbook": _VIEW,
    "GET /api/v1/incidents/{id}/scope": _WIDE,
    "POST /api/v1/incidents/{id}/actions/{name}": _ACT,
    "POST /api/v1/incidents/{id}/deny": _ACT,
    "POST /api/v1/incidents/{id}/revoke": _ACT,
    "POST /api/v1/incidents/{id}/runbook/{step}": _ACT,
    "GET /api/v1/approvals": _VIEW,
    "POST /api/v1/approvals/{id}": _ACT,
    "GET /api/v1/denials": _VIEW,
    "GET /api/v1/denials/{id}": _VIEW,
    "POST /api/v1/denials/{id}/lift": _ACT,
    "GET /api/v1/precision": _WIDE,
    "GET /api/v1/follow-ups": _VIEW,
    "GET /api/v1/events": _VIEW,
    "GET /api/v1/events/stream": _VIEW,
    "GET /api/v1/coverage": _VIEW,
    "GET /api/v1/why-not": Rule("viewer"),
    "GET /api/v1/refused": Rule("viewer"),
    "POST /api/v1/refused/retry": Rule("responder"),
    "GET /api/v1/silences": _VIEW,
    "POST /api/v1/silences": _ACT,
    "POST /api/v1/silences/preview": _VIEW,
    "POST /api/v1/silences/{id}/end": _ACT,
    "GET /api/v1/pilot": _VIEW,
    "GET /api/v1/risks": _VIEW,
    "POST /api/v1/drills": _ACT,
    "POST /api/v1/reveal": Rule("administrator"),
    "GET /api/v1/retention": Rule("viewer"),
    "POST /api/v1/retention/run": Rule("administrator"),
    "GET /api/v1/holds": Rule("administrator"),
    "POST /api/v1/holds": Rule("administrator"),
    "POST /api/v1/holds/{id}/lift": Rule("administrator"),
    "POST /api/v1/erasures": Rule("administrator"),
}
"""By method and path. Inputs that an operator configures have paths of their own; they ask for a collector key."""

COMMANDS: Final[dict[str, Rule]] = {
    "demo": _HOST,
    "run": _HOST,
    "listen": _HOST,
    "detect": _HOST,
    "alert": _HOST,
    "check": _HOST,
    "keys create": _HOST,
    "keys list": _HOST,
    "keys revoke": _HOST,
    "keys rotate": _HOST,
    "keys master": _HOST,
    "keys signing show": _HOST,
    "keys signing export": _HOST,
    "keys signing rotate": _HOST,
    "keys signing retire": _HOST,
    "users add": _HOST,
    "users list": _HOST,
    "users password": _HOST,
    "users disable": _HOST,
    "users enable": _HOST,
    "tokens create": _HOST,
    "tokens list": _HOST,
    "tokens revoke": _HOST,
    "proxy": _HOST,
    "wrap": _HOST,
    "incident list": _VIEW,
    "incident show": _VIEW,
    "incident why": _VIEW,
    "incident ack": _ACT,
    "incident hand-over": _ACT,
    "incident note": _ACT,
    "incident contain": _ACT,
    "incident resolve": _ACT,
    "incident close": _ACT,
    "incident reopen": _ACT,
    "incident link": _ACT,
    "incident unlink": _ACT,
    "incident runbook": _ACT,
    "incident evidence": _WIDE,
    "incident scope": _WIDE,
    "contain incident": _ACT,
    "contain list": _VIEW,
    "contain asked": _VIEW,
    "contain approve": _ACT,
    "contain lift": _ACT,
    "report incident": _WIDE,
    "report precision": _WIDE,
    "report follow-ups": _VIEW,
    "silence add": _ACT,
    "silence preview": _VIEW,
    "silence list": _VIEW,
    "silence end": _ACT,
    "exception add": _ACT,
    "exception preview": _VIEW,
    "exception list": _VIEW,
    "exception end": _ACT,
    "routes test": _HOST,
    "drill": _ACT,
    "report pilot": _VIEW,
    "report risk": _VIEW,
    "search": _VIEW,
    "coverage": _VIEW,
    "why-not": Rule("viewer"),
    "formats list": _HOST,
    "formats try": _HOST,
    "inspect": _HOST,
    "ownership try": _HOST,
    "reveal": Rule("administrator"),
    "retention show": Rule("viewer"),
    "retention run": Rule("administrator"),
    "hold add": Rule("administrator"),
    "hold list": Rule("administrator"),
    "hold lift": Rule("administrator"),
    "erase": Rule("administrator"),
    "topics": _HOST,
    "deadletter list": _HOST,
    "deadletter show": _HOST,
    "deadletter replay": _HOST,
    "refused list": Rule("viewer"),
    "refused retry": Rule("responder"),
    "backtest": _HOST,
    "import": _HOST,
    "verify": _HOST,
    "backup": _HOST,
    "restore": _HOST,
    "simulate": _HOST,
    "evaluate": _HOST,
    "seal": _HOST,
    "bench": _HOST,
}
"""By the command's words: its role, where it speaks to a running Tocsin."""


def rule_of(method: str, path: str) -> Rule:
    """What a route asks for."""
    return ROUTES.get(f"{'GET' if method == 'HEAD' else method} {path}", DEFAULT)


def enough(asker: Asker, rule: Rule) -> str:
    """Why somebody may not use what a rule is for; empty where they may."""
    if rule.needs in ROLES and ROLES.index(asker.role) < ROLES.index(rule.needs):
        return f"this takes the role {rule.needs}, and {asker.name} is {asker.role} here"
    if rule.wall == "all" and asker.tenants is not None:
        return f"this tells of every tenant, and {asker.name} may see {', '.join(sorted(asker.tenants))} alone"
    return ""


def admitted(route: Route, gate: Gate) -> Route:
    """A route that lets in whom its rule lets in, and tells the handler who asks as `request.state.asker`."""
    handler: Callable[[Request], Awaitable[Response]] = route.endpoint

    async def guard(request: Request) -> Response:
        try:
            asker = await gate.asker(request)
        except NotLetInError as error:
            return refusal(error)
        except StorageError as error:
            return JSONResponse({"error": error.what, "hint": error.hint}, status_code=503)
        why = enough(asker, rule_of(request.method, route.path))
        if why:
            hint = "ask an administrator; `tocsin users list` names the roles"
            return JSONResponse({"error": why, "hint": hint}, status_code=403)
        request.state.asker = asker
        return await handler(request)

    return Route(route.path, guard, methods=sorted(route.methods or {"GET"}))


def refusal(error: NotLetInError) -> Response:
    """What somebody who was not recognised is answered."""
    headers = {"Retry-After": str(error.after)} if error.after is not None else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"error": error.what, "hint": error.hint}, status_code=error.status, headers=headers)
