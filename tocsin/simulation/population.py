"""The population: tenants of skewed sizes, the people and machines that act for them, and what they own."""

import math
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from tocsin.simulation.season import DAY
from tocsin.simulation.seeds import around, derive, fingerprint
from tocsin.simulation.servers import BY_NAME, CLIENTS, WORKPLACES, Server

REGIONS: Final[dict[str, float]] = {"eu": 1.0, "us": -5.0, "apac": 8.0, "in": 5.5}
"""Regions with the offset of their clocks from UTC in hours; a simulated world has no daylight saving time."""

_FIRST: Final = (
    "alder",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heron",
    "inlet",
    "juniper",
    "krill",
    "lark",
)
_LAST: Final = ("bank", "foods", "health", "logistics", "media", "motors", "power", "retail", "software", "travel")
_PEOPLE: Final = (("sales", 34), ("engineering", 26), ("care", 25), ("finance", 15))
OPERATOR: Final = "operator"
"""The tenant of the provider itself, whose support staff helps the others under grants."""


class Tenant:
    """A customer: where it is, which addresses it shares, what it owns."""

    __slots__ = ("address", "by_kind", "name", "objects", "office", "offset", "region", "rng", "space")

    def __init__(self, name: str, region: str, seed: int, objects: int) -> None:
        rng = derive(seed, "tenant", name)
        self.name = name
        self.region = region
        self.offset = REGIONS[region] * 3600
        self.objects = objects
        self.space = f"{rng.getrandbits(40):010x}"
        self.address = f"198.{18 + rng.randrange(2)}.{rng.randrange(256)}"
        self.office = f"{self.address}.1"
        self.rng = derive(seed, "traffic", name)
        self.by_kind: dict[str, list[Actor]] = {}

    def owner_in_uri(self, server: Server) -> str:
        """How this tenant appears in a server's URIs: by name where rules read it, else by an opaque space."""
        return f"space-{self.space}" if server.owned == "learned" else self.name


class Actor:
    """A principal: who it is to an auditor, how busy it is, and the token that it holds now."""

    __slots__ = (
        "agent",
        "base",
        "calls",
        "client",
        "handles",
        "homes",
        "index",
        "joined",
        "kind",
        "left",
        "login_day",
        "name",
        "role",
        "scale",
        "schedule",
        "servers",
        "tasks",
        "tenant",
        "today",
        "today_day",
        "token",
        "token_at",
        "ttl",
        "user",
    )

    def __init__(self, index: int, tenant: Tenant, kind: str, role: str, name: str, rng: Random) -> None:
        self.index = index
        self.tenant = tenant
        self.kind = kind
        self.role = role
        self.name = name
        self.user: str | None = None
        self.client: str | None = None
        self.agent: str | None = None
        self.tasks = 1.0
        self.calls = 4.0
        self.scale = around(rng, 1.0, 0.4)
        self.servers: tuple[Server, ...] = tuple(BY_NAME[server] for server in WORKPLACES[role])
        self.schedule: tuple[str, int, int] | None = None
        self.homes: tuple[str, ...] = (tenant.office,)
        self.joined = -math.inf
        self.left = math.inf
        self.login_day = -1
        self.today = 1.0
        self.today_day = -1
        self.token = fingerprint(rng)
        self.token_at = 0.0
        self.ttl = rng.choice((900.0, 1200.0, 1800.0))
        self.handles: list[str] = []
        self.base: dict[str, Any] = {}

    @property
    def home(self) -> str:
        """The address that it is first seen at."""
        return self.homes[0]

    @property
    def key(self) -> dict[str, str]:
        """The field and value by which an auditor names this principal."""
        for field in ("user", "client", "agent"):
            if (value := getattr(self, field)) is not None:
                return {field: value}
        raise AssertionError("every actor has a name")

    def settle(self) -> None:
        """Fix the fields that all its events share."""
        base: dict[str, Any] = {"tenant": self.tenant.name, "auth": "valid", "identity": "verified"}
        base["protocol"] = "2025-11-25" if self.index % 3 == 0 else "2026-07-28"
        for field in ("user", "client", "agent"):
            if (value := getattr(self, field)) is not None:
                base[field] = value
        self.base = base

    def hourly_calls(self, level: float) -> float:
        """The expected calls in an hour of this level."""
        return self.tasks * level * self.calls


