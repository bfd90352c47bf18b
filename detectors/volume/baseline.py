"""A principal's own normal: typical hour and day, how far its crests reach, and a reference that moves slowly.

All of it changes only when a day closes, and only by what was not flagged. Levels are quantised octaves; what lies far
out is winsorised (Tukey), so that one odd day cannot move them far, and the reference follows the level by no more than
a 64th of an octave a day, so that a slow ramp stands out against it for weeks.
"""

import struct
from collections.abc import Sequence
from typing import Final

from detectors.parts.quantised import OCTAVE, TOP, clip, dither, follow, nudge
from detectors.parts.season import FACTORS, Season
from detectors.volume.usage import MEASURES

STEPS: Final = 32
"""Steps of a crest or a spread per octave."""
TOPS: Final = 3
REFERENCES: Final = 2
HOUR_SIGNALS: Final = 5
"""Of an hour: calls, bytes, rows, active minutes, and the mean of the first three."""
LONG_SIGNALS: Final = 3
"""Of eight hours and of a day: calls, active minutes, and the mean of calls, bytes and rows."""
QUARTER_SIGNALS: Final = 2
"""Of a quarter of an hour: calls and active minutes."""
HORIZONS: Final = (HOUR_SIGNALS, LONG_SIGNALS, LONG_SIGNALS, QUARTER_SIGNALS)
SIGNALS: Final = sum(HORIZONS)
QUARTER: Final = SIGNALS - QUARTER_SIGNALS
"""Where the signals of a quarter of an hour begin."""
DAILY_MEAN: Final = QUARTER - 1
"""The signal of a day's mean."""
PEAKS: Final = 4
"""Recurring peaks that are remembered at most."""
WEEK: Final = 7
NO_DAY: Final = -128
"""A day of the week's ring on which nothing was done."""
NO_SHIFT: Final = 128

_LAYOUT: Final = struct.Struct(f"<B{2 * MEASURES + TOPS + REFERENCES}H3H4B")
_REACH: Final = struct.Struct(f"<{2 * SIGNALS}B")
_WEEK: Final = struct.Struct(f"<{WEEK}b")
_PEAK: Final = struct.Struct("<BBB")
_HOURS_MEMORY: Final = 120
_DAYS_MEMORY: Final = 24
_CREST_MEMORY: Final = 14
_WINSOR: Final = 3.0
_REFERENCE_STEP: Final = OCTAVE // 64
_FIRST: Final = (1.5, 2.0, 2.3, 1.3, 1.7, 1.0, 0.9, 1.1, 0.4, 0.3, 0.5, 2.9, 2.0)
"""Octaves that a day's largest hour, eight hours, day and quarter are taken to lie above their season at first."""
_FIRST_SPREAD: Final = 0.4
_LEAST_SPREAD: Final = 5
_ABOVE: Final = 2.5
"""What makes the mean square of what lies above an expectile, zeros included, that of what lies above when it does."""


