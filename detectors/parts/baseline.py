"""A principal's own normal: typical hour and day, their spread, the largest minutes, and a reference that moves slowly.

All of it changes only when a day closes, and only by what was not flagged. Levels are quantised octaves; sums are
winsorised (Tukey), so that one odd day cannot move them far, and the reference follows the level by no more than a
64th of an octave a day, so that a slow ramp stands out against it for weeks.
"""

import struct
from typing import Final

from detectors.parts.quantised import OCTAVE, TOP, clip, dither, follow, nudge
from detectors.parts.season import Season
from detectors.parts.usage import MEASURES

SPREAD_STEPS: Final = 32
PEAKS: Final = 4
"""Recurring peaks that are remembered at most."""
STABLE_DAYS: Final = 14
"""Days that a new level must hold before it is accepted without anybody's word."""
WEEK: Final = 7
NOTHING: Final = -128
"""A day of the week's ring on which nothing was done."""

_LAYOUT: Final = struct.Struct(f"<{4 * MEASURES}H{3 * MEASURES}B4H4B{WEEK}bQ")
_HOURS_MEMORY: Final = 120
_DAYS_MEMORY: Final = 20
_WINSOR: Final = 3.0
_FIRST_SPREAD: Final = 1.0
FIRST_CREST: Final = 1.5
"""Octaves that the largest hour of a day is assumed to lie above its season, before it is known."""
FIRST_CREST_SPREAD: Final = 0.7
_REFERENCE_STEP: Final = OCTAVE // 64


