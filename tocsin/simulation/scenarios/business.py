"""Decoys on volume and tenancy: what businesses do that looks like theft."""

import math
from collections.abc import Iterator

from tocsin.simulation.directory import moment
from tocsin.simulation.label import Label
from tocsin.simulation.population import Actor, Tenant
from tocsin.simulation.scenarios.stage import Stage, Staged, busy_hour
from tocsin.simulation.season import DAY, HOUR, Surge
from tocsin.simulation.servers import BY_NAME
from tocsin.simulation.world import Event, Moment, pick, uri


def launch(stage: Stage) -> Staged:
    """A product launch: for a day everybody of every tenant does two to four times the usual."""
    tenant = stage.world.population.tenants[0]
    at = math.floor(stage.office_hour(tenant) / HOUR) * HOUR
    factor = 2.0 + 2.0 * stage.rng.random()
    stage.world.season.surges.append(Surge(at, at + 9 * HOUR, factor))
    label = stage.decoy("volume_burst", {"tenant": tenant.name}, "a launch: everybody rose together")
    return _span(stage, label, tenant, at, at + 9 * HOUR)


def level_shift(stage: Stage) -> Staged:
    """An agent is given a second product to look after: its volume doubles and stays there."""
    actor = stage.actor("service", calls=12)
    stage.world.season.surges.append(Surge(stage.at, math.inf, 1.9, actor=actor.index))
    label = stage.decoy("volume_slow", actor.key, "new work: the level rose once and stayed, as its owner announced")
    stage.world.windows.append(
        {
            "kind": "busy",
            "tenant": actor.tenant.name,
            "from": moment(stage.at),
            "until": moment(stage.at + 3 * DAY),
            "note": "a second product for the agent",
        }
    )
    return _span(stage, label, actor.tenant, stage.at, stage.at + 3 * DAY)


def backfill(stage: Stage) -> Staged:
    """A migration reads a tenant's whole warehouse for six hours, in a window announced as busy."""
    actor = stage.actor("batch", "service")
    world, tenant = stage.world, actor.tenant
    world.windows.append(
        {
            "kind": "busy",
            "tenant": tenant.name,
            "from": moment(stage.at - HOUR),
            "until": moment(stage.at + 7 * HOUR),
            "note": "warehouse migration",
        }
    )
    label = stage.decoy("volume_burst", actor.key, "a migration inside its announced busy window")
    server = BY_NAME["warehouse"]

    def moments() -> Iterator[Moment]:
        count = max(150, round(6 * busy_hour(actor)))
        for at in sorted(stage.at + 6 * HOUR * stage.rng.random() for _ in range(count)):
            yield Moment(at, stage.request(actor, server, pick(server, stage.rng), tenant), label)

    return Staged(label, moments())


def big_month(stage: Stage) -> Staged:
    """Month end in finance: the analysts of every tenant work through the books together."""
    world = stage.world
    at = math.floor(stage.at / DAY) * DAY + 7 * HOUR
    for tenant in world.population.customers():
        world.season.surges.append(Surge(at, at + 10 * HOUR, 2.2, tenant=tenant.name, kind="bi"))
    tenant = world.population.tenants[0]
    label = stage.decoy("volume_burst", {"tenant": tenant.name}, "month end: all analysts rose together")
    return _span(stage, label, tenant, at, at + 10 * HOUR)


def cache_warmer(stage: Stage) -> Staged:
    """After each release of the shop an agent reads the whole public catalogue."""
    actor = stage.actor("service")
    label = stage.decoy("volume_burst", actor.key, "a cache warmer reads public products, some every day")
    server = BY_NAME["catalogue"]
    stage.at = stage.world.start + 4 * HOUR

    def moments() -> Iterator[Moment]:
        day = stage.at
        while day + 2 * HOUR < stage.world.end:
            for at in sorted(day + 1500 * stage.rng.random() for _ in range(120)):
                yield Moment(at, stage.request(actor, server, pick(server, stage.rng), actor.tenant), label)
            day += DAY

    return Staged(label, moments())


