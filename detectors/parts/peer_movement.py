"""What a group of principals does together: how far its members moved from their own usual, and what is usual for them.

A group of any size is watched through a sample: the members with the smallest digests, which every order of arrival
and every split of the events gives alike (bottom-k sampling, Cohen and Kaplan 2007). Medians over members make the
movement that of the many: one member's burst does not move it.
"""

from collections.abc import Iterable, Sequence
from math import log2
from typing import Final

from detectors.parts.quantised import OCTAVE, TOP, clip, dither, follow, nudge
from detectors.parts.season import DAY_START, FACTORS, HOUR_START, Season, started, weekday

SAMPLE: Final = 48
"""Members that are watched at most."""
MEASURES: Final = 3
"""Calls, bytes and rows."""
EVERYBODY: Final = (1 << 63) - 1
FORGET_DAYS: Final = 30
WARM_HOURS: Final = 24
WARM_DAYS: Final = 3
_SETTLED: Final = 8
"""Active hours after which a member's own usual is good enough to say how far it moved."""

Counts = list[int]


class Member:
    """A sampled member's usual: typical active hour and day per measure in quantised octaves."""

    hours: int
    days: int
    last: int
    typical: list[int]
    daily: list[int]

    def __init__(self, day: int) -> None:
        self.hours = 0
        self.days = 0
        self.last = day
        self.typical = [0] * MEASURES
        self.daily = [0] * MEASURES

    def learn(self, day: int, hours: Sequence[Counts]) -> None:
        """Learn one day's active hours: calls, bytes and rows of each."""
        for index in range(MEASURES):
            active = [log2(hour[index]) for hour in hours if hour[index] > 0]
            total = sum(hour[index] for hour in hours)
            if not active:
                continue
            self.typical[index] = follow(
                self.typical[index], sum(active) / len(active), len(active), self.hours, 120, dither(day, index)
            )
            self.daily[index] = follow(self.daily[index], log2(total), 1, self.days, 20, dither(day, index + 8))
        self.hours = min(TOP, self.hours + len(hours))
        self.days = min(TOP, self.days + 1)
        self.last = day


