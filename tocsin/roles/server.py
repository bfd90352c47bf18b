"""The HTTP side of roles: probes and metrics for all of them, receipt where they listen, operators where they alert."""

from typing import Any

from starlette.applications import Starlette

from collector.listener import Listener
from tocsin.access.authority import admitted
from tocsin.access.log_in import Gate
from tocsin.api.removal import Removals
from tocsin.api.routes import Api
from tocsin.listening import listener_of
from tocsin.roles.process import ALERT, SEAL, Roles
from tocsin.server import serve_application
from tocsin.upkeep.probes import Probes


def serve(roles: Roles) -> int:
    """Serve until SIGTERM or SIGINT, hand over and close; the exit code: 0, or 1 after a stage failed."""
    return serve_application(roles, *application(roles))


def application(roles: Roles) -> tuple[Starlette, Listener | None]:
    """The ASGI application of a process with these roles, and its listener where it has one."""
    listener, routes = None, []
    if roles.inputs is not None and roles.denying is not None:
        listener = listener_of(roles, roles.spread, roles.inputs, roles.denying)
        routes = [*listener.routes, *roles.inputs.routes(listener.pushed)]
    if ALERT in roles.roles:
        served: Any = roles  # it has what the interface asks of a Runtime
        routes += Api(served).routes()
    else:
        gate = Gate(roles.ready_made.data, roles.token, roles.own_events, roles.clock)
        routes += Probes(roles, gate).routes()
        if SEAL in roles.roles:
            routes += [admitted(route, gate) for route in Removals(roles).routes()]
    return Starlette(routes=routes), listener
