"""What is expected of a principal: its own normal as far as it is known, else its peers', else what ships.

Own and peers' levels are blended by how many active hours back them (empirical Bayes, Efron and Morris 1975), and the
spread widens with little data, as a prediction interval does.
"""

from collections.abc import Sequence
from math import log2, sqrt
from typing import Final

from detectors.parts.baseline import SPREAD_STEPS, Baseline
from detectors.parts.peer_movement import Norm
from detectors.parts.quantised import OCTAVE
from detectors.parts.season import DAY_START, HOUR_START, MATURE, STEPS, ZERO, Season, weekday
from detectors.parts.usage import MEASURES

SHIPPED_HOUR: Final = (log2(20), log2(64 << 10), log2(200), log2(12))
"""A typical active hour of an AI system about which nothing is known: calls, bytes, rows, distinct resources."""
SHIPPED_DAY: Final = (log2(80), log2(256 << 10), log2(800), log2(30))
SHIPPED_SPREAD: Final = 2.5
"""How far, in octaves, one unknown system's normal lies from another's."""
OWN_HOURS: Final = 16
"""Active hours of its own that weigh as much as its peers."""
OWN_DAYS: Final = 3
PEERS: Final = 4
"""Members that a group needs to stand for a newcomer."""
SEASON_DAYS: Final = 5
"""Active days after which its own season is believed where no group of its like has one."""
DAILY: Final = 168
"""Slots of recurring peaks: below this hours of the week, from here on hours of the day."""
RECURRING: Final = 0.5
"""Octaves by which a recurring peak may exceed what was remembered of it, at no cost."""


class Expectation:
    """Typical amounts, what usually lies above them, and the season, all in octaves; and where they come from."""

    __slots__ = (
        "_peaks",
        "basis",
        "crest",
        "crest_spread",
        "daily",
        "days",
        "peers",
        "season",
        "spread_daily",
        "typical",
    )

    def __init__(self, own: Baseline, norm: Norm | None, alike: bool) -> None:
        known = norm if norm is not None and norm.members >= PEERS else None
        weight = own.hours / (own.hours + OWN_HOURS)
        weight_daily = own.days / (own.days + OWN_DAYS)
        widen = 1 + 3 / (own.days + 2)
        self.typical: list[float] = []
        self.crest = [value / SPREAD_STEPS for value in own.crest]
        self.crest_spread: list[float] = []
        self.daily: list[float] = []
        self.spread_daily: list[float] = []
        for index in range(MEASURES):
            prior, between = _prior(index, known.typical, known.between) if known else (0.0, 0.0)
            if not prior:
                prior, between = SHIPPED_HOUR[index], SHIPPED_SPREAD
            level, spread = _blend(own.typical[index], own.crest_spread[index], prior, between, weight)
            self.typical.append(level)
            self.crest_spread.append(spread * widen)
            prior, between = _prior(index, known.daily, known.between_daily) if known else (0.0, 0.0)
            if not prior:
                prior, between = SHIPPED_DAY[index], SHIPPED_SPREAD
            level, spread = _blend(own.daily[index], own.spread_daily[index], prior, between, weight_daily)
            self.daily.append(level)
            self.spread_daily.append(spread * widen)
        mature = own.days >= MATURE
        if mature or (not (known and alike) and own.days >= SEASON_DAYS):
            self.season = own.season
        else:
            self.season = known.season if known and alike else _EVEN
        self.peers = known.members if known is not None else 0
        self.days = own.days
        self.basis = "own" if mature else "peers" if known is not None else "own" if own.hours else "shipped"
        self._peaks = own.peaks

    def reach(self, index: int, spreads: float) -> float:
        """Octaves above the season that an hour reaches when it lies this many spreads out."""
        return self.crest[index] + spreads * self.crest_spread[index]

    def hour(self, hour: int) -> float:
        """The started logarithm that is expected of an hour since the epoch; recurring peaks raise it."""
        value = self.season.hour(hour)
        for slot, height, seen in self._peaks:
            weekly = slot < DAILY and seen >= 2 and slot == weekday(hour // 24) * 24 + hour % 24
            if weekly or (slot >= DAILY and seen >= 4 and slot - DAILY == hour % 24):
                value = max(value, height / 16 + RECURRING - self.crest[0])
        return value

    def day(self, day: int) -> float:
        """The started logarithm that is expected of a day's total."""
        return self.season.day(day)

    def hour_amount(self, index: int, hour: int, above: float = 0.0) -> float:
        """An hour's amount that lies this many octaves above what is expected."""
        return 2 ** self.typical[index] * max(0.0, 2 ** (self.hour(hour) + above) - HOUR_START)

    def trailing_day(self, hour: int) -> float:
        """What is expected of the 24 hours that end with this one, as a share of a typical day's total."""
        total = 0.0
        for day in (hour // 24 - 1, hour // 24):
            weights = [max(0.0, 2 ** self.season.hour(at) - HOUR_START) + 0.02 for at in range(day * 24, day * 24 + 24)]
            part = sum(weights[at - day * 24] for at in range(max(day * 24, hour - 23), min(day * 24 + 24, hour + 1)))
            total += part / sum(weights) * max(0.1, 2 ** self.day(day) - DAY_START)
        return total


_EVEN: Final = Season(bytes([ZERO + STEPS // 2]) * 24 + bytes([ZERO]) * 14)
"""A season without hours: each is as busy as a typical active one."""


def _prior(index: int, levels: Sequence[int], spreads: Sequence[int]) -> tuple[float, float]:
    place = index if index < len(levels) else 0
    return levels[place] / OCTAVE, max(0.5, spreads[place] / OCTAVE)


def _blend(own: int, own_spread: int, prior: float, between: float, weight: float) -> tuple[float, float]:
    if not own:
        weight = 0.0
    level = weight * own / OCTAVE + (1 - weight) * prior
    return level, sqrt((own_spread / SPREAD_STEPS) ** 2 + (1 - weight) * between**2)