class Population:
    """Everybody, made from a seed; the same seed and sizes give the same people."""

    def __init__(self, seed: int, tenants: int, principals: int, start: float, days: int, pace: float = 1.0) -> None:
        self.tenants: list[Tenant] = []
        self.actors: list[Actor] = []
        self._seed = seed
        self._pace = pace
        self._start = start
        self._days = days
        weights = [1 / (rank + 1) ** 1.1 for rank in range(tenants)]
        regions = tuple(REGIONS)
        for rank in range(tenants):
            rng = derive(seed, "region", rank)
            region = regions[0] if rank == 0 else rng.choice(regions)
            size = max(3, round(principals * weights[rank] / sum(weights)))
            tenant = Tenant(_tenant_name(rank), region, seed, objects=size * 60)
            self.tenants.append(tenant)
            self._people(tenant, max(2, size - 3 - round(size * 0.16)))
            self._machines(tenant, max(2, round(size * 0.16)))
        self.operator = Tenant(OPERATOR, "eu", seed, objects=200)
        self.tenants.append(self.operator)
        self._support(max(4, min(40, principals // 60)))

    def by_name(self, name: str) -> Tenant:
        """A tenant by its name; raises StopIteration for a stranger."""
        return next(tenant for tenant in self.tenants if tenant.name == name)

    def customers(self) -> list[Tenant]:
        """All tenants but the provider's own."""
        return self.tenants[:-1]

    def _add(self, tenant: Tenant, kind: str, role: str, name: str, rng: Random) -> Actor:
        actor = Actor(len(self.actors), tenant, kind, role, name, rng)
        self.actors.append(actor)
        tenant.by_kind.setdefault(kind, []).append(actor)
        return actor

    def _people(self, tenant: Tenant, count: int) -> None:
        roles = [role for role, weight in _PEOPLE for _ in range(weight)]
        for number in range(count):
            rng = derive(self._seed, "person", tenant.name, number)
            role = rng.choice(roles)
            actor = self._add(tenant, "person", role, f"{role[0]}{number:04d}", rng)
            actor.user = f"https://login.{tenant.name}.example|{actor.name}"
            actor.client = "ide-agent" if role == "engineering" else rng.choice(CLIENTS["person"])
            actor.tasks = min(60.0, around(rng, 4.0, 1.0)) * self._pace
            actor.calls = min(12.0, around(rng, 4.0, 0.4))
            if rng.random() < 0.4:
                actor.homes = (f"{tenant.address}.{20 + rng.randrange(230)}",)
            self._turnover(actor, rng)
            actor.settle()

    def _turnover(self, actor: Actor, rng: Random) -> None:
        draw = rng.random()
        if draw < 0.04:
            actor.joined = self._start + rng.uniform(0, self._days) * DAY
        elif draw < 0.07:
            actor.left = self._start + rng.uniform(0, self._days) * DAY

    def _machines(self, tenant: Tenant, count: int) -> None:
        for number in range(count):
            rng = derive(self._seed, "service", tenant.name, number)
            actor = self._add(tenant, "service", "agent", f"svc-{number}", rng)
            actor.client = f"{tenant.name}-agent-{number}"
            actor.tasks = min(400.0, around(rng, 70.0, 0.7)) * self._pace
            actor.calls = min(8.0, around(rng, 3.0, 0.3))
            actor.homes = _egress(tenant, rng)
            actor.settle()
        rng = derive(self._seed, "bi", tenant.name)
        actor = self._add(tenant, "bi", "analytics", "bi", rng)
        actor.agent = f"{tenant.name}-analyst"
        actor.tasks = min(80.0, around(rng, 18.0, 0.6)) * self._pace
        actor.calls = 5.0
        actor.settle()
        for name, schedule in (("nightly", 1.0), ("weekly", 0.35), ("monthly", 0.2)):
            rng = derive(self._seed, "batch", tenant.name, name)
            if rng.random() > schedule:
                continue
            actor = self._add(tenant, "batch", "batch", name, rng)
            actor.client = f"{tenant.name}-{name}"
            size = {"nightly": 60, "weekly": 160, "monthly": 300}[name]
            actor.schedule = (name, rng.randrange(1, 5), max(8, round(around(rng, size, 0.5) * min(1.0, self._pace))))
            actor.ttl = 1800.0
            actor.homes = _egress(tenant, rng)
            actor.settle()

    def _support(self, count: int) -> None:
        for number in range(count):
            rng = derive(self._seed, "support", number)
            actor = self._add(self.operator, "support", "support", f"h{number:03d}", rng)
            actor.user = f"https://login.{OPERATOR}.example|{actor.name}"
            actor.client = CLIENTS["support"][0]
            actor.tasks = min(40.0, around(rng, 9.0, 0.5)) * self._pace
            actor.calls = 4.0
            actor.settle()


def _egress(tenant: Tenant, rng: Random) -> tuple[str, ...]:
    # A machine in a cloud leaves through a small pool of addresses, so that one token is seen from several.
    network = int(tenant.space[:4], 16)
    return tuple(f"35.{network >> 8}.{network & 255}.{rng.randrange(1, 255)}" for _ in range(rng.choice((1, 1, 2, 3))))


def _tenant_name(rank: int) -> str:
    first, last = _FIRST[rank % len(_FIRST)], _LAST[(rank // len(_FIRST) + rank) % len(_LAST)]
    generation = rank // (len(_FIRST) * len(_LAST))
    return f"{first}-{last}" + (f"-{generation + 1}" if generation else "")


def expected_calls(population: Population) -> float:
    """The calls that a plain week has, before season's refinements; used to meet a wanted number of events."""
    return sum(_weekly(actor) for actor in population.actors)


def _weekly(actor: Actor) -> float:
    if actor.schedule is not None:
        name, _, calls = actor.schedule
        return calls * {"nightly": 7.0, "weekly": 1.0, "monthly": 0.25}[name]
    days = {"person": 5.3, "support": 6.0, "service": 6.5, "bi": 5.0}[actor.kind]
    return actor.tasks * actor.calls * days


def of_kind(tenants: list[Tenant], kind: str) -> Iterator[Actor]:
    """All actors of a kind."""
    for tenant in tenants:
        yield from tenant.by_kind.get(kind, ())
