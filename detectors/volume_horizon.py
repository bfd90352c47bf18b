"""Whether closed windows lie out of the ordinary: an hour, eight hours and a day against season, crest and peers.

A window's residual is its started logarithm minus the season's and minus the peers' movement. How far residuals reach
on a usual day (the crest and its spread) is learned per signal, so that a threshold means the same for a steady service
and for a person who works in fits: about so many reports a year.
"""

from collections.abc import Sequence
from math import log2
from typing import Final, NamedTuple

from detectors.parts.season import HOUR_START
from detectors.volume_baseline import HORIZONS
from detectors.volume_expectation import LONG_START, Expectation
from detectors.volume_group import Moved
from detectors.volume_parameters import Limits
from detectors.volume_usage import BYTES, CALLS, MEASURES, MINUTES, RESOURCES, ROWS

WHOLE: Final = 3
"""Calls, bytes and rows: of what the mean is taken."""


_WEIGHTS: Final = (1.6, 2.8, 2.8, 1.0, 1.7)
"""How many times as far out as active minutes a signal of an hour must lie: their tails are that much heavier."""
_LONG_WEIGHTS: Final = (1.2, 1.0, 1.6)


class Verdict(NamedTuple):
    """The measure that tells most, how far out it lies, the bound that it passed, and whether that is for a page."""

    measure: int
    octaves: float
    bound: float
    page: bool


def hour_residuals(
    amounts: Sequence[int], expected: Expectation, season: float, moved: Moved, sized: bool
) -> list[float | None]:
    """Residuals of an hour's calls, bytes, rows and distinct resources, in octaves; None where there is nothing."""
    found: list[float | None] = []
    for measure in range(MEASURES):
        amount = amounts[measure]
        if amount <= 0 or (measure == BYTES and not sized):
            found.append(None)
        else:
            typical = 2 ** expected.typical[measure]
            found.append(log2(amount / typical + HOUR_START) - season - moved.octaves(measure))
    return found


def long_residuals(
    amounts: Sequence[int], expected: Expectation, share: float, moved: Moved, sized: bool
) -> list[float | None]:
    """Residuals of several hours, against what is expected of them as a share of a typical day."""
    base = log2(share + LONG_START)
    found: list[float | None] = []
    for measure in range(MEASURES):
        amount = amounts[measure]
        if amount <= 0 or (measure == BYTES and not sized):
            found.append(None)
        else:
            found.append(log2(amount / 2 ** expected.daily[measure] + LONG_START) - base - moved.octaves(measure))
    return found


def overall(residuals: Sequence[float | None]) -> float | None:
    """The mean of what is known of calls, bytes and rows."""
    known = [value for value in residuals[:WHOLE] if value is not None]
    return sum(known) / len(known) if known else None


def hour_signals(residuals: Sequence[float | None]) -> tuple[float | None, ...]:
    """The signals of an hour, in the order of a baseline's."""
    return (*residuals[:RESOURCES], overall(residuals))


def long_signals(residuals: Sequence[float | None]) -> tuple[float | None, ...]:
    """The signals of eight hours or a day, in the order of a baseline's."""
    return residuals[CALLS], residuals[MINUTES], overall(residuals)


def judge_hour(
    amounts: Sequence[int], residuals: Sequence[float | None], expected: Expectation, season: float, limits: Limits
) -> Verdict | None:
    """Whether an hour is out of the ordinary."""
    found = page = False
    signals = hour_signals(residuals)
    beyond = [
        -9.0 if value is None else (value - expected.crest[signal]) / expected.spread[signal]
        for signal, value in enumerate(signals)
    ]
    for signal, value in enumerate(signals):
        if value is None or value < limits.hour_octaves:
            continue
        measure = signal if signal <= ROWS else CALLS
        if amounts[measure] < limits.hour_floors[measure]:
            continue
        found = found or beyond[signal] >= limits.hour_spread * _WEIGHTS[signal]
        if value >= limits.page_octaves and signal not in (BYTES, ROWS):
            more = max(beyond[CALLS], beyond[MINUTES]) >= limits.far_spread_calls
            found = found or (beyond[signal] >= limits.far_spread and more)
        if signal <= ROWS and amounts[signal] >= limits.page_floors[signal] and beyond[signal] >= limits.page_spread:
            page = page or value >= (limits.page_octaves if signal == CALLS else limits.bulk_octaves)
    if not found:
        return None
    measure = _telling(residuals)
    need = max(limits.hour_octaves, expected.crest[measure] + limits.hour_spread * expected.spread[measure])
    bound = 2 ** expected.typical[measure] * max(0.5, 2 ** (season + need) - HOUR_START)
    return Verdict(measure, residuals[measure] or 0.0, min(bound, amounts[measure]), page)


def judge_long(
    horizon: int,
    amounts: Sequence[int],
    residuals: Sequence[float | None],
    expected: Expectation,
    share: float,
    limits: Limits,
) -> Verdict | None:
    """Whether eight hours (horizon 1) or a day (horizon 2) are out of the ordinary."""
    first = sum(HORIZONS[:horizon])
    for place, value in enumerate(long_signals(residuals)):
        if value is None or value < limits.day_octaves:
            continue
        beyond = (value - expected.crest[first + place]) / expected.spread[first + place]
        if beyond >= limits.long_spread[horizon - 1] * _LONG_WEIGHTS[place]:
            measure = _telling(residuals)
            need = max(limits.day_octaves, value - beyond * expected.spread[first + place] / 2)
            bound = 2 ** expected.daily[measure] * max(0.01, 2**need * (share + LONG_START) - LONG_START)
            return Verdict(measure, residuals[measure] or 0.0, min(bound, amounts[measure]), False)
    return None


def _telling(residuals: Sequence[float | None]) -> int:
    return max(range(MINUTES + 1), key=lambda measure: residuals[measure] or -9.0)
