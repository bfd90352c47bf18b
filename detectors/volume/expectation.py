"""What is expected of a principal: its own normal as far as it is known, else its peers', else what ships.

Own and peers' levels are blended by how many active hours back them (empirical Bayes, Efron and Morris 1975), and the
spread widens with little data, as a prediction interval does.
"""

from collections.abc import Sequence
from math import log2, sqrt
from typing import Final

from detectors.parts.quantised import OCTAVE
from detectors.parts.season import HOUR_START, MATURE, even, weekday
from detectors.volume.baseline import HOUR_SIGNALS, QUARTER, SIGNALS, STEPS, Baseline
from detectors.volume.group import Norm
from detectors.volume.usage import MEASURES

SHIPPED_HOUR: Final = (log2(20), log2(64 << 10), log2(200), log2(8), log2(12))
"""A typical active hour of an AI system about which nothing is known: calls, bytes, rows, minutes, resources."""
SHIPPED_DAY: Final = (log2(80), log2(256 << 10), log2(800), log2(30), log2(30))
SHIPPED_SPREAD: Final = 2.0
"""How far, in octaves, one unknown system's normal lies from another's."""
OWN_HOURS: Final = 16
"""Active hours of its own that weigh as much as its peers."""
OWN_DAYS: Final = 2.5
UNLIKE: Final = 1.5
"""How far, in octaves, members of a tenant lie apart at least, who do different work."""
PEERS: Final = 5
"""Warm members that a group needs to stand for a newcomer."""
SEASON_DAYS: Final = 5
"""Active days after which its own season is believed where no group of its like has one."""
DAILY: Final = 168
"""Slots of recurring peaks: below this hours of the week, from here on hours of the day."""
LONG_START: Final = 0.1
"""What is added to eight or 24 hours' amount, as a share of a typical day."""
_WIDER: Final = 2.0
_EVEN: Final = even()


class Expectation:
    """Typical amounts and crests with their spread, in octaves, and the season; and where they come from."""

    __slots__ = ("_peaks", "basis", "crest", "daily", "days", "peers", "season", "spread", "typical")

    def __init__(self, own: Baseline, norm: Norm | None, alike: bool) -> None:
        self.typical: list[float] = []
        self.daily: list[float] = []
        weight_daily = own.days**2 / (own.days**2 + OWN_DAYS**2)
        weight = max(own.hours**2 / (own.hours**2 + OWN_HOURS**2), weight_daily)
        unlike = 0.0 if alike else UNLIKE
        doubt = self._blend(
            self.typical,
            own.typical,
            (norm.typical, norm.between) if norm is not None else None,
            SHIPPED_HOUR,
            weight,
            unlike,
        )
        doubt_daily = self._blend(
            self.daily,
            own.daily,
            (norm.daily, norm.between_daily) if norm is not None else None,
            SHIPPED_DAY,
            weight_daily,
            unlike,
        )
        widen = 1 + _WIDER / (own.days + 1)
        self.crest = [value / STEPS for value in own.crest]
        self.spread = [
            sqrt(
                (widen * own.spread[signal] / STEPS) ** 2 + (doubt_daily if HOUR_SIGNALS <= signal < QUARTER else doubt)
            )
            for signal in range(SIGNALS)
        ]
        mature = own.days >= MATURE
        if mature or (not (norm and alike) and own.days >= SEASON_DAYS):
            self.season = own.season
        else:
            self.season = norm.season if norm and alike else _EVEN
        self.peers = norm.members if norm is not None else 0
        self.days = own.days
        self.basis = "own" if mature else "peers" if norm is not None else "own" if own.days >= 3 else "shipped"
        self._peaks = own.peaks

    def hour(self, hour: int) -> float:
        """The started logarithm that is expected of an hour since the epoch; what recurs raises it."""
        value = self.season.hour(hour)
        for slot, height, seen in self._peaks:
            weekly = slot < DAILY and seen >= 2 and slot == weekday(hour // 24) * 24 + hour % 24
            if weekly or (slot >= DAILY and seen >= 4 and slot - DAILY == hour % 24):
                value = max(value, height / 16 - 1)
        return value

    def hour_amount(self, index: int, hour: int, above: float) -> float:
        """An hour's amount that lies this many octaves above what is expected."""
        return 2 ** self.typical[index] * max(0.0, 2 ** (self.hour(hour) + above) - HOUR_START)

    def shares(self, hour: int) -> tuple[float, float]:
        """What is expected of the eight and of the 24 hours that end with this one, as shares of a typical day."""
        return self.season.trailing(hour, 8), self.season.trailing(hour, 24)

    @staticmethod
    def _blend(
        levels: list[float],
        own: Sequence[int],
        norm: tuple[Sequence[int], Sequence[int]] | None,
        shipped: Sequence[float],
        weight: float,
        least: float,
    ) -> float:
        """Fill in a blended level per measure; the doubt about calls, as a variance in octaves squared."""
        doubt = 0.0
        for index in range(MEASURES):
            prior, between = shipped[index], SHIPPED_SPREAD
            if norm is not None:
                place = index if index < len(norm[0]) else 0
                if norm[0][place]:
                    prior, between = norm[0][place] / OCTAVE, max(0.5, least, norm[1][place] / OCTAVE)
            share = weight if own[index] else 0.0
            levels.append(share * own[index] / OCTAVE + (1 - share) * prior)
            if index == 0:
                doubt = (1 - share) ** 2 * between**2
        return doubt