def support_grant(stage: Stage) -> Staged:
    """A support case: staff work on a tenant's data for a day under a grant with a ticket."""
    world = stage.world
    helper, owner = stage.helper()
    until = stage.at + DAY
    world.grants.append(
        helper.key
        | {
            "tenant": owner.name,
            "from": moment(stage.at - HOUR),
            "until": moment(until),
            "ticket": f"SUP-{stage.rng.randrange(10_000, 99_999)}",
        }
    )
    label = stage.decoy("cross_tenant_read", helper.key, "support under a valid grant")
    return Staged(label, _visits(stage, helper, owner, 40, 20 * HOUR, label))


def partner(stage: Stage) -> Staged:
    """A partner's agent reads a tenant's tickets every day under a standing grant."""
    world = stage.world
    actor = stage.actor("service")
    owner = stage.stranger_to(actor.tenant)
    stage.connect(actor, owner)
    world.grants.append(actor.key | {"tenant": owner.name, "from": moment(world.start - DAY), "ticket": "PARTNER-7"})
    label = stage.decoy("cross_tenant_read", actor.key, "a partner under a standing grant")
    stage.at = world.start + HOUR
    return Staged(label, _visits(stage, actor, owner, 12 * world.days, (world.days - 0.5) * DAY, label))


def tenant_merge(stage: Stage) -> Staged:
    """One tenant buys another: from a day on its people work with the other's objects, under a grant."""
    world = stage.world
    tenants = world.population.customers()
    buyer, bought = tenants[-2], tenants[-1]
    for actor in (it for actors in buyer.by_kind.values() for it in actors):
        world.grants.append(actor.key | {"tenant": bought.name, "from": moment(stage.at - HOUR), "ticket": "MERGER-1"})
    stage.connect(buyer.by_kind["person"][0], bought)
    world.moved[buyer.name] = (stage.at, bought)
    label = stage.decoy("cross_tenant_read", {"tenant": buyer.name}, "a merger: the buyer works with what it bought")
    return _span(stage, label, buyer, stage.at, world.end - HOUR)


def shared_handbook(stage: Stage) -> Staged:
    """A handbook on the documents server is open to all tenants, and all read it from the first day."""
    world = stage.world
    label = stage.decoy("cross_tenant_read", {"server": "docs"}, "an object that is everybody's, as its readers show")
    server = BY_NAME["docs"]
    people = [it for tenant in world.population.customers() for it in tenant.by_kind["person"][:12]]
    stage.at = world.start + HOUR

    def moments() -> Iterator[Moment]:
        at = stage.at
        while at < world.end:
            person = stage.rng.choice(people)
            event = stage.request(person, server, server.tools[0], person.tenant)
            event["target"] = f"docs://handbook/pages/{stage.rng.randrange(30):05d}"
            yield Moment(at, event, label)
            at += 3600 * stage.rng.random()

    return Staged(label, moments())


def shared_page(stage: Stage) -> Staged:
    """Two tenants work on one page together: one's people read it in the other's space, from the first day on."""
    world = stage.world
    guest = stage.tenant()
    host = stage.stranger_to(guest)
    server = BY_NAME["docs"]
    label = stage.decoy("cross_tenant_read", {"server": "docs"}, "a page shared by two tenants since it exists")
    stage.at = world.start + 2 * HOUR

    def moments() -> Iterator[Moment]:
        at = stage.at
        while at < world.end:
            event = stage.request(stage.rng.choice(guest.by_kind["person"]), server, server.tools[0], host)
            event["target"] = uri(server, host, host.objects + 7)
            yield Moment(at, event, label)
            at += 16 * HOUR * stage.rng.random()

    return Staged(label, moments())


def _visits(stage: Stage, actor: Actor, owner: Tenant, count: int, seconds: float, label: Label) -> Iterator[Moment]:
    server = BY_NAME["tickets"]
    for at in sorted(stage.at + seconds * stage.rng.random() for _ in range(count)):
        event: Event = stage.request(actor, server, server.tools[0], owner)
        yield Moment(at, event, label)


def _span(stage: Stage, label: Label, tenant: Tenant, start: float, end: float) -> Staged:
    """Marks a stretch by one ordinary call at each end, where a decoy is a change of everybody's conditions."""
    actor = tenant.by_kind["service"][0]
    stage.at = start

    def moments() -> Iterator[Moment]:
        for at in (start + 30, max(start + 60, min(end, stage.world.end) - 30)):
            event = stage.request(actor, actor.servers[0], actor.servers[0].tools[0], tenant)
            yield Moment(at, event, label)

    return Staged(label, moments())
