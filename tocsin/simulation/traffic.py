"""Ordinary traffic, hour by hour: what everybody does when nobody attacks, in time order and bounded memory."""

import math
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from tocsin.simulation.label import Label
from tocsin.simulation.population import Actor
from tocsin.simulation.season import DAY, DAY_SIGMA, HOUR, day_of_month
from tocsin.simulation.seeds import around, fingerprint, poisson, skewed_index
from tocsin.simulation.world import Event, Failure, Leak, Moment, World, login, pick, refused, request

_INDEX_BITS = 24
_MASK = (1 << _INDEX_BITS) - 1
_MICRO = 1_000_000

_MISHAPS = (
    (0.020, "tool_error", "the tool could not finish"),
    (0.028, "invalid_params", "an argument does not fit"),
    (0.033, "not_found", "no such object"),
    (0.034, "authz_denied", "insufficient scope"),
    (0.036, "upstream_error", "upstream timed out"),
    (0.0365, "rate_limited", "slow down"),
)
"""Cumulated shares of calls that end otherwise than well, with the producer's words."""


class Traffic:
    """All moments of a world in time order: ordinary traffic merged with what the scenarios script.

    Memory holds one hour's plan: one integer for each call of the hour. `scripts` are time-ordered streams by the
    moment from which they are asked.
    """

    def __init__(self, world: World, scripts: Iterable[tuple[float, Iterator[Moment]]] = ()) -> None:
        self._world = world
        self._scripts = [_Script(start, script) for start, script in scripts]
        self._plan: dict[int, list[int]] = {}
        self._failures: Sequence[Failure] = ()
        self._leaks: Sequence[Leak] = ()

    def hours(self) -> Iterator[tuple[float, Iterator[Moment]]]:
        """Each hour's start with its moments; an hour must be drained before the next is asked for."""
        world = self._world
        for number in range(world.days * 24):
            hour = world.start + number * HOUR
            self._plan_hour(hour)
            yield hour, self._hour(number, hour)

    def _hour(self, number: int, hour: float) -> Iterator[Moment]:
        end = hour + HOUR
        self._failures = [it for it in self._world.failures if it.start < end and it.end > hour]
        self._leaks = [it for it in self._world.leaks if it.start < end and it.end > hour]
        keys = self._plan.pop(number, [])
        keys.sort()
        scripted = sorted((moment for script in self._scripts for moment in script.until(end)), key=lambda it: it.time)
        actors = self._world.population.actors
        at = 0
        for key in keys:
            time = (key >> _INDEX_BITS) / _MICRO
            while at < len(scripted) and scripted[at].time <= time:
                yield scripted[at]
                at += 1
            actor = actors[key & _MASK]
            if actor.joined <= time < actor.left:
                yield from self._act(actor, time)
        yield from scripted[at:]

    def _plan_hour(self, hour: float) -> None:
        season = self._world.season
        surging = bool(season.surges)
        for tenant in self._world.population.tenants:
            rng = tenant.rng
            for kind, actors in tenant.by_kind.items():
                if kind == "batch":
                    for actor in actors:
                        self._plan_batch(actor, rng, hour)
                    continue
                level = season.level(kind, tenant.region, tenant.offset, hour)
                day = int((hour + tenant.offset) // DAY)
                for actor in actors:
                    if actor.today_day != day:
                        actor.today_day = day
                        actor.today = (
                            0.0 if rng.random() < 0.06 and kind == "person" else around(rng, 0.95, DAY_SIGMA[kind])
                        )
                    rate = actor.tasks * actor.today * level
                    if surging:
                        rate *= season.surge(hour, tenant.name, kind, actor.index)
                    for _ in range(poisson(rng, rate)):
                        gap = 14.0 if kind in ("person", "support") else 1.5
                        calls = min(60, 1 + int(around(rng, actor.calls * 0.75, 0.7)))
                        self._plan_task(actor, rng, hour + rng.random() * HOUR, calls, gap)

    def _plan_batch(self, actor: Actor, rng: Random, hour: float) -> None:
        assert actor.schedule is not None
        name, at, calls = actor.schedule
        local = hour + actor.tenant.offset
        if int(local % DAY // HOUR) != at:
            return
        weekday = (int(local // DAY) + 3) % 7
        if (name == "weekly" and weekday != 6) or (name == "monthly" and day_of_month(local) != 1):
            return
        factor = self._world.season.surge(hour, actor.tenant.name, "batch", actor.index)
        count = max(4, round(around(rng, calls * factor, 0.12)))
        self._plan_task(actor, rng, hour + 120 + rng.random() * 180, count, 3000 / max(count, 500))

    def _plan_task(self, actor: Actor, rng: Random, time: float, calls: int, gap: float) -> None:
        start, index = self._world.start, actor.index
        for _ in range(calls):
            slot = int((time - start) // HOUR)
            self._plan.setdefault(slot, []).append((int(time * _MICRO) << _INDEX_BITS) | index)
            time += gap * -math.log(1.0 - rng.random())

    def _act(self, actor: Actor, time: float) -> Iterator[Moment]:
        rng = actor.tenant.rng
        if actor.kind in ("person", "support"):
            day = int((time + actor.tenant.offset) // DAY)
            if day != actor.login_day:
                first = actor.login_day < 0
                actor.login_day = day
                yield from self._log_in(actor, time, rng, first)
        servers = actor.servers
        server = servers[skewed_index(rng, len(servers), 1.6)]
        tool = pick(server, rng)
        if self._failures and (failure := self._failing(actor, time, rng)) is not None:
            for attempt in range(1 + poisson(rng, failure.retries)):
                event = request(actor, rng, server, tool, actor.tenant)
                yield Moment(time + attempt * 1.7, refused(event, "auth_invalid", failure.reason), failure.label)
            return
        if time - actor.token_at > actor.ttl:
            yield from self._refresh(actor, time, rng)
        owner = actor.tenant
        if self._world.moved and (moved := self._world.moved.get(owner.name)) is not None and time >= moved[0]:
            owner = moved[1] if rng.random() < 0.4 else owner
        event = request(actor, rng, server, tool, owner, configured=self._world.configured)
        if not tool.mints and actor.handles and rng.random() < 0.01:
            event["method"], event["target"] = "tasks/get", "task"
            event["handles_presented"] = (actor.handles[-1],)
        draw = rng.random()
        if draw < _MISHAPS[-1][0]:
            outcome, reason = next((outcome, reason) for share, outcome, reason in _MISHAPS if draw < share)
            auth = "insufficient_scope" if outcome == "authz_denied" else "valid"
            again = event.copy()
            yield Moment(time, refused(event, outcome, reason, auth=auth))
            if rng.random() < 0.5:
                yield Moment(time + 1.0 + rng.random(), again)
            return
        label = self._leaking(event, actor, time, rng) if self._leaks else None
        yield Moment(time, event, label)

    def _log_in(self, actor: Actor, time: float, rng: Random, first: bool) -> Iterator[Moment]:
        tenant = actor.tenant.name
        if first:
            event: Event = {"server": actor.servers[0].name, "method": "tools/list", "source_ip": actor.home}
            yield Moment(time - 4, refused(event, "auth_missing", "no credentials", auth="none"))
        draw = rng.random()
        failures = 0 if draw > 0.05 else 1 + poisson(rng, 0.4)
        if draw < 0.0008:
            failures = 5 + poisson(rng, 1.5)
        for attempt in range(failures):
            event = login(actor.user, tenant, actor.home, "auth_invalid", "bad password")
            yield Moment(time - 3 + attempt * 0.2, event)
        if rng.random() < 0.3:
            yield Moment(time - 1, self._listing(actor))

    def _listing(self, actor: Actor) -> Event:
        server = actor.servers[0]
        return actor.base | {
            "server": server.name,
            "method": "tools/list",
            "outcome": "ok",
            "source_ip": actor.home,
            "ip_trust": "trusted_xff",
            "token": actor.token,
            "response_bytes": 640 * len(server.tools),
            "manifest": {
                "count": len(server.tools),
                "tools": {tool.name: f"{server.name}.{tool.name}.1" for tool in server.tools},
            },
        }

    def _refresh(self, actor: Actor, time: float, rng: Random) -> Iterator[Moment]:
        if actor.token_at and rng.random() < 0.06:
            server = actor.servers[0]
            for attempt in range(1 + poisson(rng, 0.5)):
                event = request(actor, rng, server, server.tools[0], actor.tenant)
                event["token_age_s"] = round(time - actor.token_at, 1)
                yield Moment(time - 2 + attempt * 0.5, refused(event, "auth_invalid", "token expired"))
        if actor.kind == "person" and rng.random() < 0.08:
            # Somebody goes home, or comes back: the next token is used from another address.
            elsewhere = f"{actor.tenant.address}.{20 + rng.randrange(230)}"
            actor.homes = (elsewhere,) if actor.home == actor.tenant.office else (actor.tenant.office,)
        actor.token = fingerprint(rng)
        actor.token_at = time
        event = login(actor.user, actor.tenant.name, actor.home, "ok")
        event |= {name: value for name, value in actor.base.items() if name in ("client", "agent")}
        event["token"] = actor.token
        event["token_ttl_s"] = actor.ttl
        yield Moment(time - 0.4, event)

    def _failing(self, actor: Actor, time: float, rng: Random) -> Failure | None:
        for failure in self._failures:
            if (
                failure.start <= time < failure.end
                and failure.tenant in (None, actor.tenant.name)
                and failure.client in (None, actor.client)
                and failure.actor in (None, actor.index)
                and (failure.share >= 1.0 or rng.random() < failure.share)
            ):
                return failure
        return None

    def _leaking(self, event: Event, actor: Actor, time: float, rng: Random) -> Label | None:
        for leak in self._leaks:
            if (
                leak.server == event["server"]
                and leak.start <= time < leak.end
                and "resource_tenants" in event
                and rng.random() < leak.share
                and (others := self._world.strangers(actor.tenant))
            ):
                event["resource_tenants"] = (*event["resource_tenants"], rng.choice(others).name)
                return leak.label
        return None


class _Script:
    """A time-ordered stream, asked for nothing before its start, so that it sees the world as it is then."""

    def __init__(self, start: float, moments: Iterator[Moment]) -> None:
        self._start = start
        self._moments = moments
        self._next: Moment | None = None

    def until(self, end: float) -> Iterator[Moment]:
        """The moments before `end` that were not given yet."""
        if end <= self._start:
            return
        if self._next is None:
            self._next = next(self._moments, None)
        while self._next is not None and self._next.time < end:
            yield self._next
            self._next = next(self._moments, None)
        if self._next is None:
            self._start = math.inf
