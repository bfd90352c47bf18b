"""What a group of principals does together: how far its members moved from their own usual, and what is usual for them.

A group of any size is watched through a sample: the members with the smallest digests, which every order of arrival
and every split of the events gives alike (bottom-k sampling, Cohen and Kaplan 2007). Medians over members make the
movement that of the many: one member's burst does not move it.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log2, sqrt
from typing import Final, NamedTuple

from detectors.parts.quantised import OCTAVE, TOP, clip, dither, follow, nudge
from detectors.parts.season import DAY_START, FACTORS, HOUR_START, Season, started, weekday

SAMPLE: Final = 48
"""Members that are watched at most."""
MEASURES: Final = 3
"""Calls, bytes and rows."""
EVERYBODY: Final = 1 << 32
FORGET_DAYS: Final = 30
WARM_HOURS: Final = 24
WARM_DAYS: Final = 3
LONG_START: Final = 0.1
"""What is added to eight or 24 hours' amount, as a share of a typical day."""
FEWEST: Final = 3
"""Active members of which a movement can be told."""
_SETTLED: Final = 8
"""Active hours after which a member's own usual is good enough to say how far it moved."""
_MOST: Final = 8.0
_ERROR: Final = 1.4826 * 1.2533
"""The standard error of a median of n values is this, times their median deviation, over the root of n."""
_DOUBT: Final = 0.5
"""Standard errors by which a movement is taken for less than it looks, since it excuses."""
_CHANCE: Final = 0.6
_LONGS: Final = (8, 24)

Counts = dict[int, list[int]]


class Member:
    """A sampled member's usual: typical active hour and day per measure as levels, and their inverses as amounts.

    `inverse` holds those of an hour's calls and bytes and of a day's; 0 where nothing is known.
    """

    hours: int
    days: int
    last: int
    typical: list[int]
    daily: list[int]
    inverse: list[float]

    def __init__(self) -> None:
        self.hours = 0
        self.days = 0
        self.last = 0
        self.typical = [0] * MEASURES
        self.daily = [0] * MEASURES
        self.inverse = [0.0] * 4

    def learn(self, day: int, hours: Sequence[Sequence[int]]) -> None:
        """Learn one day's active hours: calls, bytes and rows of each."""
        for index in range(MEASURES):
            active = [log2(hour[index]) for hour in hours if hour[index] > 0]
            if active:
                mean, salt = sum(active) / len(active), dither(day, index)
                self.typical[index] = follow(self.typical[index], mean, len(active), self.hours, 120, salt)
                total = log2(sum(hour[index] for hour in hours))
                self.daily[index] = follow(self.daily[index], total, 1, self.days, 24, -salt)
        self.hours = min(TOP, self.hours + len(hours))
        self.days = min(TOP, self.days + 1)
        self.last = day
        levels = (*self.typical[:2], *self.daily[:2])
        known = self.hours >= _SETTLED
        self.inverse = [2 ** (-level / OCTAVE) if level and known else 0.0 for level in levels]


class Told(NamedTuple):
    """What a member did in five minutes: their number since the epoch, the member's digest, calls, bytes and rows."""

    five: int
    member: int
    calls: int
    size: int
    rows: int


