"""Decoys on authentication: what breaks, expires or is shared without anybody attacking."""

from collections.abc import Iterator

from tocsin.simulation.scenarios.stage import Stage, Staged
from tocsin.simulation.season import DAY, HOUR
from tocsin.simulation.servers import BY_NAME
from tocsin.simulation.world import Failure, Moment, login, refused


def retry_storm(stage: Stage) -> Staged:
    """One agent retries one expired token for an hour, hundreds of times."""
    actor = stage.actor("service", "bi")
    label = stage.decoy(
        "brute", actor.key, "an agent retries its one expired token mechanically", allowed=("retry_storm",)
    )

    def moments() -> Iterator[Moment]:
        token, at = actor.token, stage.at
        for _ in range(250 + stage.rng.randrange(500)):
            event = stage.request(actor, actor.servers[0], actor.servers[0].tools[0], actor.tenant)
            event["token"] = token
            yield Moment(at, refused(event, "auth_invalid", "token expired"), label)
            at += 2 + 6 * stage.rng.random()

    return Staged(label, moments())


def identity_outage(stage: Stage) -> Staged:
    """The identity provider is down: everybody of every tenant fails for a while."""
    at = stage.office_hour(stage.world.population.tenants[0])
    label = stage.decoy(
        "stuffing",
        {"server": "login"},
        "the identity provider was down: everybody failed at once",
        allowed=("outage", "retry_storm"),
    )
    end = at + (20 + 40 * stage.rng.random()) * 60
    stage.world.failures.append(Failure(at, end, "token introspection failed", label))
    return Staged(label)


def key_rotation(stage: Stage) -> Staged:
    """A tenant's signing key is rotated: its tokens fail until each client has fetched the new one."""
    tenant = stage.tenant()
    at = stage.office_hour(tenant)
    label = stage.decoy(
        "stuffing", {"tenant": tenant.name}, "the tenant's signing key was rotated", allowed=("outage", "retry_storm")
    )
    failure = Failure(at, at + 15 * 60, "bad signature: unknown key id", label, tenant=tenant.name, share=0.7)
    stage.world.failures.append(failure)
    return Staged(label)


def shared_address(stage: Stage) -> Staged:
    """Monday at nine after a forced change of passwords: a whole company mistypes behind one address, and gets in."""
    tenant = stage.world.population.tenants[0]
    day = int((stage.at + tenant.offset) // DAY)
    stage.at = max((day - (day + 3) % 7) * DAY - tenant.offset + 9 * HOUR, stage.world.start + HOUR)
    people = stage.people(tenant)[:45]
    label = stage.decoy("spray", {"source_ip": tenant.office}, "a company behind one address mistyped new passwords")

    def moments() -> Iterator[Moment]:
        attempts: list[Moment] = []
        for person in people:
            start = stage.at + 3600 * stage.rng.random()
            tries = 1 + stage.rng.randrange(3)
            for number in range(tries):
                event = login(person.user, tenant.name, tenant.office, "auth_invalid", "bad password")
                attempts.append(Moment(start + number * 9, event, label))
            attempts.append(Moment(start + tries * 9, login(person.user, tenant.name, tenant.office, "ok"), label))
        yield from sorted(attempts, key=lambda it: it.time)

    return Staged(label, moments())


def discovery_storm(stage: Stage) -> Staged:
    """A new client is rolled out: hundreds of first contacts without credentials, as OAuth discovery wants it."""
    tenant = stage.tenant()
    stage.at = stage.office_hour(tenant)
    label = stage.decoy("spray", {"source_ip": tenant.office}, "ordinary OAuth discovery of a client's roll-out")
    servers = [it for it in BY_NAME.values() if not it.open]

    def moments() -> Iterator[Moment]:
        for time in sorted(stage.at + 1800 * stage.rng.random() for _ in range(300)):
            person = tenant.by_kind["person"][0]
            server = stage.rng.choice(servers)
            event = stage.request(person, server, server.tools[0], tenant)
            yield Moment(time, refused(event, "auth_missing", "no credentials", auth="none"), label)

    return Staged(label, moments())


def forgotten_password(stage: Stage) -> Staged:
    """Somebody back from holiday tries seven passwords at the usual address, then resets it and gets in."""
    person = stage.actor("person")
    stage.at = stage.office_hour(person.tenant)
    label = stage.decoy("success_after", person.key, "the owner tried old passwords at the usual address, then got in")

    def moments() -> Iterator[Moment]:
        at = stage.at
        for _ in range(6 + stage.rng.randrange(3)):
            yield Moment(at, login(person.user, person.tenant.name, person.home, "auth_invalid", "bad password"), label)
            at += 15 + 45 * stage.rng.random()
        yield Moment(at + 240, login(person.user, person.tenant.name, person.home, "ok"), label)

    return Staged(label, moments())


def wrong_clock(stage: Stage) -> Staged:
    """A worker's clock jumps: a few events are dated a day ahead, a few a week back."""
    actor = stage.actor("service")
    label = stage.decoy(
        "volume_burst", actor.key, "a few events with a wrong clock, nothing else", allowed=("audit_gap",)
    )

    def moments() -> Iterator[Moment]:
        for number in range(6):
            event = stage.request(actor, actor.servers[0], actor.servers[0].tools[0], actor.tenant)
            event["shift"] = DAY if number % 2 else -7 * DAY
            yield Moment(stage.at + number * 400, event, label)

    return Staged(label, moments())


def open_server(stage: Stage) -> Staged:
    """A public status server answers anybody, as it is meant to."""
    server = BY_NAME["status"]
    label = stage.decoy("unauthenticated", {"server": server.name}, "this server never asks for credentials")
    person = stage.tenant().by_kind["person"][0]
    stage.at = stage.world.start + 60

    def moments() -> Iterator[Moment]:
        at = stage.at
        sources = [stage.stranger() for _ in range(12)]
        while at < stage.world.end:
            event = refused(stage.request(person, server, server.tools[0], person.tenant), "ok", "", auth="none")
            del event["reason"]
            event["source_ip"] = stage.rng.choice(sources)
            event["response_bytes"] = 180 + stage.rng.randrange(20)
            yield Moment(at, event, label)
            at += 600 + 1200 * stage.rng.random()

    return Staged(label, moments())