class Baseline:
    """What was learned of one principal.

    Per measure: `typical` active hour, `daily` total, slow `reference` of the daily total, `top` five minutes, all as
    levels; in 1/32 octave how far a usual day's largest hour lies above its season (`crest`), how much that varies
    (`crest_spread`), and how much a day's total varies (`spread_daily`). `week` holds the last seven days' distance
    from the reference in 1/16 octave. `peaks` are recurring peaks: (slot, height in 1/16 octave, times seen).
    """

    __slots__ = (
        "crest",
        "crest_spread",
        "daily",
        "days",
        "first",
        "flagged_days",
        "group",
        "hours",
        "last",
        "learned",
        "peaks",
        "reference",
        "season",
        "shift",
        "shift_days",
        "spread_daily",
        "top",
        "typical",
        "unsized",
        "week",
    )

    def __init__(self) -> None:
        first = round(_FIRST_SPREAD * SPREAD_STEPS)
        self.typical = [0] * MEASURES
        self.daily = [0] * MEASURES
        self.reference = [0] * MEASURES
        self.top = [0] * MEASURES
        self.crest = [round(FIRST_CREST * SPREAD_STEPS)] * MEASURES
        self.crest_spread = [round(FIRST_CREST_SPREAD * SPREAD_STEPS)] * MEASURES
        self.spread_daily = [first] * MEASURES
        self.hours = 0
        self.days = 0
        self.first = 0
        self.last = 0
        self.learned = 0
        self.shift_days = 0
        self.shift = ZERO_SHIFT
        self.flagged_days = 0
        self.unsized = 0
        self.week = [NOTHING] * WEEK
        self.group = 0
        self.season = Season()
        self.peaks: list[list[int]] = []

    def learn_hours(self, day: int, samples: list[list[float]], crests: list[float | None]) -> None:
        """Learn the logarithms of a day's active hours per measure, and how far the largest lay above its season."""
        seen = min(self.days, _DAYS_MEMORY)
        for index in range(MEASURES):
            values = samples[index]
            if values:
                known = self.hours if self.typical[index] else 0
                mean = sum(values) / len(values)
                self.typical[index] = follow(
                    self.typical[index], mean, len(values), known, _HOURS_MEMORY, dither(day, index)
                )
            crest = crests[index]
            if crest is not None:
                spread = self.crest_spread[index] / SPREAD_STEPS
                deviation = clip(crest - self.crest[index] / SPREAD_STEPS, -_WINSOR * spread, _WINSOR * spread)
                moved = nudge(self.crest[index], deviation, 1 / (seen + 3), SPREAD_STEPS, dither(day, index + 4))
                self.crest[index] = int(clip(moved, 0, 255))
                self.crest_spread[index] = _widen(self.crest_spread[index], deviation, seen, dither(day, index + 16))

    def learn_total(self, day: int, index: int, value: float, residual: float) -> None:
        """Learn the logarithm of a day's total of one measure, and how far it lay from what was expected."""
        seen = self.days if self.daily[index] else 0
        self.daily[index] = follow(self.daily[index], value, 1, seen, _DAYS_MEMORY, dither(day, index + 8))
        self.spread_daily[index] = _widen(
            self.spread_daily[index], residual, min(self.days, _DAYS_MEMORY), dither(day, index + 12)
        )
        if self.days < STABLE_DAYS or not self.reference[index]:
            self.reference[index] = self.daily[index]
        else:
            step = self.daily[index] - self.reference[index]
            self.reference[index] += int(clip(step, -_REFERENCE_STEP, _REFERENCE_STEP))

    def learn_top(self, index: int, level: int) -> None:
        """Learn the largest five minutes of a day: at once upwards, an eighth of an octave a week downwards."""
        known = self.top[index]
        if level >= known:
            self.top[index] = level if not known else min(level, known + 2 * OCTAVE)
        else:
            self.top[index] = max(level, known - OCTAVE // 56)

    def accept(self, octaves: float) -> None:
        """Make a shifted level the normal one."""
        move = round(octaves * OCTAVE)
        for levels in (self.typical, self.daily):
            for index in range(MEASURES):
                if levels[index]:
                    levels[index] = int(clip(levels[index] + move, 0, TOP))
        self.reference = list(self.daily)
        self.week = [day if day == NOTHING else int(clip(day - move // 16, -120, 120)) for day in self.week]
        self.shift_days = 0
        self.flagged_days = 0
        self.shift = ZERO_SHIFT

    def pack(self) -> bytes:
        """All of it in a fixed layout, peaks last; nothing at all for one that never learned."""
        if not self.first:
            return b""
        fixed = _LAYOUT.pack(
            *self.typical,
            *self.daily,
            *self.reference,
            *self.top,
            *self.crest,
            *self.crest_spread,
            *self.spread_daily,
            self.hours,
            self.days,
            self.first,
            self.last,
            min(255, self.learned),
            self.shift_days | self.flagged_days << 4,
            self.shift,
            self.unsized,
            *self.week,
            self.group,
        )
        peaks = b"".join(struct.pack("<HBB", *peak) for peak in self.peaks)
        return fixed + self.season.pack() + peaks

    @classmethod
    def unpack(cls, value: bytes) -> "Baseline":
        """A baseline from its packed form; raises ValueError or struct.error where it does not fit."""
        baseline = cls()
        if not value:
            return baseline
        items = list(_LAYOUT.unpack_from(value))
        n = MEASURES
        baseline.typical, baseline.daily = items[:n], items[n : 2 * n]
        baseline.reference, baseline.top = items[2 * n : 3 * n], items[3 * n : 4 * n]
        baseline.crest, baseline.crest_spread = items[4 * n : 5 * n], items[5 * n : 6 * n]
        baseline.spread_daily = items[6 * n : 7 * n]
        rest = items[7 * n :]
        baseline.hours, baseline.days, baseline.first, baseline.last, baseline.learned = rest[:5]
        baseline.shift_days, baseline.flagged_days = rest[5] & 15, rest[5] >> 4
        baseline.shift, baseline.unsized = rest[6], rest[7]
        baseline.week = rest[8 : 8 + WEEK]
        baseline.group = rest[8 + WEEK]
        place = _LAYOUT.size
        baseline.season = Season.unpack(value[place : place + 38])
        baseline.peaks = [list(peak) for peak in struct.iter_unpack("<HBB", value[place + 38 :])]
        return baseline


ZERO_SHIFT: Final = 128
"""No shift: `shift` is in 1/16 octave above this."""


def _widen(spread: int, residual: float, seen: int, salt: float) -> int:
    """A root mean square that one more residual enters, winsorised at three times what it was."""
    known = spread / SPREAD_STEPS
    square = min(_WINSOR * known, abs(residual)) ** 2
    weight = seen + 4
    fresh = ((known * known * weight + square) / (weight + 1)) ** 0.5
    return int(clip(nudge(spread, fresh - known, 1.0, SPREAD_STEPS, salt), 4, 255))
