"""The schedule: which attacks and decoys are staged, when, and how often."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tocsin.simulation.label import GRADES, Difficulty, Label
from tocsin.simulation.scenarios import auth, business, operations, tenancy, volume
from tocsin.simulation.scenarios.stage import Stage, Staged
from tocsin.simulation.season import DAY, HOUR
from tocsin.simulation.seeds import derive
from tocsin.simulation.world import Moment, World

Script = tuple[float, Iterator[Moment]]


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack in three grades, `each` of them so often; `after` days in which the victim's normal can be learned."""

    name: str
    perform: Callable[[Stage, Difficulty], Staged]
    each: int = 3
    after: float = 1.0
    unconfigured: bool = True
    configured: bool = True


@dataclass(frozen=True, slots=True)
class Decoy:
    """Something benign, staged so often in 35 days; `after` days as of an attack."""

    name: str
    perform: Callable[[Stage], Staged]
    each: int = 1
    after: float = 1.0
    unconfigured: bool = True


ATTACKS: Final = (
    Attack("brute", auth.brute, 6),
    Attack("spray", auth.spray, 6),
    Attack("stuffing", auth.stuffing, 5),
    Attack("success_after", auth.success_after, 6),
    Attack("token_replay", auth.token_replay),
    Attack("scope_probing", auth.scope_probing),
    Attack("enumeration", auth.enumeration),
    Attack("unauthenticated", auth.unauthenticated),
    Attack("volume_times_30", volume.times_30, 4, after=15),
    Attack("volume_times_6", volume.times_6, 5, after=15, unconfigured=False),
    Attack("volume_times_2_5", volume.times_2_5, 4, after=15, unconfigured=False),
    Attack("volume_weeks", volume.weeks, 1, after=17),
    Attack("read_configured", tenancy.read_configured, 6, unconfigured=False),
    Attack("read_learned", tenancy.read_learned, 8, after=16),
    Attack("denied", tenancy.denied, 3, unconfigured=False),
    Attack("handle", tenancy.handle, 3),
    Attack("leak", tenancy.leak, 1, unconfigured=False),
    Attack("canary", tenancy.canary, 2, unconfigured=False),
    Attack("mixup", tenancy.mixup, 2),
)

DECOYS: Final = (
    Decoy("retry_storm", operations.retry_storm, 6),
    Decoy("identity_outage", operations.identity_outage, 2),
    Decoy("key_rotation", operations.key_rotation, 2),
    Decoy("shared_address", operations.shared_address, 2),
    Decoy("discovery_storm", operations.discovery_storm, 3),
    Decoy("forgotten_password", operations.forgotten_password, 8),
    Decoy("open_server", operations.open_server, 1, after=0),
    Decoy("launch", business.launch, 1, after=20),
    Decoy("level_shift", business.level_shift, 2, after=16, unconfigured=False),
    Decoy("backfill", business.backfill, 2, after=15, unconfigured=False),
    Decoy("big_month", business.big_month, 1, after=22),
    Decoy("cache_warmer", business.cache_warmer, 1, after=0),
    Decoy("support_grant", business.support_grant, 6, unconfigured=False),
    Decoy("partner", business.partner, 1, after=0, unconfigured=False),
    Decoy("tenant_merge", business.tenant_merge, 1, after=20, unconfigured=False),
    Decoy("shared_handbook", business.shared_handbook, 1, after=0),
    Decoy("shared_page", business.shared_page, 2, after=0),
    Decoy("wrong_clock", operations.wrong_clock, 2),
)


def schedule(world: World, *, attacks: float, decoys: bool) -> tuple[list[Script], list[Label]]:
    """Stage everything: the scripted streams with the moment from which they run, and all labels.

    Attacks and decoys are scheduled independently, so that a silent corpus has the decoys and the ordinary traffic of
    the one with attacks.
    """
    scripts: list[Script] = []
    labels: list[Label] = []
    taken: set[int] = set()
    staged: list[tuple[Stage, Staged]] = []
    if decoys:
        for decoy in DECOYS:
            if not (world.configured or decoy.unconfigured):
                continue
            for number in range(_times(decoy.each, world.days / 35)):
                stage = _stage(world, decoy.name, number, decoy.after, taken)
                staged.append((stage, decoy.perform(stage)))
    for attack in ATTACKS:
        if attacks <= 0 or not (world.configured or attack.unconfigured):
            continue
        for number in range(_times(attack.each, attacks) * len(GRADES)):
            stage = _stage(world, attack.name, number, attack.after, taken)
            staged.append((stage, attack.perform(stage, GRADES[number % len(GRADES)])))
    for stage, (label, moments) in staged:
        labels.append(label)
        if moments is not None:
            scripts.append((stage.at - HOUR, moments))
    return scripts, labels


def _times(each: int, factor: float) -> int:
    return max(1, round(each * factor))


def _stage(world: World, name: str, number: int, after: float, taken: set[int]) -> Stage:
    rng = derive(world.seed, "when", name, number)
    first = min(after, world.days * 0.55)
    last = max(first + 0.05, world.days - (1.6 if world.days > 4 else 0.6))
    return Stage(world, name, number, world.start + rng.uniform(first, last) * DAY, taken)
