"""Attacks on authentication: guessing, spraying, stuffing, stolen tokens, probing for what a login may do."""

from collections.abc import Iterator

from tocsin.simulation.label import Difficulty, Label
from tocsin.simulation.population import Actor
from tocsin.simulation.scenarios.stage import Stage, Staged
from tocsin.simulation.seeds import fingerprint
from tocsin.simulation.servers import BY_NAME
from tocsin.simulation.world import Event, Moment, login, refused

_MINUTE = 60.0


def brute(stage: Stage, grade: Difficulty) -> Staged:
    """One account, many guesses; the harder, the fewer and the more widely spread over addresses."""
    attempts, minutes, sources = {"easy": (220, 5, 1), "medium": (45, 25, 8), "hard": (16, 28, 6)}[grade]
    victim = stage.actor("person")
    label = stage.label("brute", victim.key, grade, also=("success_after",), decides=10)
    return Staged(label, _guesses(stage, victim, attempts, minutes * _MINUTE, sources, label))


def success_after(stage: Stage, grade: Difficulty) -> Staged:
    """A guess succeeds, and the login is used from the guesser's address."""
    attempts, minutes, sources = {"easy": (150, 6, 1), "medium": (40, 20, 5), "hard": (14, 25, 5)}[grade]
    victim = stage.actor("person")
    label = stage.label(
        "success_after", victim.key, grade, severity="critical", also=("brute", "spray"), decides=attempts + 1
    )
    return Staged(label, _break_in(stage, victim, attempts, minutes * _MINUTE, sources, label))


def spray(stage: Stage, grade: Difficulty) -> Staged:
    """One source, many accounts, a few guesses each; the hard grade takes half a day."""
    users, tries, minutes = {"easy": (60, 2, 10), "medium": (24, 2, 45), "hard": (40, 1, 600)}[grade]
    tenant = stage.tenant()
    source = stage.stranger()
    names = [it.user for it in stage.people(tenant)][:users]
    known = len(names)
    names += [f"https://login.{tenant.name}.example|guess{number:03d}" for number in range(users - known)]
    label = stage.label("spray", {"source_ip": source}, grade, also=("stuffing", "success_after", "brute"), decides=15)

    def moments() -> Iterator[Moment]:
        attempts = [name for _ in range(tries) for name in names]
        for at, name in zip(_spread(stage, len(attempts), minutes * _MINUTE), attempts, strict=True):
            yield Moment(at, login(name, tenant.name, source, "auth_invalid", "bad password"), label)

    return Staged(label, moments())


