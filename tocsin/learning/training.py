"""Training: nightly an isolation forest for each tenant from the log's closed hours, kept only if held-back days agree.

pandas and scikit-learn are imported when a training runs, since nothing else needs them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from math import ceil, log
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from detectors import keys
from detectors.base import AnyDetector, Entity
from detectors.engine.marks import marks_of, own_denial
from detectors.outlier import FAR, LIMIT, NAME
from detectors.outliers.habits import FEATURES, HOUR, Habits, features, learn
from detectors.parts.forest import DEPTH, LEAF, Forest, digest
from detectors.parts.keyed import number
from stream.control import Model
from stream.decode import decode
from stream.facts import Facts
from stream.frame import Record
from tocsin_audit.event import AuditEvent

if TYPE_CHECKING:
    import pandas

DAY: Final = 86_400
ROWS: Final = 400_000
"""Hours that one training holds; beyond it every second principal is left out, then every second of the rest."""
LEAST_ROWS: Final = 300
"""Hours without which a tenant gets no model."""
HELD_BACK: Final = 2
"""Days that a model is tried on and did not learn from."""
WORST: Final = 0.01
"""The share of held-back hours that it may find odd."""
CHANCE: Final = 3
"""Held-back hours that may be odd in any case, since few hours make a large share."""
TREES: Final = 100
SAMPLES: Final = 256
TRIED: Final = 10_000
"""Of more than twice as many known hours evenly spread ones give the limit: it is a quantile, and each takes 0.1 ms."""
BURN_IN: Final = 8
"""Active hours of a principal before its habits say anything."""
_EULER: Final = 0.5772156649
_NOBODY: Final = Entity("principal", "", {})
"""Counting needs no names."""

Hours = dict[tuple[str, str], Habits]
"""By tenant and principal, all its hours as the detector counted them; none is closed."""


class Outcome(NamedTuple):
    """What became of one tenant's training: the model, or why there is none."""

    tenant: str
    model: Model | None
    why: str
    rows: int


def gather(
    records: Iterable[Record], detector: AnyDetector, facts: Facts, *, pause: Callable[[], None] = lambda: None
) -> Hours:
    """The hours of principals in the log's frames, counted by the detector's own step.

    With more than `ROWS` hours a part of the principals, chosen by their digest, is left out.
    """
    found: Hours = {}
    every, rows = 1, 0
    for record in records:
        for event in decode(record.frame):
            who = _whose(event, facts, every)
            if who is None:
                continue
            habits = found.get(who)
            if habits is None:
                habits = found[who] = Habits()
            before = len(habits.hours)
            detector.step(habits, _NOBODY, event, facts)
            rows += len(habits.hours) - before
        if rows > ROWS:
            every *= 2
            found = {who: habits for who, habits in found.items() if number(who[1]) % every == 0}
            rows = sum(len(habits.hours) for habits in found.values())
        pause()
    return found


