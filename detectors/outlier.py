"""The statistical backstop: hours of a principal that are odd by a combination of features that no rule names."""

from collections.abc import Mapping, Sequence
from typing import Final

from detectors.base import NOTHING, Cell, Detector, Entity, Kind, Measure, Parameter, Spec
from detectors.outliers.documentation import DOCUMENTATION, TECHNIQUES
from detectors.outliers.habits import (
    BYTES,
    CALLS,
    COUNTS,
    DENIED,
    FAILED,
    FEATURES,
    HOUR,
    ROWS,
    TOOLS,
    UNUSUAL_HOUR,
    WRITES,
    Habits,
    features,
    learn,
)
from detectors.parts.forest import DEPTH, Forest, forest_of
from detectors.parts.keyed import number
from detectors.parts.quantised import OCTAVE
from stream.facts import Facts
from stream.finding import Finding, finding_id
from tocsin_audit.event import AuditEvent

NAME: Final = "outlier"
DAY: Final = 86_400
HELD: Final = 26 * HOUR
LARGEST: Final = 1 << 45
"""Bytes or rows that one answer may claim; what claims more counts as this."""
_BITS: Final = 62
_FAILURES: Final = frozenset({"auth_invalid", "auth_missing"})
_DENIALS: Final = frozenset({"authz_denied", "not_found", "invalid_params"})
LIMIT: Final = "limit"
FAR: Final = "far"
NAMED: Final = 3
"""Features that a finding names at most."""
PARAMETERS: Final = (
    Parameter("least_hours", 24, "hours", "that a principal must have been active before its hours are judged", 1, 720),
    Parameter("train_hour", 3, "o'clock UTC", "when the models are trained each night", 0, 23),
    Parameter("train_days", 28, "days", "of the log that a training reads", 7, 90),
    Parameter("share", 0.002, "share", "of ordinary hours that may be told: about one in so many", 0.00001, 0.05),
)


