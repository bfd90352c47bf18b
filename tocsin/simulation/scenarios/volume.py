"""Attacks on the volume of data: a burst, a busy hour, a busy day, weeks that grow slowly."""

import math
from collections.abc import Callable, Iterator

from tocsin.simulation.label import Difficulty, Label
from tocsin.simulation.population import Actor
from tocsin.simulation.scenarios.stage import Stage, Staged, busy_hour
from tocsin.simulation.season import DAY, HOUR
from tocsin.simulation.seeds import poisson
from tocsin.simulation.world import Event, Moment, pick


def times_30(stage: Stage, grade: Difficulty) -> Staged:
    """Thirty times an hour's usual volume; easy in twelve minutes, medium in an hour, hard in few large answers."""
    actor = stage.actor("person", "service", "bi", calls=4)
    stage.at = stage.office_hour(actor.tenant)
    seconds = {"easy": 720.0, "medium": HOUR, "hard": 1800.0}[grade]
    label = stage.label("volume_burst", actor.key, grade, severity="high", also=("volume_slow", "outlier"))
    big = 8.0 if grade == "hard" else 1.0
    return Staged(label, _extra(stage, actor, 29 * busy_hour(actor) / big, seconds, big, label))


def times_6(stage: Stage, grade: Difficulty) -> Staged:
    """Six times the usual over an hour: by more calls (easy), by larger answers (medium), by some of both (hard)."""
    actor = stage.actor("service", "bi", "person", calls=8)
    stage.at = stage.office_hour(actor.tenant)
    label = stage.label("volume_burst", actor.key, grade, severity="medium", also=("volume_slow", "outlier"))
    big = {"easy": 1.0, "medium": 2.5, "hard": 1.5}[grade]
    return Staged(label, _extra(stage, actor, 5 * busy_hour(actor) / big, HOUR, big, label))


def times_2_5(stage: Stage, grade: Difficulty) -> Staged:
    """Two and a half times the usual for a whole working day, in step with the season."""
    actor = stage.actor("service", "bi", "person", calls=8)
    stage.at = stage.office_hour(actor.tenant)
    label = stage.label("volume_slow", actor.key, grade, severity="medium", also=("volume_burst", "outlier"))
    return Staged(label, _in_season(stage, actor, 10, lambda _: 1.5, label))


def weeks(stage: Stage, grade: Difficulty) -> Staged:
    """Low and slow: a share more every day, until the level has doubled or trebled; made to be learnt."""
    actor = stage.actor("service", "bi", calls=8)
    top = {"easy": 3.0, "medium": 2.0, "hard": 1.2}[grade]
    days = max(1.0, (stage.world.end - stage.at) / DAY - 0.2)
    label = stage.label("volume_slow", actor.key, grade, severity="medium", also=("volume_burst", "outlier"))

    def factor(at: float) -> float:
        return top * min(1.0, (at - stage.at) / DAY / days)

    return Staged(label, _in_season(stage, actor, round(days * 24), factor, label))


def _extra(stage: Stage, actor: Actor, calls: float, seconds: float, big: float, label: Label) -> Iterator[Moment]:
    count = max(12, round(calls))
    times = sorted(stage.at + seconds * stage.rng.random() for _ in range(count))
    for at in times:
        yield Moment(at, _read(stage, actor, big), label)


def _in_season(
    stage: Stage, actor: Actor, hours: int, factor: Callable[[float], float], label: Label
) -> Iterator[Moment]:
    world, tenant = stage.world, actor.tenant
    first = math.floor(stage.at / HOUR) * HOUR
    for number in range(hours):
        hour = first + number * HOUR
        if hour + HOUR > world.end:
            return
        level = world.season.level(actor.kind, tenant.region, tenant.offset, hour)
        count = poisson(stage.rng, actor.hourly_calls(level) * factor(hour))
        for at in sorted(hour + HOUR * stage.rng.random() for _ in range(count)):
            yield Moment(at, _read(stage, actor, 1.0), label)


def _read(stage: Stage, actor: Actor, big: float) -> Event:
    rng = stage.rng
    server = rng.choice(actor.servers[:2])
    tool = pick(server, rng)
    while tool.action != "read":
        tool = pick(server, rng)
    return stage.request(actor, server, tool, actor.tenant, volume=big)