class Group:
    """A population's or a tenant's state: open cells of the sample, its members' usual, and their season.

    `hour_sums` and `long_sums` are what members did in the last hour, and in the last eight and 24 hours; `since` says
    from which hour these sum. `usual` and `usual_day` are what the movement of active members usually is, by hour of
    the day and by weekday: those who are active at night lie above what is expected of all. `told` is the summary.
    """

    fives: dict[int, dict[int, list[int]]]
    hours: dict[int, dict[int, list[int]]]
    hour_sums: dict[int, list[int]]
    long_sums: list[dict[int, list[int]]]
    since: list[int]
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
        self.hour_sums = {}
        self.long_sums = []
        self.since = []
        self.members = {}
        self.ceiling = EVERYBODY
        self.season = Season()
        self.usual = []
        self.usual_day = []
        self.days = 0
        self.told = []

    def add(self, told: Told) -> None:
        """Count what a member told of its closed five minutes."""
        if told.member <= self.ceiling:
            _count(self.fives.setdefault(told.five, {}), told.member, (told.calls, told.size, told.rows))

    def settle_five(self, five: int) -> None:
        """Five minutes have closed: work out how the last hour went for the members."""
        cell = self.fives.get(five, {})
        hour = self.hours.setdefault(five // 12, {})
        for member, counts in cell.items():
            _count(hour, member, counts)
            _count(self.hour_sums, member, counts)
        for old in [old for old in self.fives if old <= five - 12]:
            _uncount(self.hour_sums, self.fives.pop(old))
        share = (five % 12 + 1) / 12
        at = five // 12
        expected = share * self.season.hour(at) + (1 - share) * self.season.hour(at - 1)
        self.told = []
        for measure, ratio in enumerate(self._ratios(self.hour_sums, 0)):
            self.told += self._movement(ratio, HOUR_START, expected, self.usual, 2 * (at % 24) + measure)

    def settle_hour(self, hour: int) -> None:
        """An hour has closed: learn what its movement usually is, and work out how the last eight and 24 went."""
        cell = self.hours.get(hour, {})
        self._learn_usual(hour, self._ratios(cell, 0))
        if not self.long_sums:
            self.long_sums = [{} for _ in _LONGS]
            self.since = [hour] * len(_LONGS)
        self.told = []
        for index, hours in enumerate(_LONGS):
            sums = self.long_sums[index]
            for member, counts in cell.items():
                _count(sums, member, counts)
            for old in range(max(self.since[index], hour - 48), hour - hours + 1):
                _uncount(sums, self.hours.get(old, {}))
            self.since[index] = max(self.since[index], hour - hours + 1)
            expected = log2(self.season.trailing(hour, hours) + LONG_START)
            for measure, ratio in enumerate(self._ratios(sums, 2)):
                place = 2 * weekday(hour // 24) + measure
                self.told += self._movement(ratio, LONG_START, expected, self.usual_day, place)

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
                known = self.members[member] = Member()
            known.learn(day, list(active[member].values()))
        watched = sorted(member for member, known in self.members.items() if known.last >= day - FORGET_DAYS)[:SAMPLE]
        self.members = {member: self.members[member] for member in watched}
        self.ceiling = watched[-1] if len(watched) == SAMPLE else EVERYBODY
        self.days += 1
        for old in [old for old in self.hours if old < day * 24]:
            del self.hours[old]
        self.told = self._norm()

    def _ratios(self, sums: Mapping[int, Sequence[int]], place: int) -> tuple[list[float], list[float]]:
        """Members' calls and bytes against their usual of an hour (place 0) or a day (place 2)."""
        members = self.members
        calls: list[float] = []
        sizes: list[float] = []
        for member, counts in sums.items():
            known = members.get(member)
            if known is not None:
                inverse = known.inverse
                if inverse[place]:
                    calls.append(counts[0] * inverse[place])
                    sizes.append(counts[1] * inverse[place + 1])
        return calls, sizes

    def _movement(
        self, ratios: list[float], start: float, expected: float, usual: Sequence[int], place: int
    ) -> tuple[int, int]:
        if len(ratios) < FEWEST or not usual:
            return 0, 0
        levels = [log2(ratio + start) for ratio in ratios]
        middle = low_median(levels)
        error = _ERROR * low_median([abs(level - middle) for level in levels]) / sqrt(len(levels))
        moved = middle - expected - usual[place] / OCTAVE - _DOUBT * error
        return len(ratios), round(clip(moved, 0.0, _MOST) * OCTAVE)

    def _learn_usual(self, hour: int, ratios: Iterable[list[float]]) -> None:
        if not self.usual:
            self.usual = [0] * 48
        gain = max(1 / (self.days + 1), 1 / 12)
        expected = self.season.hour(hour)
        for measure, values in enumerate(ratios):
            if len(values) >= FEWEST:
                place = 2 * (hour % 24) + measure
                moved = log2(low_median(values) + HOUR_START) - expected
                deviation = clip(moved - self.usual[place] / OCTAVE, -1.5, 1.5)
                self.usual[place] = nudge(self.usual[place], deviation, gain, OCTAVE, dither(hour, measure))

    def _learn_season(self, day: int, active: Mapping[int, Mapping[int, Sequence[int]]]) -> None:
        sums = [0.0] * 24
        totals: dict[int, list[int]] = {}
        for member, hours in active.items():
            known = self.members.get(member)
            if known is None or not known.inverse[0]:
                continue
            typical = 1 / known.inverse[0]
            for hour in range(24):
                counts = hours.get(day * 24 + hour)
                sums[hour] += started(counts[0] if counts is not None else 0, typical, HOUR_START)
            totals[member] = [sum(counts[index] for counts in hours.values()) for index in range(MEASURES)]
        if not totals:
            return
        ratios = self._ratios(totals, 2)
        total = log2(low_median(ratios[0]) + DAY_START)
        if not self.usual_day:
            self.usual_day = [0] * 14
        expected = log2(self.season.trailing(day * 24 + 23, 24) + LONG_START)
        gain = max(1 / (self.days // 7 + 1), 1 / 5)
        for measure, values in enumerate(ratios):
            if len(values) >= FEWEST:
                place = 2 * weekday(day) + measure
                moved = log2(low_median(values) + LONG_START) - expected
                deviation = clip(moved - self.usual_day[place] / OCTAVE, -1.5, 1.5)
                self.usual_day[place] = nudge(self.usual_day[place], deviation, gain, OCTAVE, dither(day, measure))
        self.season.learn(day, [value / len(totals) for value in sums], total, self.days)

    def _norm(self) -> list[int]:
        members = list(self.members.values())
        told = [sum(1 for known in members if known.hours >= WARM_HOURS and known.days >= WARM_DAYS)]
        for usual in ("typical", "daily"):
            for index in range(MEASURES):
                levels = [value for known in members if (value := getattr(known, usual)[index])]
                middle = low_median(levels) if levels else 0.0
                spread = 1.4826 * low_median([abs(level - middle) for level in levels]) if levels else 0.0
                told += (round(middle), round(spread))
        return told + list(self.season.factors)


class Norm:
    """What is usual in a group, read from its summary of a day: levels and how far members lie apart."""

    __slots__ = ("between", "between_daily", "daily", "members", "season", "typical")

    def __init__(self, values: Sequence[int]) -> None:
        self.members = values[0]
        self.typical, self.between = values[1:7:2], values[2:7:2]
        self.daily, self.between_daily = values[7:13:2], values[8:13:2]
        self.season = Season(bytes(values[13 : 13 + FACTORS]))


class Moved:
    """How a group moved in one window: how many members tell, and by how many octaves a measure went up.

    It is shrunk towards none by what chance alone makes of the median of so few members (James and Stein 1961).
    """

    __slots__ = ("_octaves", "members")

    def __init__(self, values: Sequence[int]) -> None:
        self.members = values[0]
        calls = _certain(values[1] / OCTAVE, values[0], _CHANCE)
        sizes = _certain(values[3] / OCTAVE, values[2], 1.5 * _CHANCE)
        self._octaves = (calls, sizes, max(calls, sizes), calls, calls)

    def octaves(self, measure: int) -> float:
        """The movement of one measure."""
        return self._octaves[measure]


def _certain(moved: float, members: int, chance: float) -> float:
    square = moved * moved
    return moved * square / (square + chance * chance / members) if members and moved > 0 else 0.0


UNMOVED: Final = Moved((0, 0, 0, 0))


def low_median(values: Iterable[float]) -> float:
    """The middle value; of an even number the lower middle one, so that half of a group does not make a movement."""
    ordered = sorted(values)
    return ordered[(len(ordered) - 1) // 2]


def _admit(cell: Counts, member: int) -> list[int] | None:
    if len(cell) >= SAMPLE:
        last = max(cell)
        if member > last:
            return None
        del cell[last]
    counts = cell[member] = [0] * MEASURES
    return counts


def _count(cell: Counts, member: int, counts: Sequence[int]) -> None:
    sums = cell.get(member)
    if sums is None:
        sums = _admit(cell, member)
        if sums is None:
            return
    for index in range(MEASURES):
        sums[index] += counts[index]


def _uncount(sums: Counts, cell: Mapping[int, Sequence[int]]) -> None:
    for member, counts in cell.items():
        known = sums.get(member)
        if known is not None:
            for index in range(MEASURES):
                known[index] -= counts[index]
            if known[0] <= 0:
                del sums[member]