class Baseline:
    """What was learned of one principal.

    Per measure `typical` active hour and `daily` total, for calls and bytes a slow `reference` of the daily total, and
    the `top` five minutes of late, all as levels. Per signal of a horizon (`HORIZONS`) how far the largest of a day
    usually lies above its season (`crest`), and how much that varies (`spread`), in 1/32 octave. `week` holds the last
    seven days' distance from the reference in 1/16 octave, `shift` the level that flagged days agree on, likewise.
    `peaks` are recurring peaks: slot, height in 1/16 octave, times seen. `packed` is the packed form since it was last
    changed, None where there is none.
    """

    __slots__ = (
        "cached",
        "crest",
        "daily",
        "days",
        "flagged_days",
        "hours",
        "last",
        "learned",
        "packed",
        "peaks",
        "reference",
        "season",
        "shift",
        "shift_days",
        "spread",
        "top",
        "typical",
        "unsized",
        "week",
    )

    def __init__(self) -> None:
        self.typical = [0] * MEASURES
        self.daily = [0] * MEASURES
        self.top = [0] * TOPS
        self.reference = [0] * REFERENCES
        self.crest = [round(value * STEPS) for value in _FIRST]
        self.spread = [round(_FIRST_SPREAD * STEPS)] * SIGNALS
        self.hours = 0
        self.days = 0
        self.last = 0
        self.learned = 0
        self.shift_days = 0
        self.flagged_days = 0
        self.shift = NO_SHIFT
        self.unsized = 0
        self.week = [NO_DAY] * WEEK
        self.season = Season()
        self.peaks: list[list[int]] = []
        self.cached: object = None
        self.packed: bytes | None = None

    def learn_hours(self, day: int, samples: Sequence[Sequence[float]]) -> None:
        """Learn the logarithms of a day's active hours, per measure."""
        self.packed = None
        for index, values in enumerate(samples):
            if values:
                known = self.hours if self.typical[index] else 0
                self.typical[index] = follow(
                    self.typical[index],
                    sum(values) / len(values),
                    len(values),
                    known,
                    _HOURS_MEMORY,
                    dither(day, index),
                )

    def learn_total(self, day: int, index: int, value: float, mature: bool) -> None:
        """Learn the logarithm of a day's total of one measure, its season taken off."""
        self.packed = None
        known = self.days if self.daily[index] else 0
        self.daily[index] = follow(self.daily[index], value, 1, known, _DAYS_MEMORY, dither(day, index + 8))
        if index < REFERENCES:
            if not mature or not self.reference[index]:
                self.reference[index] = self.daily[index]
            else:
                step = self.daily[index] - self.reference[index]
                self.reference[index] += int(clip(step, -_REFERENCE_STEP, _REFERENCE_STEP))

    def learn_crest(self, day: int, signal: int, value: float) -> None:
        """Learn how far a signal's largest of a day lay above its season, in octaves.

        The crest is an upper expectile (Newey and Powell 1987): days below it weigh half, since idle days say
        little of how far busy ones reach; the spread is the root mean square of what lay above it.
        """
        self.packed = None
        seen = min(self.days - 3, _CREST_MEMORY)
        spread = self.spread[signal] / STEPS
        deviation = clip(value - self.crest[signal] / STEPS, -_WINSOR, 4 * spread)
        salt = dither(day, signal + 16)
        gain = 2 / (seen + 3) if deviation > 0 else 1 / (seen + 3)
        self.crest[signal] = _byte(nudge(self.crest[signal], deviation, gain, STEPS, salt))
        weight = seen + 3
        square = _ABOVE * max(0.0, deviation) ** 2
        fresh = ((spread * spread * weight + square) / (weight + 1)) ** 0.5
        self.spread[signal] = max(_LEAST_SPREAD, _byte(nudge(self.spread[signal], fresh - spread, 1.0, STEPS, -salt)))

    def learn_top(self, index: int, level: int) -> None:
        """Learn the largest five minutes of a day: at once upwards, an eighth of an octave a week downwards."""
        self.packed = None
        known = self.top[index]
        if level >= known:
            self.top[index] = level if not known else min(level, known + 2 * OCTAVE)
        else:
            self.top[index] = max(level, known - OCTAVE // 56)

    def accept(self, octaves: float) -> None:
        """Make a shifted level the normal one."""
        self.packed = None
        move = round(octaves * OCTAVE)
        for levels in (self.typical, self.daily, self.reference, self.top):
            for index, level in enumerate(levels):
                if level:
                    levels[index] = int(clip(level + move, 1, TOP))
        self.week = [day if day == NO_DAY else int(clip(day - move // 16, -120, 120)) for day in self.week]
        self.shift_days = 0
        self.flagged_days = 0
        self.shift = NO_SHIFT

    def pack(self) -> bytes:
        """All of it, without crests and week where nothing is known of them, and peaks last; nothing before a day."""
        if not self.days:
            return b""
        if self.packed is None:
            self.packed = self._pack()
        return self.packed

    def _pack(self) -> bytes:
        reach = _REACH.pack(*self.crest, *self.spread)
        week = _WEEK.pack(*self.week)
        if reach == _NO_REACH:
            reach = b""
        if week == _NO_WEEK:
            week = b""
        fixed = _LAYOUT.pack(
            bool(reach) | bool(week) << 1,
            *self.typical,
            *self.daily,
            *self.top,
            *self.reference,
            self.hours,
            self.days,
            self.last,
            self.learned,
            self.shift_days | self.flagged_days << 4,
            self.shift,
            self.unsized,
        )
        return b"".join((fixed, self.season.pack(), reach, week, *(_PEAK.pack(*peak) for peak in self.peaks)))

    @classmethod
    def unpack(cls, value: bytes) -> "Baseline":
        """A baseline from its packed form; raises ValueError where it does not fit."""
        baseline = cls()
        if not value:
            return baseline
        baseline.packed = bytes(value)
        if len(value) < _LAYOUT.size + FACTORS:
            raise ValueError(f"a baseline has at least {_LAYOUT.size + FACTORS} bytes, not {len(value)}")
        items = iter(_LAYOUT.unpack_from(value))
        known = next(items)
        for name, count in _LEVELS:
            setattr(baseline, name, [next(items) for _ in range(count)])
        baseline.hours, baseline.days, baseline.last, baseline.learned = (next(items) for _ in range(4))
        runs = next(items)
        baseline.shift_days, baseline.flagged_days = runs & 15, runs >> 4
        baseline.shift, baseline.unsized = items
        at = _LAYOUT.size + FACTORS
        baseline.season = Season.unpack(value[_LAYOUT.size : at])
        try:
            if known & 1:
                reach = _REACH.unpack_from(value, at)
                baseline.crest, baseline.spread = list(reach[:SIGNALS]), list(reach[SIGNALS:])
                at += _REACH.size
            if known & 2:
                baseline.week = list(_WEEK.unpack_from(value, at))
                at += _WEEK.size
            baseline.peaks = [list(peak) for peak in _PEAK.iter_unpack(value[at:])]
        except struct.error as error:
            raise ValueError(f"a baseline of {len(value)} bytes lacks some ({error})") from error
        return baseline


_NO_REACH: Final = _REACH.pack(*Baseline().crest, *Baseline().spread)
_NO_WEEK: Final = _WEEK.pack(*Baseline().week)
_LEVELS: Final = (
    ("typical", MEASURES),
    ("daily", MEASURES),
    ("top", TOPS),
    ("reference", REFERENCES),
)


def _byte(value: int) -> int:
    return 0 if value < 0 else 255 if value > 255 else value
