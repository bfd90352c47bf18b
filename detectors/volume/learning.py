"""What a closed day teaches: levels, season, recurring peaks, and whether a new level has become the normal one.

What was flagged is not learned once there is a baseline to guard: an attacker would otherwise teach his own volume.
"""

from collections.abc import Mapping, Sequence
from math import log2
from typing import Final

from detectors.parts.quantised import OCTAVE, clip
from detectors.parts.season import DAY_START, HOUR_START, IDLE_DAY, MATURE, started, weekday
from detectors.volume.baseline import HOUR_SIGNALS, NO_DAY, NO_SHIFT, PEAKS, QUARTER, REFERENCES, TOPS, Baseline
from detectors.volume.expectation import DAILY, Expectation
from detectors.volume.group import Moved
from detectors.volume.usage import BYTES, CALLS, MEASURES, Hour

BURST: Final = 1
SLOW: Final = 2
"""How an hour is flagged."""
GUARDED: Final = 7
"""Active days after which what was flagged is no longer learned; before, there is nothing to guard."""
STABLE_DAYS: Final = 14
"""Days that a new level must hold before it is accepted without anybody's word."""
WEEKEND: Final = 3
"""Idle days in a row that still belong to the season; more are an absence."""
FIRST_CREST: Final = 3
"""Active days after which levels are good enough to say how far a day reached above them."""
QUIET: Final = 0.25
"""Share of a typical day below which a day says nothing of how far a usual one reaches."""
_MOST: Final = 60_000
_AGREE: Final = 1.0
_ALIKE: Final = 16
"""Sixteenths of an octave by which two runs of a recurring job may differ."""


def learn_day(
    own: Baseline,
    day: int,
    hours: Mapping[int, Hour],
    crests: Sequence[float | None],
    tops: Sequence[int],
    expected: Expectation,
    moved: Moved,
) -> None:
    """Learn one day of a principal: its hours, the largest residual of each signal, and its largest five minutes."""
    idle_days(own, day)
    guarded = own.days >= GUARDED
    slow = any(hour.flagged & SLOW for hour in hours.values())
    kept = slow and guarded
    totals = [0] * MEASURES
    samples: list[list[float]] = [[] for _ in range(MEASURES)]
    active: dict[int, tuple[int, ...]] = {}
    for at, hour in hours.items():
        amounts = hour.learnable()
        for index in range(MEASURES):
            totals[index] += amounts[index]
        if hour.told or hour.flagged & BURST:
            logs = [log2(amount) - expected.typical[index] for index, amount in enumerate(amounts) if amount > 0]
            remember(own, at, max(logs, default=0.0))
            if guarded:
                continue
        active[at % 24] = amounts
        for index, amount in enumerate(amounts):
            if amount > 0:
                samples[index].append(log2(amount))
    season = expected.season.day(day) - expected.season.usual_day()
    burst = any(hour.told or hour.flagged & BURST for hour in hours.values())
    distances = [
        log2(totals[index]) - own.reference[index] / OCTAVE - moved.octaves(index) - season
        for index in range(REFERENCES)
        if totals[index] and own.reference[index]
    ]
    if not kept:
        own.learn_hours(day, samples)
        if not (burst and guarded):
            for index, total in enumerate(totals):
                if total:
                    own.learn_total(day, index, log2(total) - season, own.days >= MATURE)
        busy = totals[CALLS] >= QUIET * 2 ** expected.daily[CALLS]
        for signal, value in enumerate(crests):
            if (
                value is not None
                and busy
                and own.days >= FIRST_CREST
                and not (burst and guarded and HOUR_SIGNALS <= signal < QUARTER)
            ):
                own.learn_crest(day, signal, value)
        for index, top in enumerate(tops[:TOPS]):
            if top:
                own.learn_top(index, round(log2(top) * OCTAVE))
        own.hours = min(_MOST, own.hours + len(hours))
    own.season.learn(day, _shape(own, hours, active), None if kept else _total(own, totals), own.learned)
    own.days = min(_MOST, own.days + 1)
    own.learned = min(255, own.learned + 1)
    own.last = day
    unknown = sum(hour.unsized for hour in hours.values()) / max(1, totals[CALLS])
    own.unsized = round(own.unsized + (min(1.0, unknown) * 255 - own.unsized) / 4)
    distance = sum(distances) / len(distances) if distances else None
    ring = NO_DAY if distance is None else int(clip(round(distance * 16), -120, 120))
    own.week = [*own.week[1:], ring]
    _follow_shift(own, slow, distance)
    own.cached = own.packed = None