class Outlier(Detector[Habits]):
    """Judges each closed hour by the tenant's isolation forest, which the log's control records bring."""

    spec = Spec(
        name=NAME,
        version="1.0.0",
        by=("principal",),
        cells=(HOUR,),
        classes=("outlier",),
        parameters=PARAMETERS,
        techniques=TECHNIQUES,
        warm_up={"outlier": "learned"},
        documentation=DOCUMENTATION,
    )

    def __init__(self, parameters: Mapping[str, float] | None = None) -> None:
        super().__init__(parameters)
        self._least = int(self.parameters["least_hours"])

    def start(self, kind: Kind) -> Habits:  # noqa: ARG002  # there is one kind
        """A principal that was never seen."""
        return Habits()

    def step(self, state: Habits, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:  # noqa: ARG002  # it only counts
        """Count one event; what came late is neither judged nor learned."""
        if event.late or event.kind != "request":
            return NOTHING
        hour = int(event.time) // HOUR
        cell = state.hours.get(hour)
        if cell is None:
            cell = state.hours[hour] = [0] * COUNTS
        cell[CALLS] += 1
        if size := event.response_bytes:
            cell[BYTES] += size if 0 < size < LARGEST else _bounded(size)
        if rows := event.rows:
            cell[ROWS] += rows if 0 < rows < LARGEST else _bounded(rows)
        outcome = event.outcome
        if outcome != "ok":
            if outcome in _FAILURES:
                cell[FAILED] += 1
            elif outcome in _DENIALS:
                cell[DENIED] += 1
        action = event.action
        if action is not None and action != "read":
            cell[WRITES] += 1
        target = event.target
        if target is not None:
            cell[TOOLS] |= 1 << number(target) % _BITS
        return NOTHING

    def settle(self, state: Habits, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Judge the hour by what was known before it, and learn from it unless it was told."""
        hour = cell.start // HOUR
        counts = state.hours.pop(hour, None)
        if counts is None:
            return NOTHING
        found = self._judge(state, entity, counts, cell, facts)
        if found is None:
            learn(state, counts, hour)
            return NOTHING
        return (found,)

    def rest(self, state: Habits, clock: float) -> None:
        """Drop hours that were never settled."""
        oldest = int(clock - HELD) // HOUR
        for hour in [hour for hour in state.hours if hour < oldest]:
            del state.hours[hour]

    def explain(self, state: Habits, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Measure]:
        """How odd the open hour stands so far; it is judged when it closes."""
        hour = int(event.time) // HOUR
        counts = state.hours.get(hour)
        if counts is None:
            return (Measure("hours of its own", state.seen, self._least, "hours", 0, "its hour was judged already"),)
        known = (Measure("active hours behind its habits", state.seen, self._least, "hours"),)
        model = facts.model(NAME, entity.tenant, float(hour * HOUR))
        if model is None:
            return (*known, Measure("models of its tenant", 0, 1, "models", 0, "none was trained yet"))
        forest = forest_of(model.arrays, model.digest, len(FEATURES))
        sample = features(state, counts, hour)
        depth = forest.depth(sample)
        note = f"cuts it takes to set the hour apart, told at {model.about[LIMIT] / DEPTH:.1f} or fewer; {_odd(sample)}"
        return (*known, Measure("how ordinary its hour is so far", round(depth / DEPTH, 1), None, "cuts", HOUR, note))

    def _judge(self, state: Habits, entity: Entity, counts: Sequence[int], cell: Cell, facts: Facts) -> Finding | None:
        if state.seen < self._least:
            return None
        model = facts.model(NAME, entity.tenant, float(cell.start))
        if model is None:
            return None
        forest = forest_of(model.arrays, model.digest, len(FEATURES))
        sample = features(state, counts, cell.start // HOUR)
        depth = forest.depth(sample)
        limit = model.about[LIMIT]
        if depth > limit:
            return None
        return self._tell(entity, counts, cell, sample, forest, depth, limit, far=depth <= model.about[FAR])

    def _tell(
        self,
        entity: Entity,
        counts: Sequence[int],
        cell: Cell,
        sample: Sequence[int],
        forest: Forest,
        depth: int,
        limit: float,
        *,
        far: bool,
    ) -> Finding:
        spec = self.spec
        who = "/".join(entity.names.values())
        named = causes(forest, sample, depth)
        text = "; ".join(spoken(which, sample[which], counts) for which in named)
        at = cell.start // DAY
        return Finding(
            id=finding_id(spec.name, spec.major, "outlier", entity.names, at, int(far), entity.tenant),
            detector=spec.name,
            version=spec.version,
            class_="outlier",
            entity=dict(entity.names),
            tenant=entity.tenant,
            severity="low" if far else "notice",
            confidence=0.4 if far else 0.3,
            score=25 if far else 10,
            title=f"An odd hour of {who}",
            observed=f"{text}: {depth / DEPTH:.1f} cuts set this hour apart",
            expected=f"more than {limit / DEPTH:.1f} cuts, as for the tenant's ordinary hours",
            why="An isolation forest of the tenant's hours, each against its principal's own habits, sets this one "
            "apart early. It is a hint and no proof: it counts when another finding says the same.",
            start=float(at * DAY),
            end=float(cell.end),
            time=float(cell.end),
            count=max(1, counts[0]),
            techniques=spec.techniques["outlier"],
            runbook="outlier",
            facts={"features": tuple(FEATURES[which] for which in named)},
        )


def causes(forest: Forest, sample: Sequence[int], depth: int) -> list[int]:
    """The features without which the sample would be more ordinary, those that matter most first."""
    gains = []
    for which in range(len(FEATURES)):
        usual = [*sample]
        usual[which] = 3 * OCTAVE if which == UNUSUAL_HOUR else 0
        gains.append((forest.depth(usual) - depth, which))
    gains.sort(key=lambda gain: (-gain[0], gain[1]))
    helping = [which for gain, which in gains[:NAMED] if gain > 0]
    return helping or [gains[0][1]]


def spoken(which: int, value: int, counts: Sequence[int]) -> str:
    """One feature of an hour in words, with a number that a person can check."""
    amounts = (
        counts[0],
        counts[1],
        counts[2],
        counts[6].bit_count(),
        counts[3],
        counts[4],
        counts[5],
        counts[2] // max(1, counts[0]),
    )
    if which == UNUSUAL_HOUR:
        return f"at a time of day with {2 ** (-value / OCTAVE):.0%} of its activity"
    times = 2 ** (abs(value) / OCTAVE)
    compared = "as usual" if times < 1.1 else f"{times:.1f} times {'more' if value > 0 else 'fewer'} than usual"
    return f"{amounts[which]:,} {FEATURES[which]} ({compared})"


def _bounded(amount: int) -> int:
    return min(max(amount, 0), LARGEST)


def _odd(sample: Sequence[int]) -> str:
    which = max(range(len(sample) - 1), key=lambda index: abs(sample[index]))
    return f"furthest from usual: {FEATURES[which]}, {2 ** (sample[which] / OCTAVE):.1f} times"


DETECTOR: Final = Outlier
