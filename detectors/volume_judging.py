"""What closed cells of a principal show, and what is expected of it: the side of data_volume that judges and learns."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import ceil, sqrt
from typing import Final

from detectors.base import NOTHING, Cell, Detector, Entity
from detectors.keys import entity_of
from detectors.parts.quantised import OCTAVE
from detectors.volume_baseline import HORIZONS, NO_DAY, SIGNALS, STEPS, WEEK, Baseline
from detectors.volume_expectation import PEERS, Expectation
from detectors.volume_findings import Judged, Observed, finding
from detectors.volume_group import UNMOVED, Group, Moved, Norm
from detectors.volume_horizon import hour_residuals, hour_signals, judge_hour, judge_long, long_residuals, long_signals
from detectors.volume_learning import BURST, SLOW, learn_day
from detectors.volume_parameters import Limits
from detectors.volume_usage import (
    BYTES,
    CALLS,
    MEASURES,
    MINUTES,
    NEVER,
    RESOURCES,
    ROWS,
    Hour,
    distinct,
    spots_of,
)
from stream.facts import Facts, group_id
from stream.finding import Finding, Severity

NAME: Final = "data_volume"
FIVE: Final = 300
HOUR: Final = 3600
DAY: Final = 86_400
MINUTES_HELD: Final = 3 * HOUR
HOURS_HELD: Final = 26 * HOUR
WINDOW: Final = 5
"""Minutes of the short window that a burst is looked for in."""
LEVEL: Final = 4
"""Each further level of a finding means the bound times this."""
LARGEST: Final = 1 << 45
"""Bytes or rows that one answer may claim; what claims more counts as this."""
REPEATED: Final = 3
"""Flagged days in a row after which a slow finding is told as low."""
_LONGS: Final = (8, 24)
_UNSEEN: Final = -9999


class Principal:
    """One principal: open minutes and hours, what today reached so far, and what was learned up to yesterday.

    `hot` is the latest minute that alone passed a fifth of its window's bound. `crests` are today's largest residual of
    each signal in 1/32 octave, `tops` today's largest five minutes. `opening` holds the hour after the last day that
    was learned from and the gates of that hour as they were before: events on both sides of the learning are judged
    alike.
    """

    minutes: dict[int, list[int]]
    hours: dict[int, Hour]
    hot: int
    crests: list[int]
    tops: list[int]
    opening: list[int]
    closed: Baseline

    def __init__(self) -> None:
        self.minutes = {}
        self.hours = {}
        self.hot = 0
        self.crests = []
        self.tops = []
        self.opening = []
        self.closed = Baseline()


State = Principal | Group


class Judging(Detector[State]):
    """Judges cells that have closed; `step` and the rest are its subclass's."""

    _limits: Limits

    def _gates(self, state: Principal, entity: Entity, hour: int, facts: Facts) -> list[int]:
        """Amounts that make an hour (5) or five minutes (3) a burst, keep evidence (2), make a minute hot (3)."""
        own, limits = state.closed, self._limits
        expected = self._expectation(own, entity, hour, facts)
        busy = limits.busy if _busy(entity, hour, facts) else 1.0
        gates: list[int] = []
        for measure in range(MEASURES):
            if measure == MINUTES:
                gates.append(NEVER)
                continue
            signal = CALLS if measure == RESOURCES else measure
            above = expected.crest[signal] + limits.page_spread * expected.spread[signal]
            least = limits.bulk_octaves if measure in (BYTES, ROWS) else limits.page_octaves
            bound = expected.hour_amount(measure, hour, max(least, above))
            if measure < MINUTES and own.top[measure]:
                bound = max(bound, 2 * 2 ** (own.top[measure] / OCTAVE))
            bound = max(bound, limits.page_floors[measure]) * busy
            gates.append(spots_of(bound) if measure == RESOURCES else ceil(min(bound, NEVER)))
        for measure in (CALLS, BYTES, ROWS):
            short = float(gates[measure])
            if own.top[measure] and own.days >= 3:
                largest = limits.page_factor * (1 if measure == CALLS else 2) * 2 ** (own.top[measure] / OCTAVE)
                short = min(short, max(largest, limits.page_floors[measure]) * busy)
            gates.append(ceil(short))
        gates.append(ceil(2 * 2 ** min(40.0, expected.typical[CALLS])))
        gates.append(ceil(2 ** min(40.0, expected.typical[BYTES])))
        return gates + [ceil(gate / WINDOW) for gate in gates[MEASURES : MEASURES + 3]]

    # What closed cells show.

    def _settle_five(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        last = cell.end // 60 - 1
        hour = last // 60
        current = state.hours.get(hour)
        if current is None:
            return NOTHING
        totals, five, active = _trailing(state.minutes, last)
        if not current.told:
            state.tops = [max(pair) for pair in zip(state.tops, five, strict=True)] if state.tops else five
        amounts = (*totals, active, min(totals[0], distinct(current.spots)))
        limits = self._limits
        if not any(amount >= floor for amount, floor in zip(amounts, limits.hour_floors, strict=True)):
            return NOTHING
        expected = self._expectation(state.closed, entity, hour, facts)
        moved = self._moved(state.closed, entity, FIVE, cell.start, facts)
        share = (last % 60 + 1) / 60
        season = expected.hour(hour)
        season = max(season, share * season + (1 - share) * expected.hour(hour - 1))
        previous = state.hours.get(hour - 1) if share < 1 else None
        residuals = hour_residuals(amounts, expected, season, moved)
        verdict = judge_hour(amounts, residuals, expected, season, moved, limits)
        if verdict is None:
            return NOTHING
        busy = _busy(entity, hour, facts)
        if busy and verdict.octaves < limits.busy_octaves:
            return NOTHING
        for flagged in (current, previous):
            if flagged is not None:
                flagged.flagged |= BURST
        level = 1 if verdict.page and not busy else 0
        amount = amounts[verdict.measure]
        observed = Observed(verdict.measure, amount, verdict.bound, cell.end - HOUR, HOUR)
        judged = Judged(
            "volume_burst", hour, level, "high" if level else "medium", observed, expected,
            moved.octaves(verdict.measure), moved.members,
        )  # fmt: skip
        return (finding(self.spec, entity, judged, current, time=cell.end, ids=current.ids),)

    def _settle_hour(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        hour = cell.start // HOUR
        closing = state.hours.get(hour)
        if closing is None:
            return NOTHING
        own, limits = state.closed, self._limits
        closing.close(own.group)
        expected = self._expectation(own, entity, hour, facts)
        if not (closing.told or closing.flagged & BURST):
            residuals = hour_residuals(closing.amounts(), expected, expected.hour(hour), UNMOVED)
            if closing.unsized:
                residuals[BYTES] = None
            _raise(state, 0, hour_signals(residuals))
        findings: list[Finding] = []
        moves = self._moves(own, entity, cell.start, facts)
        shares = expected.shares(hour)
        for horizon, hours in enumerate(_LONGS, 1):
            window = [known for at in range(hour - hours + 1, hour + 1) if (known := state.hours.get(at)) is not None]
            amounts = [0] * MEASURES
            for known in window:
                amounts[CALLS] += known.calls
                amounts[BYTES] += known.size
                amounts[ROWS] += known.rows
                amounts[MINUTES] += known.minutes
            share, moved = shares[horizon - 1], moves[horizon - 1]
            residuals = long_residuals(amounts, expected, share, moved)
            verdict = None
            if any(amount >= floor for amount, floor in zip(amounts, limits.day_floors, strict=True)):
                verdict = judge_long(horizon, amounts, residuals, expected, share, moved, limits)
            if verdict is None or (_busy(entity, hour, facts) and verdict.octaves < limits.busy_octaves):
                _raise(state, sum(HORIZONS[:horizon]), long_signals(residuals))
                continue
            for known in window:
                known.flagged |= SLOW
            amount = amounts[verdict.measure]
            observed = Observed(verdict.measure, amount, verdict.bound, cell.end - hours * HOUR, hours * HOUR)
            judged = Judged(
                "volume_slow", hour // 24, 0, "low" if own.flagged_days >= REPEATED else "medium", observed, expected,
                moved.octaves(verdict.measure), moved.members,
            )  # fmt: skip
            findings.append(finding(self.spec, entity, judged, closing, time=cell.end, ids=closing.ids))
        return findings[:1]

    def _settle_day(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        day = cell.start // DAY
        own = state.closed
        state.opening = [(day + 1) * 24, *self._gates(state, entity, (day + 1) * 24, facts)]
        hours = {at: known for at in range(day * 24, day * 24 + 24) if (known := state.hours.get(at)) is not None}
        if not hours:
            return NOTHING
        own.group = min((known.group or own.group for known in hours.values()), default=own.group)
        expected = self._expectation(own, entity, day * 24 + 23, facts)
        moved = self._moves(own, entity, cell.end - HOUR, facts)[1]
        crests = [value / STEPS if value > _UNSEEN else None for value in state.crests or [_UNSEEN] * SIGNALS]
        learn_day(own, day, hours, crests, state.tops, expected, moved)
        state.tops = []
        state.crests = []
        return self._week(own, entity, day, expected, moved, hours[max(hours)])

    def _week(
        self, own: Baseline, entity: Entity, day: int, expected: Expectation, moved: Moved, last: Hour
    ) -> Sequence[Finding]:
        """Whether the mean of the last seven days lies far above the slow reference."""
        known = [value / 16 for value in own.week if value != NO_DAY]
        if own.days <= 2 * WEEK or len(known) < 4:
            return NOTHING
        mean = sum(known) / len(known)
        spread = own.spread[SIGNALS - 1] / STEPS
        need = max(self._limits.week_octaves, self._limits.week_spread * spread / sqrt(len(known)))
        if mean < need:
            return NOTHING
        normal = 2 ** (own.reference[CALLS] / OCTAVE) * len(known)
        observed = Observed(CALLS, normal * 2**mean, normal * 2**need, (day + 1 - WEEK) * DAY, WEEK * DAY)
        severity: Severity = "medium" if own.flagged_days < REPEATED else "low"
        judged = Judged(
            "volume_slow", day // WEEK, 1, severity, observed, expected, moved.octaves(CALLS), moved.members
        )  # fmt: skip
        return (finding(self.spec, entity, judged, last, time=(day + 1) * DAY, ids=()),)

    # What is expected, and what others do.

    def _expectation(self, own: Baseline, entity: Entity, hour: int, facts: Facts) -> Expectation:
        """What is expected in an hour, by what had closed before it for every order of arrival."""
        day = (hour - 1) // 24 - 1
        cached = own.cached
        if isinstance(cached, tuple) and cached[0] == day:
            known = cached[1]
            assert isinstance(known, Expectation)
            return known
        expected = Expectation(own, *_norm(own, entity, day, facts))
        own.cached = (day, expected)
        return expected

    def _moved(self, own: Baseline, entity: Entity, seconds: int, start: int, facts: Facts) -> Moved:
        return _widest([Moved(values) for values in _told(own, entity, seconds, start, facts)])

    def _moves(self, own: Baseline, entity: Entity, start: int, facts: Facts) -> tuple[Moved, Moved]:
        told = _told(own, entity, HOUR, start, facts)
        return _widest([Moved(values[:4]) for values in told]), _widest([Moved(values[4:]) for values in told])


def _trailing(minutes: Mapping[int, Sequence[int]], last: int) -> tuple[list[int], list[int], int]:
    """Calls, bytes and rows of the hour that ends with a minute, and of its last five; how many minutes had any."""
    active = 0
    totals = [0, 0, 0]
    five = [0, 0, 0]
    for at, counts in minutes.items():
        if last - 60 < at <= last:
            active += 1
            for measure in (CALLS, BYTES, ROWS):
                totals[measure] += counts[measure]
                if at > last - 5:
                    five[measure] += counts[measure]
    return totals, five, active


def _raise(state: Principal, first: int, signals: Sequence[float | None]) -> None:
    """Keep the largest of the day of each signal, from one place on."""
    if not state.crests:
        state.crests = [_UNSEEN] * SIGNALS
    for signal, value in enumerate(signals, first):
        if value is not None:
            state.crests[signal] = max(state.crests[signal], round(value * STEPS))


def _told(own: Baseline, entity: Entity, seconds: int, start: int, facts: Facts) -> list[tuple[int, ...]]:
    """What the principal's group and its tenant tell of exactly this cell."""
    told: list[tuple[int, ...]] = []
    for peers in (own.group, _tenant_group(entity)):
        summary = facts.peers(NAME, peers, seconds, start) if peers else None
        if summary is not None and summary.start == start:
            told.append(summary.values)
    return told


def _widest(moves: Sequence[Moved]) -> Moved:
    """The first of which enough members tell, else that of the most."""
    for moved in moves:
        if moved.members >= PEERS:
            return moved
    return max(moves, key=lambda moved: moved.members, default=UNMOVED)


def _norm(own: Baseline, entity: Entity, day: int, facts: Facts) -> tuple[Norm | None, bool]:
    """The norm of the principal's group, else of its tenant, after a day; whether its members are alike."""
    for peers, alike in ((own.group, True), (_tenant_group(entity), False)):
        summary = facts.peers(NAME, peers, DAY, day * DAY) if peers else None
        if summary is not None:
            norm = _norm_of(summary.values)
            if norm.members >= PEERS:
                return norm, alike
    return None, False


@lru_cache(maxsize=1024)
def _norm_of(values: tuple[int, ...]) -> Norm:
    return Norm(values)


@lru_cache(maxsize=4096)
def _tenant_id(tenant: str) -> int:
    return group_id(entity_of("tenant", tenant, Facts()).key)


def _tenant_group(entity: Entity) -> int:
    return _tenant_id(entity.tenant) if entity.tenant is not None else 0


def _busy(entity: Entity, hour: int, facts: Facts) -> bool:
    """Whether the directory announced a busy time that touches this hour."""
    return any(
        window.kind == "busy"
        and window.tenant in (None, entity.tenant)
        and window.from_.timestamp() < (hour + 1) * HOUR
        and window.until.timestamp() > hour * HOUR
        for window in facts.directory.windows
    )