class Group:
    """A population's or a tenant's state: open cells of the sample, its members' usual, and their season."""

    fives: dict[int, dict[int, list[int]]]
    hours: dict[int, dict[int, list[int]]]
    members: dict[int, Member]
    ceiling: int
    season: Season
    usual: list[int]
    usual_day: list[int]
    days: int
    told: list[int]

    def __init__(self) -> None:
        self.fives = {}
        self.hours = {}
        self.members = {}
        self.ceiling = EVERYBODY
        self.season = Season()
        self.usual = []
        self.usual_day = []
        self.days = 0
        self.told = []

    def add(self, five: int, member: int, size: int, rows: int) -> None:
        """Count one call of a member, in the cell of five minutes with this number since the epoch."""
        if member > self.ceiling:
            return
        cell = self.fives.get(five)
        if cell is None:
            cell = self.fives[five] = {}
        counts = cell.get(member)
        if counts is None:
            counts = self._admit(cell, member)
            if counts is None:
                return
        counts[0] += 1
        counts[1] += size
        counts[2] += rows

    def merge(self, partial: "Group") -> None:
        """Count what another fold of the same group's events counted."""
        for five, cell in partial.fives.items():
            own = self.fives.setdefault(five, {})
            for member, counts in cell.items():
                if member > self.ceiling:
                    continue
                target = own.get(member)
                if target is None:
                    target = self._admit(own, member)
                if target is not None:
                    for index in range(MEASURES):
                        target[index] += counts[index]

    def settle_five(self, five: int) -> None:
        """Five minutes have closed: roll them into their hour and work out how the last hour went for the members."""
        hour = self.hours.setdefault(five // 12, {})
        for member, counts in self.fives.get(five, {}).items():
            sums = hour.get(member)
            if sums is None:
                sums = self._admit(hour, member)
                if sums is None:
                    continue
            for index in range(MEASURES):
                sums[index] += counts[index]
        for old in [old for old in self.fives if old <= five - 12]:
            del self.fives[old]
        trailing: dict[int, list[int]] = {}
        for at in range(five - 11, five + 1):
            for member, counts in self.fives.get(at, {}).items():
                sums = trailing.setdefault(member, [0] * MEASURES)
                for index in range(MEASURES):
                    sums[index] += counts[index]
        share = (five % 12 + 1) / 12
        expected = share * self.season.hour(five // 12) + (1 - share) * self.season.hour(five // 12 - 1)
        residuals = self._residuals(trailing, "typical", HOUR_START, expected)
        self.told = self._movement(residuals, self.usual, five // 12 % 24)

    def settle_hour(self, hour: int) -> None:
        """An hour has closed: learn what its movement usually is, and work out how the last 24 went."""
        expected = self.season.hour(hour)
        self._learn_usual(self._residuals(self.hours.get(hour, {}), "typical", HOUR_START, expected), hour)
        trailing: dict[int, list[int]] = {}
        for at in range(hour - 23, hour + 1):
            for member, counts in self.hours.get(at, {}).items():
                sums = trailing.setdefault(member, [0] * MEASURES)
                for index in range(MEASURES):
                    sums[index] += counts[index]
        share = (hour % 24 + 1) / 24
        expected = share * self.season.day(hour // 24) + (1 - share) * self.season.day(hour // 24 - 1)
        residuals = self._residuals(trailing, "daily", DAY_START, expected)
        self.told = self._movement(residuals, self.usual_day, weekday(hour // 24))
        for old in [old for old in self.hours if old <= hour - 48]:
            del self.hours[old]

    def settle_day(self, day: int) -> None:
        """A day has closed: learn every sampled member's usual, the season they share, and whom to watch."""
        active: dict[int, dict[int, list[int]]] = {}
        for hour in range(day * 24, day * 24 + 24):
            for member, counts in self.hours.get(hour, {}).items():
                active.setdefault(member, {})[hour] = counts
        self._learn_season(day, active)
        for member in sorted(active):
            known = self.members.get(member)
            if known is None:
                known = self.members[member] = Member(day)
            known.learn(day, list(active[member].values()))
        for member in [member for member, known in self.members.items() if known.last < day - FORGET_DAYS]:
            del self.members[member]
        watched = sorted(self.members)[:SAMPLE]
        self.members = {member: self.members[member] for member in watched}
        self.ceiling = watched[-1] if len(watched) == SAMPLE else EVERYBODY
        self.days += 1
        self.told = self._norm()

    def _admit(self, cell: dict[int, list[int]], member: int) -> list[int] | None:
        if len(cell) >= SAMPLE:
            last = max(cell)
            if member > last:
                return None
            del cell[last]
        counts = cell[member] = [0] * MEASURES
        return counts

    def _residuals(
        self, amounts: dict[int, list[int]], usual: str, start: float, expected: float
    ) -> tuple[list[float], list[float]]:
        calls: list[float] = []
        sizes: list[float] = []
        for member, counts in amounts.items():
            known = self.members.get(member)
            if known is None or known.hours < _SETTLED:
                continue
            levels: list[int] = getattr(known, usual)
            calls.append(started(counts[0], 2 ** (levels[0] / OCTAVE), start) - expected)
            if counts[1] and levels[1]:
                sizes.append(started(counts[1], 2 ** (levels[1] / OCTAVE), start) - expected)
        return calls, sizes

    def _movement(self, residuals: Iterable[list[float]], usual: list[int], slot: int) -> list[int]:
        told: list[int] = []
        for index, values in enumerate(residuals):
            told.append(len(values))
            if values and usual:
                moved = low_median(values) - usual[2 * slot + index] / OCTAVE
                told.append(round(clip(moved, 0.0, 8.0) * OCTAVE))
            else:
                told.append(0)
        return told

    def _learn_usual(self, residuals: Iterable[list[float]], hour: int) -> None:
        if not self.usual:
            self.usual = [0] * 48
        slot = hour % 24
        gain = max(1 / (self.days + 1), 1 / 12)
        for index, values in enumerate(residuals):
            if values:
                place = 2 * slot + index
                deviation = clip(low_median(values) - self.usual[place] / OCTAVE, -1.5, 1.5)
                self.usual[place] = nudge(self.usual[place], deviation, gain, OCTAVE, dither(hour, index))

    def _learn_season(self, day: int, active: dict[int, dict[int, list[int]]]) -> None:
        sums = [0.0] * 24
        totals: list[float] = []
        amounts: dict[int, list[int]] = {}
        known_members = 0
        for member, hours in active.items():
            known = self.members.get(member)
            if known is None or known.hours < _SETTLED:
                continue
            known_members += 1
            level = 2 ** (known.typical[0] / OCTAVE)
            for hour in range(24):
                counts = hours.get(day * 24 + hour)
                sums[hour] += started(counts[0] if counts is not None else 0, level, HOUR_START)
            total = [sum(counts[index] for counts in hours.values()) for index in range(MEASURES)]
            amounts[member] = total
            totals.append(started(total[0], 2 ** (known.daily[0] / OCTAVE), DAY_START))
        if not known_members:
            return
        if not self.usual_day:
            self.usual_day = [0] * 14
        slot = weekday(day)
        gain = max(1 / (self.days // 7 + 1), 1 / 5)
        for index, values in enumerate(self._residuals(amounts, "daily", DAY_START, self.season.day(day))):
            if values:
                place = 2 * slot + index
                deviation = clip(low_median(values) - self.usual_day[place] / OCTAVE, -1.5, 1.5)
                self.usual_day[place] = nudge(self.usual_day[place], deviation, gain, OCTAVE, dither(day, index))
        self.season.learn(day, [value / known_members for value in sums], low_median(totals), self.days)

    def _norm(self) -> list[int]:
        members = list(self.members.values())
        told = [sum(1 for known in members if known.hours >= WARM_HOURS and known.days >= WARM_DAYS), len(members)]
        for usual in ("typical", "daily"):
            for index in range(MEASURES):
                levels = [value for known in members if (value := getattr(known, usual)[index])]
                middle = low_median(levels) if levels else 0
                spread = low_median([abs(level - middle) for level in levels]) * 1.4826 if levels else 0.0
                told += (round(middle), round(spread))
        return told + list(self.season.factors)


class Norm:
    """What is usual in a group, read from its summary of a day."""

    __slots__ = ("between", "between_daily", "daily", "members", "season", "typical", "warm")

    def __init__(self, values: Sequence[int]) -> None:
        self.warm, self.members = values[0], values[1]
        self.typical = values[2:8:2]
        self.between = values[3:8:2]
        self.daily = values[8:14:2]
        self.between_daily = values[9:14:2]
        self.season = Season(bytes(values[14 : 14 + FACTORS]))


def low_median(values: Iterable[float]) -> float:
    """The middle value; of an even number the lower middle one, so that half of a group does not make a movement."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]