def table(hours: Hours, before: float) -> "pandas.DataFrame":
    """The features of every hour that had closed by a moment, each by what its principal's hours before it taught."""
    import pandas

    rows: list[tuple[Any, ...]] = []
    for who in sorted(hours):
        habits = hours[who]
        for hour in sorted(habits.hours):
            if (hour + 1) * HOUR > before:
                break
            cell = habits.hours[hour]
            if habits.seen >= BURN_IN:
                rows.append((who[0], hour // 24, *features(habits, cell, hour)))
            learn(habits, cell, hour)
    return pandas.DataFrame(rows, columns=["tenant", "day", *FEATURES])


def train(frame: "pandas.DataFrame", now: float, share: float) -> Iterator[Outcome]:
    """A model for each tenant that has hours enough, tried on the last two days before it is given out.

    The same table gives the same models. `now` is the log's clock; a model counts from the second full hour after it.
    """
    last = int(now) // DAY - HELD_BACK
    since = float((int(now) // HOUR + 2) * HOUR)
    for tenant, own in frame.groupby("tenant", sort=True):
        name = str(tenant)
        known, held = own[own["day"] < last], own[own["day"] >= last]
        if len(known) < LEAST_ROWS:
            yield Outcome(name, None, f"{len(known)} hours are too few, {LEAST_ROWS} are needed", len(known))
            continue
        forest = grow(known[list(FEATURES)].to_numpy(), seed(name, last))
        tried = known.iloc[:: max(1, len(known) // TRIED)]
        depths = sorted(forest.depth(sample) for sample in tried[list(FEATURES)].to_numpy().tolist())
        limit = depths[max(0, ceil(share * len(depths)) - 1)]
        odd = sum(forest.depth(sample) <= limit for sample in held[list(FEATURES)].to_numpy().tolist())
        if odd > max(CHANCE, WORST * len(held)):
            why = f"{odd} of {len(held)} held-back hours are odd to it: the model before it stays"
            yield Outcome(name, None, why, len(known))
            continue
        arrays = forest.pack()
        about = {
            LIMIT: float(limit),
            FAR: float(depths[0] - 1),
            "rows": float(len(known)),
            "held_back": float(len(held)),
            "held_back_odd": float(odd),
            "first_day": float(known["day"].min()),
            "last_day": float(known["day"].max()),
        }
        yield Outcome(name, Model(NAME, name, since, digest(arrays), arrays, about), "", len(known))


def grow(samples: Any, seed_: int) -> Forest:
    """An isolation forest by scikit-learn, as whole numbers: `x <= cut` of whole numbers asks the same of its floor."""
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(n_estimators=TREES, max_samples=min(SAMPLES, len(samples)), random_state=seed_)
    model.fit(samples)
    feature: list[int] = []
    value: list[int] = []
    right: list[int] = []
    root: list[int] = []
    for tree in model.estimators_:
        root.append(len(feature))
        _plant(tree.tree_, feature, value, right)
    return Forest(feature, value, right, root)


def seed(tenant: str, day: int) -> int:
    """The seed of a training: the same for the same tenant and day."""
    return int.from_bytes(blake2b(f"{tenant}|{day}".encode(), digest_size=4).digest(), "big")


def average(samples: int) -> float:
    """The mean depth at which a search in a binary tree of so many samples fails (Liu et al. 2008, equation 1)."""
    if samples < 2:
        return 0.0
    return 1.0 if samples == 2 else 2 * (log(samples - 1) + _EULER) - 2 * (samples - 1) / samples


def _plant(tree: Any, feature: list[int], value: list[int], right: list[int]) -> None:
    """Write one tree in the order in which a left child follows its parent."""
    waiting: list[tuple[int, int, int]] = [(0, 0, -1)]
    while waiting:
        node, depth, parent = waiting.pop()
        here = len(feature)
        if parent >= 0:
            right[parent] = here - parent
        left = int(tree.children_left[node])
        right.append(0)
        if left < 0:
            feature.append(LEAF)
            value.append(round(DEPTH * (depth + average(int(tree.n_node_samples[node])))))
        else:
            feature.append(int(tree.feature[node]))
            value.append(max(-32_768, min(32_767, int(tree.threshold[node] // 1))))
            waiting.append((int(tree.children_right[node]), depth + 1, here))
            waiting.append((left, depth + 1, -1))


def _whose(event: AuditEvent, facts: Facts, every: int) -> tuple[str, str] | None:
    """Whose event it is; None for one that the detector is not stepped with."""
    tenant = facts.tenant(event)
    raw = keys.principal(event)
    if tenant is None or raw is None or (event.sample_rate is not None and event.sample_rate < 1.0):
        return None
    who = "|".join(part or "" for part in raw[1:])
    if number(who) % every or (event.reason is not None and own_denial(event, marks_of(event, facts))):
        return None
    return tenant, who


def summary(outcomes: Iterable[Outcome]) -> Mapping[str, int]:
    """How many tenants got a model, had too few hours, or keep the one before."""
    told = list(outcomes)
    return {
        "trained": sum(one.model is not None for one in told),
        "too_few": sum(one.model is None and one.rows < LEAST_ROWS for one in told),
        "kept": sum(one.model is None and one.rows >= LEAST_ROWS for one in told),
    }
