"""The directory of a simulated world, as an operator would have written it before the first event."""

from datetime import UTC, datetime
from typing import Any, Final

from tocsin.simulation.servers import IDENTITY, SERVERS
from tocsin.simulation.world import World

_PEOPLE_LISTED: Final = 5_000
"""With more principals than this only the machines and the support staff are listed."""


def directory_tree(world: World) -> dict[str, Any]:
    """The tree of `directory.yaml`; empty where nothing is configured."""
    if not world.configured:
        return {}
    actors = world.population.actors
    listed = [it for it in actors if len(actors) <= _PEOPLE_LISTED or it.kind != "person"]
    servers: list[dict[str, Any]] = []
    for server in SERVERS:
        entry: dict[str, Any] = {"name": server.name}
        if server.owned in ("public", "none"):
            entry["shared"] = True
        if server.data:
            entry["data"] = list(server.data)
        servers.append(entry)
    return {
        "tenants": {tenant.name: {"region": tenant.region} for tenant in world.population.tenants},
        "principals": [it.key | {"tenant": it.tenant.name, "role": it.role} for it in listed],
        "servers": [*servers, {"name": IDENTITY, "shared": True}],
        "grants": world.grants,
        "ownership": [
            {"server": server.name, "uri": f"{server.scheme}://{{tenant}}/**"}
            for server in SERVERS
            if server.owned == "configured"
        ],
        "canaries": world.canaries,
        "windows": world.windows,
    }


def moment(time: float) -> str:
    """A moment as the directory writes it."""
    return datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
