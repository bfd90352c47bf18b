"""The stage: what every scenario needs to pick its victims and name what it did."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tocsin.simulation.label import Difficulty, Label
from tocsin.simulation.population import Actor, Tenant
from tocsin.simulation.season import HOUR
from tocsin.simulation.seeds import derive
from tocsin.simulation.servers import BY_NAME, Server, Tool
from tocsin.simulation.world import Event, Moment, World, request


class Staged(NamedTuple):
    """A label with the moments that a scenario scripts, in time order; none where it only changes the conditions."""

    label: Label
    moments: Iterator[Moment] | None = None


class Stage:
    """One performance of one scenario: its own randomness, its moment, and actors that nobody else uses."""

    def __init__(self, world: World, name: str, number: int, at: float, taken: set[int]) -> None:
        self.world = world
        self.rng: Random = derive(world.seed, "scenario", name, number)
        self.id = f"{name}-{number:03d}"
        self.scenario = name
        self.at = at
        self._taken = taken

    def label(
        self,
        class_: str,
        entity: dict[str, str],
        difficulty: Difficulty,
        *,
        severity: str = "high",
        also: tuple[str, ...] = (),
        decides: int = 1,
    ) -> Label:
        """The label of an attack."""
        return Label(self.id, class_, self.scenario, entity, severity, difficulty, also, decides=decides)

    def decoy(self, looks_like: str, entity: dict[str, str], why: str, *, allowed: tuple[str, ...] = ()) -> Label:
        """The label of something benign that looks like a class."""
        return Label(self.id, looks_like, self.scenario, entity, why_benign=why, allowed=allowed)

    def tenant(self) -> Tenant:
        """One of the customers, the large ones as likely as the small."""
        return self.rng.choice(self.world.population.customers())

    def stranger_to(self, tenant: Tenant) -> Tenant:
        """A customer whose objects nobody of a tenant may touch."""
        return self.rng.choice(self.world.strangers(tenant))

    def connect(self, actor: Actor, owner: Tenant) -> None:
        """Keep attacks away from what is allowed at some time: this actor's tenant on this owner's objects."""
        self.world.connected.add((actor.tenant.name, owner.name))

    def helper(self) -> tuple[Actor, Tenant]:
        """One of the support staff and a customer that he has no other grant for."""
        world = self.world
        staff = world.population.operator.by_kind["support"]
        given = {f"{grant.get('user')}|{grant['tenant']}" for grant in world.grants}
        free = [
            (it, owner)
            for it in staff
            for owner in world.population.customers()
            if f"{it.user}|{owner.name}" not in given
        ]
        return self.rng.choice(free)

    def actor(self, *kinds: str, calls: float = 0.0, tenant: Tenant | None = None, server: str | None = None) -> Actor:
        """An actor of these kinds that is there throughout and that no other scenario uses, busy enough if one is.

        `calls` is the least number of calls in one of its busy hours; the busiest is taken where nobody reaches it.
        """
        world = self.world
        candidates = [
            it
            for it in world.population.actors
            if it.kind in kinds
            and it.tenant.name != "operator"
            and (tenant is None or it.tenant is tenant)
            and it.joined <= world.start
            and it.left > world.end
            and (server is None or any(one.name == server for one in it.servers))
        ]
        free = [it for it in candidates if it.index not in self._taken] or candidates
        fit = [it for it in free if busy_hour(it) >= calls] or [max(free, key=busy_hour)]
        chosen = self.rng.choice(fit)
        self._taken.add(chosen.index)
        return chosen

    def request(self, actor: Actor, server: Server, tool: Tool, owner: Tenant, volume: float = 1.0) -> Event:
        """One successful call of a tool by an actor, on objects of an owner; `volume` multiplies its size."""
        known = self.world.configured
        return request(actor, self.rng, server, tool, owner, configured=known, volume=volume)

    def people(self, tenant: Tenant) -> list[Actor]:
        """The people of a tenant in random order."""
        people = list(tenant.by_kind["person"])
        self.rng.shuffle(people)
        return people

    def server_of(self, owned: str) -> Server:
        """A server whose objects are owned in this way, other than the warehouse."""
        return self.rng.choice([it for it in BY_NAME.values() if it.owned == owned and it.name != "warehouse"])

    def stranger(self) -> str:
        """An address that nobody of the population uses."""
        rng = self.rng
        return f"45.{rng.randrange(16, 240)}.{rng.randrange(256)}.{1 + rng.randrange(254)}"

    def office_hour(self, tenant: Tenant) -> float:
        """A moment of the stage's day in the tenant's office hours; a Monday to Friday."""
        day = int((self.at + tenant.offset) // 86_400)
        weekday = (day + 3) % 7
        if weekday > 4:
            day -= weekday - 4
        at = day * 86_400 - tenant.offset + (9 + 6 * self.rng.random()) * HOUR
        return max(at, self.world.start + HOUR)


def busy_hour(actor: Actor) -> float:
    """The expected calls of an actor in one of its busy hours."""
    if actor.schedule is not None:
        return float(actor.schedule[2])
    peak = {"person": 0.11, "support": 0.075, "service": 0.05, "bi": 0.11}[actor.kind]
    return actor.tasks * peak * actor.calls
