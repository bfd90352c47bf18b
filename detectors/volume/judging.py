"""What closed cells of a principal show, and what is expected of it: the side of data_volume that judges and learns."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import sqrt
from operator import ge
from typing import Any, Final

from detectors.base import NOTHING, Cell, Detector, Entity
from detectors.parts.quantised import OCTAVE
from detectors.volume.baseline import DAILY_MEAN, HORIZONS, NO_DAY, QUARTER, SIGNALS, STEPS, TOPS, WEEK, Baseline
from detectors.volume.expectation import Expectation
from detectors.volume.findings import Judged, Observed, finding
from detectors.volume.gates import across, gates, gates_of_strangers
from detectors.volume.group import UNMOVED, Moved, Norm
from detectors.volume.horizon import (
    hour_residuals,
    hour_signals,
    judge_hour,
    judge_long,
    judge_quarter,
    long_residuals,
    long_signals,
    quarter_signals,
)
from detectors.volume.learning import BURST, FIRST_CREST, SLOW, learn_day
from detectors.volume.parameters import Limits
from detectors.volume.peers import DAY, norm, told, widest
from detectors.volume.principal import HOUR, Principal
from detectors.volume.usage import (
    BYTES,
    CALLS,
    MEASURES,
    MINUTES,
    ROWS,
    Hour,
    distinct,
)
from stream.facts import Facts
from stream.finding import Finding, Severity

FIVE: Final = 300
LARGEST: Final = 1 << 45
"""Bytes or rows that one answer may claim; what claims more counts as this."""
YOUNG: Final = 2.0
"""How much further out an hour must lie to page while the principal is known for less than a week."""
REPEATED: Final = 3
"""Flagged days in a row after which a slow finding is told as low."""
FEW: Final = 6
"""Calls in two hours below which a quarter of an hour is not looked at."""
QUARTER_MINUTES: Final = 15
BULKY: Final = 3.5
"""Times a typical hour that bytes or rows must reach to be eight times the expected, however quiet the hour."""
_LONGS: Final = (8, 24)
_UNSEEN: Final = -9999
_NO_CRESTS: Final = (_UNSEEN,) * SIGNALS


class Judging(Detector[Any]):
    """Judges cells that have closed; `step` and the rest are its subclass's."""

    def __init__(self, parameters: Mapping[str, float] | None = None) -> None:
        super().__init__(parameters)
        self._limits = Limits(self.parameters)

    def _gates(self, state: Principal, entity: Entity, hour: int, facts: Facts) -> bytes:
        """Amounts that make an hour (5) or five minutes (3) a burst, and from which evidence is kept (2)."""
        own = state.own
        busy = self._limits.busy if _busy(entity, hour, facts) else 1.0
        if own is None or own.days < WEEK:
            busy *= YOUNG
        expected = self._expectation(state, entity, hour, facts)
        if own is None:
            return gates_of_strangers(self._limits, expected, hour, busy)
        return gates(self._limits, own, expected, hour, busy)

    # What closed cells show.

    def _settle_five(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        last = cell.end // 60 - 1
        hour = last // 60
        current = state.hours.get(hour)
        if current is None:
            return NOTHING
        five = state.window(last, 5)[:3]
        previous = state.hours.get(hour - 1) if last % 60 != 59 else None
        quick = self._settle_quarter(state, entity, cell, facts, current, previous)
        if not current.told:
            state.tops = (*map(max, state.tops, five), *state.tops[TOPS:]) if state.tops else five
        limits = self._limits
        if not (_worth(current, previous, limits.hour_least) or _bulky(state.own, current, previous, limits)):
            return quick
        calls, size, rows, active = state.window(last, 60)
        amounts = (calls, size, rows, active, min(calls, distinct(current.spots)))
        least = (*limits.hour_least[:BYTES], *limits.mean_least, *limits.hour_least[MINUTES:])
        if not any(map(ge, amounts, least)):
            return quick
        expected = self._expectation(state, entity, hour, facts)
        busy = _busy(entity, hour, facts)
        passed = across(amounts, current, previous)
        if passed is not None:
            observed = Observed(passed[0], amounts[passed[0]], passed[1], cell.end - HOUR, HOUR)
            judged = Judged("volume_burst", hour, 1, "high", observed, expected, 0.0, 0)
        else:
            moved = widest([Moved(values) for values in told(entity, state.client, FIVE, cell.start, facts)])
            share = (last % 60 + 1) / 60
            season = expected.hour(hour)
            season = max(season, share * season + (1 - share) * expected.hour(hour - 1))
            residuals = hour_residuals(amounts, expected, season, moved)
            verdict = judge_hour(amounts, residuals, expected, season, moved, limits)
            if verdict is None or (busy and verdict.octaves < limits.busy_octaves):
                return quick
            young = state.own is None or state.own.days < WEEK
            level = 1 if verdict.page and not (busy or young) else 0
            observed = Observed(verdict.measure, amounts[verdict.measure], verdict.bound, cell.end - HOUR, HOUR)
            judged = Judged(
                "volume_burst", hour, level, "high" if level else "medium", observed, expected,
                moved.octaves(verdict.measure), moved.members,
            )  # fmt: skip
        for flagged in (current, previous):
            if flagged is not None:
                flagged.flagged |= BURST
        return (*quick, finding(self.spec, entity, judged, current, time=cell.end, ids=current.ids))

    def _settle_quarter(
        self, state: Principal, entity: Entity, cell: Cell, facts: Facts, current: Hour, previous: Hour | None
    ) -> Sequence[Finding]:
        """Judge the quarter of an hour that ends with five minutes where it is the day's largest, and remember it."""
        if current.calls + (previous.calls if previous is not None else 0) < FEW:
            return NOTHING
        last = cell.end // 60 - 1
        calls, _, _, active = state.window(last, QUARTER_MINUTES)
        tops = state.tops or (0,) * TOPS
        most = tops[TOPS:] or (0, 0)
        if (calls <= most[0] and active <= most[1]) or current.told or current.flagged & BURST:
            return NOTHING
        hour = last // 60
        expected = self._expectation(state, entity, hour, facts)
        moved = widest([Moved(values) for values in told(entity, state.client, FIVE, cell.start, facts)])
        recurring = expected.hour(hour) - expected.season.hour(hour)
        verdict = judge_quarter(calls, active, expected, recurring, moved, self._limits)
        if verdict is None or (_busy(entity, hour, facts) and verdict.octaves < self._limits.busy_octaves):
            state.tops = (*tops[:TOPS], max(calls, most[0]), max(active, most[1]))
            return NOTHING
        for flagged in (current, previous if last % 60 < QUARTER_MINUTES - 1 else None):
            if flagged is not None:
                flagged.flagged |= BURST
        amount = calls if verdict.measure == CALLS else active
        seconds = QUARTER_MINUTES * 60
        observed = Observed(verdict.measure, amount, verdict.bound, cell.end - seconds, seconds)
        octaves = moved.octaves(verdict.measure)
        judged = Judged("volume_burst", hour, 0, "medium", observed, expected, octaves, moved.members)
        return (finding(self.spec, entity, judged, current, time=cell.end, ids=current.ids),)

    def _settle_hour(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        hour = cell.start // HOUR
        closing = state.hours.get(hour)
        if closing is None:
            return NOTHING
        own, limits = state.own, self._limits
        if "client" not in entity.names:
            state.heard = closing.client or state.heard
            if own is None:
                state.client = state.heard
        closing.close()
        known = own is not None and own.days >= FIRST_CREST
        windows = [_window(state.hours, hour, hours) for hours in _LONGS]
        if not (known or any(map(ge, windows[-1], limits.day_floors))):
            return NOTHING
        expected = self._expectation(state, entity, hour, facts)
        if known and not (closing.told or closing.flagged & BURST):
            residuals = hour_residuals(closing.amounts(), expected, expected.hour(hour), UNMOVED)
            if closing.unsized:
                residuals[BYTES] = None
            _raise(state, 0, hour_signals(residuals))
        findings: list[Finding] = []
        moves = self._moves(state, entity, cell.start, facts)
        shares = expected.shares(hour)
        for horizon, hours in enumerate(_LONGS, 1):
            amounts = windows[horizon - 1]
            share, moved = shares[horizon - 1], moves[horizon - 1]
            residuals = long_residuals(amounts, expected, share, moved)
            verdict = None
            if any(amount >= floor for amount, floor in zip(amounts, limits.day_floors, strict=True)):
                verdict = judge_long(horizon, amounts, residuals, expected, share, moved, limits)
            if verdict is None or (_busy(entity, hour, facts) and verdict.octaves < limits.busy_octaves):
                if known:
                    _raise(state, sum(HORIZONS[:horizon]), long_signals(residuals))
                continue
            for at in range(hour - hours + 1, hour + 1):
                if at in state.hours:
                    state.hours[at].flagged |= SLOW
            amount = amounts[verdict.measure]
            observed = Observed(verdict.measure, amount, verdict.bound, cell.end - hours * HOUR, hours * HOUR)
            severity: Severity = "low" if own is not None and own.flagged_days >= REPEATED else "medium"
            octaves = moved.octaves(verdict.measure)
            judged = Judged("volume_slow", hour // 24, 0, severity, observed, expected, octaves, moved.members)
            findings.append(finding(self.spec, entity, judged, closing, time=cell.end, ids=closing.ids))
        return findings[:1]

    def _settle_day(self, state: Principal, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        day = cell.start // DAY
        state.opening = ((day + 1) * 24, self._gates(state, entity, (day + 1) * 24, facts))
        hours = {at: known for at in range(day * 24, day * 24 + 24) if (known := state.hours.get(at)) is not None}
        if not hours:
            return NOTHING
        expected = self._expectation(state, entity, day * 24 + 23, facts)
        moved = self._moves(state, entity, cell.end - HOUR, facts)[1]
        own = state.own
        state.client = state.heard
        if own is None:
            own = state.own = Baseline()
        crests = [value / STEPS if value > _UNSEEN else None for value in state.crests or _NO_CRESTS]
        if len(state.tops) > TOPS:
            calls, active = state.tops[TOPS:]
            crests[QUARTER:] = quarter_signals(calls, active, expected)
        learn_day(own, day, hours, crests, state.tops, expected, moved)
        state.tops = ()
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
        spread = own.spread[DAILY_MEAN] / STEPS
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

    def _expectation(self, state: Principal, entity: Entity, hour: int, facts: Facts) -> Expectation:
        """What is expected in an hour, by what had closed before it for every order of arrival."""
        day = (hour - 1) // 24 - 1
        own = state.own
        if own is None:
            return _expected_of_strangers(*norm(entity, "", day, facts))
        cached = own.cached
        if isinstance(cached, tuple) and cached[0] == day:
            known = cached[1]
            assert isinstance(known, Expectation)
            return known
        expected = Expectation(own, *norm(entity, state.client, day, facts))
        own.cached = (day, expected)
        return expected

    def _moves(self, state: Principal, entity: Entity, start: int, facts: Facts) -> tuple[Moved, Moved]:
        values = told(entity, state.client, HOUR, start, facts)
        return widest([Moved(it[:4]) for it in values]), widest([Moved(it[4:]) for it in values])


@lru_cache(maxsize=1024)
def _expected_of_strangers(usual: Norm | None, alike: bool) -> Expectation:
    return Expectation(Baseline(), usual, alike)


def _worth(current: Hour, previous: Hour | None, floors: Sequence[float]) -> bool:
    """Whether two hours together reach any floor of one."""
    if previous is None:
        return any(map(ge, current.amounts(), floors))
    return any(
        amount + before >= floor
        for amount, before, floor in zip(current.amounts(), previous.amounts(), floors, strict=True)
    )


def _bulky(own: Baseline | None, current: Hour, previous: Hour | None, limits: Limits) -> bool:
    """Whether bytes or rows of two hours may be out of the ordinary on average with few calls."""
    if own is None or own.days < FIRST_CREST:
        return False
    size, rows = (current.size, current.rows) if previous is None else _sizes(current, previous)
    least_size, least_rows = limits.mean_least
    return (size >= least_size and size > BULKY * 2 ** (own.typical[BYTES] / OCTAVE)) or (
        rows >= least_rows and rows > BULKY * 2 ** (own.typical[ROWS] / OCTAVE)
    )


def _sizes(one: Hour, other: Hour) -> tuple[int, int]:
    return one.size + other.size, one.rows + other.rows


def _window(hours: Mapping[int, Hour], last: int, count: int) -> list[int]:
    """Calls, bytes, rows and active minutes of so many hours up to this one."""
    amounts = [0] * MEASURES
    for at, known in hours.items():
        if last - count < at <= last:
            amounts[CALLS] += known.calls
            amounts[BYTES] += known.size
            amounts[ROWS] += known.rows
            amounts[MINUTES] += known.minutes
    return amounts


def _raise(state: Principal, first: int, signals: Sequence[float | None]) -> None:
    """Keep the largest of the day of each signal, from one place on."""
    if not state.crests:
        state.crests = list(_NO_CRESTS)
    for signal, value in enumerate(signals, first):
        if value is not None:
            state.crests[signal] = max(state.crests[signal], round(value * STEPS))


def _busy(entity: Entity, hour: int, facts: Facts) -> bool:
    """Whether the directory announced a busy time that touches this hour."""
    return any(
        window.kind == "busy"
        and window.tenant in (None, entity.tenant)
        and window.from_.timestamp() < (hour + 1) * HOUR
        and window.until.timestamp() > hour * HOUR
        for window in facts.directory.windows
    )