def _shape(own: Baseline, hours: Mapping[int, Hour], active: Mapping[int, tuple[int, ...]]) -> list[float | None]:
    """The started logarithm of each hour of the day against the typical one; None where it is not to be learned."""
    shape: list[float | None] = [-1.0] * 24
    for at in hours:
        shape[at % 24] = None
    for hour, amounts in active.items():
        logs = [
            started(amounts[index], 2 ** (own.typical[index] / OCTAVE), HOUR_START)
            for index in (CALLS, BYTES)
            if amounts[index] > 0 and own.typical[index]
        ]
        if logs:
            shape[hour] = sum(logs) / len(logs)
    return shape


def _total(own: Baseline, totals: Sequence[int]) -> float | None:
    logs = [
        started(totals[index], 2 ** (own.daily[index] / OCTAVE), DAY_START)
        for index in (CALLS, BYTES)
        if totals[index] and own.daily[index]
    ]
    return sum(logs) / len(logs) if logs else None


def idle_days(own: Baseline, day: int) -> None:
    """The days since the last active one: few are a weekend and belong to the season, many an absence."""
    gap = day - own.last - 1 if own.days else 0
    if gap <= 0:
        return
    own.week = [*own.week[min(gap, len(own.week)) :], *[NO_DAY] * min(gap, len(own.week))]
    if gap <= WEEKEND:
        for back in range(gap):
            own.season.learn(day - gap + back, [-1.0] * 24, IDLE_DAY, own.learned)
            own.learned = min(255, own.learned + 1)


def remember(own: Baseline, hour: int, value: float) -> None:
    """Remember a flagged hour, of the week and of the day: what recurs is expected, at the lowest that was seen.

    What comes back at quite another height is another thing that happened, not a job that recurs.
    """
    height = int(clip(round((value + 1) * 16), 0, 255))
    for slot in (weekday(hour // 24) * 24 + hour % 24, DAILY + hour % 24):
        peak = next((peak for peak in own.peaks if peak[0] == slot), None)
        if peak is not None and abs(peak[1] - height) > _ALIKE:
            peak[1], peak[2] = height, 1
            continue
        if peak is not None:
            peak[1] = min(peak[1], height) if peak[2] == 1 else max(peak[1], min(height, peak[1] + 8))
            peak[2] = min(255, peak[2] + 1)
            continue
        if len(own.peaks) >= PEAKS:
            own.peaks.remove(min(own.peaks, key=lambda peak: (peak[2], peak[1])))
        own.peaks.append([slot, height, 1])


def _follow_shift(own: Baseline, slow: bool, distance: float | None) -> None:
    """Days at a new level: after a fortnight of them that agree, the level is accepted."""
    if not slow or distance is None:
        own.flagged_days = max(0, own.flagged_days - 1)
        own.shift_days = max(0, own.shift_days - 2)
        return
    own.flagged_days = min(15, own.flagged_days + 1)
    level = (own.shift - NO_SHIFT) / 16
    if own.shift_days == 0 or abs(distance - level) > _AGREE:
        own.shift, own.shift_days = int(clip(NO_SHIFT + round(distance * 16), 0, 255)), 1
        return
    own.shift_days = min(STABLE_DAYS, own.shift_days + 1)
    own.shift = int(clip(own.shift + round((distance - level) * 16 / own.shift_days), 0, 255))
    if own.shift_days >= STABLE_DAYS:
        own.accept((own.shift - NO_SHIFT) / 16)
