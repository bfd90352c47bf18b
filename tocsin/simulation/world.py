"""The world: population, calendar and the conditions that change how ordinary traffic fares."""

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any, Final, NamedTuple

from tocsin.simulation.label import Label
from tocsin.simulation.population import Actor, Population, Tenant
from tocsin.simulation.season import Season
from tocsin.simulation.seeds import around, fingerprint, skewed_index
from tocsin.simulation.servers import IDENTITY, SERVERS, Server, Tool

Event = dict[str, Any]


class Moment(NamedTuple):
    """An event at its true time, with the label that it belongs to, if any."""

    time: float
    event: Event
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A stretch in which requests are refused for a reason nobody attacks with: an outage, a rotation of keys.

    `share` of the requests fail; callers retry each `retries` times on average.
    """

    start: float
    end: float
    reason: str
    label: Label
    tenant: str | None = None
    client: str | None = None
    actor: int | None = None
    share: float = 1.0
    retries: float = 4.0


@dataclass(frozen=True, slots=True)
class Leak:
    """A server's bug: a share of its answers also holds objects of other tenants."""

    start: float
    end: float
    server: str
    share: float
    label: Label


@dataclass(slots=True)
class World:
    """Everything that traffic is made from; scenarios add to it before the first hour."""

    seed: int
    start: float
    days: int
    population: Population
    season: Season
    configured: bool = True
    failures: list[Failure] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    grants: list[dict[str, Any]] = field(default_factory=list)
    canaries: list[dict[str, str]] = field(default_factory=list)
    windows: list[dict[str, Any]] = field(default_factory=list)
    moved: dict[str, tuple[float, Tenant]] = field(default_factory=dict)
    """The tenant whose objects a tenant also works with from a moment on: a merger."""
    connected: set[tuple[str, str]] = field(default_factory=set)
    """Who may at some time touch whose objects, tenant by tenant: no attack is staged there."""

    def strangers(self, tenant: Tenant) -> list[Tenant]:
        """The customers whose objects nobody of a tenant may ever touch."""
        name, connected = tenant.name, self.connected
        return [it for it in self.population.customers() if it is not tenant and (name, it.name) not in connected]

    @property
    def end(self) -> float:
        """The first second after the simulated span."""
        return self.start + self.days * 86_400


_CUMULATED: Final = {server.name: tuple(accumulate(tool.weight for tool in server.tools)) for server in SERVERS}


def pick(server: Server, rng: Random) -> Tool:
    """One of a server's tools, the heavy ones more often."""
    cumulated = _CUMULATED[server.name]
    return server.tools[bisect_right(cumulated, rng.random() * cumulated[-1], 0, len(cumulated) - 1)]


def uri(server: Server, owner: Tenant, number: int) -> str:
    """The address of one object of a tenant on a server."""
    if server.owned == "public":
        return f"{server.scheme}://{server.collection}/{number:05d}"
    return f"{server.scheme}://{owner.owner_in_uri(server)}/{server.collection}/{number:05d}"


def request(  # a request has this many independent facts
    actor: Actor,
    rng: Random,
    server: Server,
    tool: Tool,
    owner: Tenant,
    *,
    configured: bool = True,
    volume: float = 1.0,
) -> Event:
    """One successful call of a tool by an actor, on objects of an owner; `volume` multiplies its size."""
    event = actor.base | _constant(server, tool)
    if tool.method == "resources/read":
        event["target"] = uri(server, owner, skewed_index(rng, owner.objects))
    else:
        event["args_hash"] = f"k1:{rng.getrandbits(48):012x}"
    event["token"] = actor.token
    event["token_ttl_s"] = actor.ttl
    homes = actor.homes
    event["source_ip"] = homes[0] if len(homes) == 1 else homes[int(rng.random() * len(homes))]
    size = around(rng, tool.median, tool.sigma) * actor.scale * volume
    event["request_bytes"] = 180 + int(rng.random() * 260)
    event["response_bytes"] = int(size) + 60
    if tool.rows:
        event["rows"] = max(1, int(tool.rows * size / tool.median))
    event["duration_ms"] = int(60 + 400 * rng.random() + size / 400) / 10
    if configured and tool.action == "read":
        if server.owned == "configured":
            event["resource_tenants"] = (owner.name,)
        elif server.owned == "public":
            event["resource_tenants"] = ("public",)
    if tool.mints:
        handle = fingerprint(rng)
        event["handles_minted"] = (handle,)
        actor.handles.append(handle)
        del actor.handles[:-8]
    return event


def _constant(server: Server, tool: Tool) -> Event:
    # What every call of a tool shares, made once: most events are calls, and this is a third of their fields.
    known = _CONSTANTS.get((server.name, tool.name))
    return known if known is not None else _constants(server, tool)


def _constants(server: Server, tool: Tool) -> Event:
    event: Event = {"server": server.name, "method": tool.method, "target": tool.name, "action": tool.action}
    if tool.method != "resources/read":
        event["args_keys"] = tool.arguments
    event |= {"outcome": "ok", "ip_trust": "trusted_xff"}
    if server.data:
        event["data_classes"] = server.data
    return event


_CONSTANTS: Final = {(server.name, tool.name): _constants(server, tool) for server in SERVERS for tool in server.tools}


def refused(event: Event, outcome: str, reason: str, *, auth: str = "invalid") -> Event:
    """The same request, refused: nothing came back."""
    for name in ("rows", "resource_tenants", "handles_minted", "data_classes"):
        event.pop(name, None)
    event["outcome"] = outcome
    event["reason"] = reason
    event["auth"] = auth
    event["response_bytes"] = 96
    if auth in ("invalid", "none"):
        event["identity"] = "claimed"
    if auth == "none":
        for name in ("user", "client", "agent", "tenant", "token", "token_ttl_s", "identity"):
            event.pop(name, None)
    return event


def login(user: str | None, tenant: str | None, source: str, outcome: str, reason: str | None = None) -> Event:
    """One attempt at the token endpoint, without a request."""
    event: Event = {
        "server": IDENTITY,
        "kind": "auth",
        "action": "token",
        "outcome": outcome,
        "auth": "valid" if outcome == "ok" else "invalid",
        "identity": "verified" if outcome == "ok" else "claimed",
        "source_ip": source,
        "ip_trust": "trusted_xff",
    }
    if user is not None:
        event["user"] = user
    if tenant is not None:
        event["tenant"] = tenant
    if reason is not None:
        event["reason"] = reason
    return event