def stuffing(stage: Stage, grade: Difficulty) -> Staged:
    """Leaked pairs tried against one tenant from many addresses, once or twice each."""
    users, sources, minutes = {"easy": (300, 120, 10), "medium": (70, 40, 15), "hard": (32, 20, 15)}[grade]
    tenant = stage.tenant()
    addresses = [stage.stranger() for _ in range(sources)]
    people = [it.user for it in stage.people(tenant)][: users // 2]
    names = people + [f"https://login.{tenant.name}.example|leak{n:04d}" for n in range(users - len(people))]
    stage.rng.shuffle(names)
    label = stage.label("stuffing", {"tenant": tenant.name}, grade, also=("spray", "success_after"), decides=25)

    def moments() -> Iterator[Moment]:
        for at, name in zip(_spread(stage, users, minutes * _MINUTE), names, strict=True):
            source = stage.rng.choice(addresses)
            yield Moment(at, login(name, tenant.name, source, "auth_invalid", "bad password"), label)

    return Staged(label, moments())


def token_replay(stage: Stage, grade: Difficulty) -> Staged:
    """A stolen token is used from elsewhere while its owner goes on working."""
    places, calls, minutes = {"easy": (8, 40, 10), "medium": (3, 15, 20), "hard": (1, 6, 25)}[grade]
    victim = stage.actor("person", "service", calls=2)
    stage.at = stage.office_hour(victim.tenant)
    stolen = fingerprint(stage.rng)
    sources = [stage.stranger() for _ in range(places)]
    entity = victim.key | {"token": stolen}
    label = stage.label("token_replay", entity, grade, severity="high")

    def moments() -> Iterator[Moment]:
        for number, at in enumerate(_spread(stage, calls * 2, minutes * _MINUTE)):
            event = _call(stage, victim)
            event["token"] = stolen
            if number % 2 == 0:
                yield Moment(at, event)
                continue
            event["source_ip"] = stage.rng.choice(sources)
            event["user_agent"] = "python-httpx/0.28.1"
            yield Moment(at, event, label)

    return Staged(label, moments())


def scope_probing(stage: Stage, grade: Difficulty) -> Staged:
    """A valid login tries what it may not do: one 403 after the other."""
    tries, minutes = {"easy": (40, 5), "medium": (14, 20), "hard": (12, 150)}[grade]
    actor = stage.actor("person", "service")
    label = stage.label("scope_probing", actor.key, grade, severity="medium", decides=10)
    tools = [(server, tool) for server in BY_NAME.values() if not server.open for tool in server.tools]

    def moments() -> Iterator[Moment]:
        for at in _spread(stage, tries, minutes * _MINUTE):
            server, tool = stage.rng.choice(tools)
            event = stage.request(actor, server, tool, actor.tenant)
            refused(event, "authz_denied", "insufficient scope", auth="insufficient_scope")
            yield Moment(at, event, label)

    return Staged(label, moments())


def enumeration(stage: Stage, grade: Difficulty) -> Staged:
    """A valid login asks for one number after the other, mostly of things that are not there."""
    tries, minutes = {"easy": (220, 10), "medium": (50, 30), "hard": (30, 120)}[grade]
    actor = stage.actor("person", "service")
    server = stage.server_of("configured")
    label = stage.label("enumeration", actor.key, grade, severity="medium", also=("scope_probing",), decides=20)
    tool = next(it for it in server.tools if it.action == "read")

    def moments() -> Iterator[Moment]:
        first = stage.rng.randrange(50_000, 90_000)
        for number, at in enumerate(_spread(stage, tries, minutes * _MINUTE)):
            event = stage.request(actor, server, tool, actor.tenant)
            event["method"] = "resources/read"
            event["target"] = f"{server.scheme}://{actor.tenant.name}/{server.collection}/{first + number:05d}"
            outcome = "not_found" if number % 3 else "invalid_params"
            yield Moment(at, refused(event, outcome, "no such object", auth="valid"), label)

    return Staged(label, moments())


def unauthenticated(stage: Stage, grade: Difficulty) -> Staged:
    """A server that requires credentials answers without any: exposed by mistake, or its check was passed by."""
    calls, minutes = {"easy": (25, 5), "medium": (4, 10), "hard": (1, 1)}[grade]
    server = stage.server_of("configured")
    owner = stage.tenant()
    source = stage.stranger()
    label = stage.label("unauthenticated", {"source_ip": source}, grade, severity="high")
    actor = owner.by_kind["person"][0]

    def moments() -> Iterator[Moment]:
        for at in _spread(stage, calls, minutes * _MINUTE):
            event = stage.request(actor, server, server.tools[0], owner)
            reply = event["response_bytes"]
            rows = event.get("rows")
            refused(event, "ok", "", auth="none")
            del event["reason"]
            event["response_bytes"] = reply
            event["source_ip"] = source
            if rows is not None:
                event["rows"] = rows
            yield Moment(at, event, label)

    return Staged(label, moments())


def _guesses(
    stage: Stage, victim: Actor, attempts: int, seconds: float, sources: int, label: Label
) -> Iterator[Moment]:
    addresses = [stage.stranger() for _ in range(sources)]
    forged = stage.rng.random() < 0.3
    for number, at in enumerate(_spread(stage, attempts, seconds)):
        source = addresses[number % sources]
        event = login(victim.user, victim.tenant.name, source, "auth_invalid", "bad password")
        if forged:
            event = refused(_call(stage, victim), "auth_invalid", "bad signature")
            event |= {"source_ip": source, "token": fingerprint(stage.rng)}
        yield Moment(at, event, label)


def _break_in(
    stage: Stage, victim: Actor, attempts: int, seconds: float, sources: int, label: Label
) -> Iterator[Moment]:
    last = Moment(stage.at, {})
    for moment in _guesses(stage, victim, attempts, seconds, sources, label):
        yield moment
        last = moment
    source = last.event["source_ip"]
    token = fingerprint(stage.rng)
    event = login(victim.user, victim.tenant.name, source, "ok") | {"token": token, "token_ttl_s": 1800.0}
    yield Moment(last.time + 4, event, label)
    at = last.time + 15
    for _ in range(4 + stage.rng.randrange(12)):
        call = _call(stage, victim)
        call["source_ip"] = source
        call["token"] = token
        yield Moment(at, call, label)
        at += 5 + 40 * stage.rng.random()


def _call(stage: Stage, actor: Actor) -> Event:
    server = stage.rng.choice(actor.servers)
    tool = stage.rng.choice([it for it in server.tools if not it.mints])
    return stage.request(actor, server, tool, actor.tenant)


def _spread(stage: Stage, count: int, seconds: float) -> list[float]:
    """Moments in order over a stretch, the first at its start."""
    rest = sorted(stage.at + seconds * stage.rng.random() for _ in range(count - 1))
    return [stage.at, *rest]
