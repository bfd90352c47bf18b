"""`tocsin simulate`: a labelled corpus from a seed, streamed to disk hour by hour."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from stream.errors import ConfigError, StorageError
from tocsin.simulation.corpus import EVENTS, EventsWriter, write_about, write_directory, write_truth
from tocsin.simulation.delivery import Delivery, producers
from tocsin.simulation.directory import directory_tree
from tocsin.simulation.label import Label
from tocsin.simulation.population import REGIONS, Population, expected_calls
from tocsin.simulation.scenarios.schedule import Script, schedule
from tocsin.simulation.season import DAY, HOUR, Season
from tocsin.simulation.seeds import derive
from tocsin.simulation.traffic import Traffic
from tocsin.simulation.world import World

GENERATOR: Final = "1"
"""Version of the generator: with the same version, seed and parameters the events are the same to the byte."""

Progress = Callable[[float, str], None]
"""Told the share done, 0 to 1, and what is being done."""

_EXTRA: Final = 1.16
"""Events per planned call: log-ins, token refreshes, retries, duplicates."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a corpus is made of.

    `pace` multiplies everybody's tasks; `attacks` multiplies how often each attack is staged, 0 for a silent corpus;
    `configured` is whether owners are known from rules (else the directory is empty and they must be learned).
    """

    name: str = "simulated"
    days: int = 35
    tenants: int = 12
    principals: int = 320
    pace: float = 1.0
    attacks: float = 1.0
    decoys: bool = True
    configured: bool = True
    sampled: bool = False
    start: str = "2026-08-03"


PRESETS: Final[dict[str, Parameters]] = {
    "attacks": Parameters(name="attacks"),
    "silent": Parameters(name="silent", attacks=0.0, days=35),
    "unconfigured": Parameters(name="unconfigured", days=28, tenants=8, principals=140, configured=False),
    "tiny": Parameters(name="tiny", days=3, tenants=4, principals=40, pace=0.6),
}
"""Named corpora; the first three are the standard set."""

STANDARD: Final = (("attacks", 41), ("silent", 42), ("unconfigured", 43))
"""The standard set: presets with their seeds."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    out: Path
    seed: int
    events: int
    incidents: int
    decoys: int
    digest: str


def simulate(
    seed: int,
    days: int | None,
    out: Path,
    *,
    preset: str = "attacks",
    parameters: Parameters | None = None,
    events_target: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Write a corpus folder (DESIGN §10) from a seed.

    `days` None keeps the preset's; `events_target` sizes the population and its pace for about so many events (within a
    tenth or so). `parameters` replaces the preset. Memory does not grow with the length of the corpus. Raises
    ConfigError for an impossible wish and StorageError where `out` cannot be written.
    """
    chosen = _choose(preset, parameters, days)
    if events_target is not None:
        chosen = _sized(seed, chosen, events_target)
    world, scripts, labels = build(seed, chosen)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the folder cannot be made ({error.strerror})", where=str(out)) from error
    delivery = Delivery(producers_of(seed, chosen, world), seed)
    with EventsWriter(out / EVENTS) as writer:
        for number, (hour, moments) in enumerate(Traffic(world, scripts).hours()):
            ready = hour
            for moment in moments:
                delivery.push(moment)
                if moment.time > ready + 60:
                    ready = moment.time - 30
                    for line in delivery.until(ready):
                        writer.write(line)
            if progress is not None and number % 24 == 23:
                progress((number + 1) / (24 * chosen.days), f"{writer.count:,} events")
        for line in delivery.rest():
            writer.write(line)
        digest = writer.digest
    about = _about(seed, chosen)
    summary = Summary(
        out=out,
        seed=seed,
        events=writer.count,
        incidents=sum(1 for label in labels if label.count and label.why_benign is None),
        decoys=sum(1 for label in labels if label.count and label.why_benign is not None),
        digest=digest,
    )
    size = {"events": summary.events, "digest": digest}
    write_truth(out, about | size, labels)
    write_directory(out, directory_tree(world))
    write_about(out, about, size | {"incidents": summary.incidents, "decoys": summary.decoys})
    return summary


def build(seed: int, parameters: Parameters) -> tuple[World, list[Script], list[Label]]:
    """The world of a seed with what is staged in it; nothing is generated yet."""
    start = datetime.fromisoformat(parameters.start).replace(tzinfo=UTC).timestamp()
    population = Population(seed, parameters.tenants, parameters.principals, start, parameters.days, parameters.pace)
    world = World(
        seed=seed,
        start=start,
        days=parameters.days,
        population=population,
        season=Season(start, holidays=_holidays(seed, start, parameters.days)),
        configured=parameters.configured,
    )
    scripts, labels = schedule(world, attacks=parameters.attacks, decoys=parameters.decoys)
    return world, scripts, labels


def producers_of(seed: int, parameters: Parameters, world: World) -> dict[str, Any]:
    """The producers of a world, with one outage of half an hour or so in each fortnight."""
    result = producers(seed, sampled=parameters.sampled)
    rng = derive(seed, "outages")
    for number in range(parameters.days // 14):
        workers = rng.choice([it for name, it in sorted(result.items()) if name in ("code", "search", "catalogue")])
        at = world.start + (number * 14 + rng.uniform(2, 12)) * DAY
        rng.choice(workers).outages.append((at, at + rng.uniform(0.3, 1.5) * HOUR))
    return result


def _choose(preset: str, parameters: Parameters | None, days: int | None) -> Parameters:
    if parameters is None:
        if preset not in PRESETS:
            raise ConfigError(
                f"there is no preset {preset!r}", where="--preset", hint=f"choose one of {', '.join(PRESETS)}"
            )
        parameters = PRESETS[preset]
    if days is not None:
        parameters = replace(parameters, days=days)
    if parameters.days < 1 or parameters.tenants < 2 or parameters.principals < parameters.tenants:
        raise ConfigError(
            "a corpus needs at least 1 day, 2 tenants and a principal for each tenant",
            where="simulate",
            hint="raise days, tenants or principals",
        )
    return parameters


def _sized(seed: int, parameters: Parameters, target: int) -> Parameters:
    per_day = max(1.0, target / parameters.days / _EXTRA)
    principals = min(100_000, max(parameters.tenants * 4, round(per_day / 70)))
    tenants = parameters.tenants if principals <= 600 else min(400, round(math.sqrt(principals) * 0.6))
    population = Population(seed, tenants, principals, 0.0, parameters.days)
    pace = per_day / (expected_calls(population) / 7)
    return replace(parameters, tenants=tenants, principals=principals, pace=round(pace, 4))


def _holidays(seed: int, start: float, days: int) -> dict[str, frozenset[int]]:
    first = int(start // DAY)
    result: dict[str, frozenset[int]] = {}
    for region in REGIONS:
        rng = derive(seed, "holidays", region)
        result[region] = frozenset(first + rng.randrange(days) for _ in range(round(days / 30)))
    return result


def _about(seed: int, parameters: Parameters) -> dict[str, Any]:
    about: dict[str, Any] = {"corpus": parameters.name, "seed": seed, "generator": GENERATOR}
    return about | {"parameters": json.dumps({k: v for k, v in asdict(parameters).items() if k != "name"})}
