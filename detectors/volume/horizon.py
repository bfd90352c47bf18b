"""Whether closed windows lie out of the ordinary: an hour, eight hours and a day against season, crest and peers.

A window's residual is its started logarithm minus the season's and minus the peers' movement. How far residuals reach
on a usual day (the crest and its spread) is learned per signal, so that a threshold means the same for a steady service
and for a person who works in fits: about so many reports a year.
"""

from collections.abc import Sequence
from math import hypot, log2
from operator import ge
from typing import Final, NamedTuple

from detectors.parts.season import HOUR_START
from detectors.volume.baseline import HORIZONS, QUARTER
from detectors.volume.expectation import LONG_START, Expectation
from detectors.volume.group import Moved
from detectors.volume.parameters import Limits
from detectors.volume.usage import BYTES, CALLS, MEASURES, MINUTES, RESOURCES, ROWS

WHOLE: Final = 3
"""Calls, bytes and rows: of what the mean is taken."""


QUARTERS: Final = 4
"""Quarters in an hour."""
CLEAR: Final = 2.0
"""How many times its bound an hour below its floor must be: of little, what is far out is still told."""
_APART: Final = 0.4
"""How far members differ in a common movement, as a share of it."""


class Verdict(NamedTuple):
    """The measure that tells most, how far out it lies, the bound that it passed, and whether that is for a page."""

    measure: int
    octaves: float
    bound: float
    page: bool


def hour_residuals(amounts: Sequence[int], expected: Expectation, season: float, moved: Moved) -> list[float | None]:
    """Residuals of an hour's calls, bytes, rows and distinct resources, in octaves; None where there is nothing."""
    found: list[float | None] = []
    for measure in range(MEASURES):
        amount = amounts[measure]
        if amount <= 0:
            found.append(None)
        else:
            typical = 2 ** expected.typical[measure]
            found.append(log2(amount / typical + HOUR_START) - season - moved.octaves(measure))
    return found


def long_residuals(amounts: Sequence[int], expected: Expectation, share: float, moved: Moved) -> list[float | None]:
    """Residuals of several hours, against what is expected of them as a share of a typical day."""
    base = log2(share + LONG_START)
    found: list[float | None] = []
    for measure in range(MEASURES):
        amount = amounts[measure]
        if amount <= 0:
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
    amounts: Sequence[int],
    residuals: Sequence[float | None],
    expected: Expectation,
    season: float,
    moved: Moved,
    limits: Limits,
) -> Verdict | None:
    """Whether an hour is out of the ordinary: a signal lies far beyond what usual days reach.

    Active minutes tell most: they say that somebody kept at it, and no long task and no large answer inflates them.
    Next come calls; bytes and rows alone have the heaviest tails and must pass the launch margin, too. On average with
    calls they tell of less: that all of them are far out at once is rare, however few calls it took.
    """
    signals = hour_signals(residuals)
    passed: dict[int, float] = {}
    page = False
    for signal, value in enumerate(signals):
        measure = signal if signal <= MINUTES else CALLS
        least = limits.hour_octaves if signal in (CALLS, MINUTES) else limits.page_octaves
        whole = signal > MINUTES and any(map(ge, amounts[BYTES : ROWS + 1], limits.mean_least))
        if value is None or value < least or not (whole or amounts[measure] >= limits.hour_least[measure]):
            continue
        beyond = _beyond(value, signal, expected, moved)
        if beyond >= limits.hour_spreads[signal] and (
            whole
            or amounts[measure] >= limits.hour_floors[measure]
            or amounts[measure] >= CLEAR * _hour_bound(signal, measure, expected, season, moved, limits)
        ):
            passed[signal] = beyond / limits.hour_spreads[signal]
        if signal <= ROWS and amounts[signal] >= limits.page_floors[signal] and beyond >= limits.page_spreads[signal]:
            page = page or value >= (limits.page_octaves if signal == CALLS else limits.bulk_octaves)
    if not passed:
        return None
    signal = max(passed, key=lambda it: passed[it])
    measure = signal if signal <= MINUTES else _telling(residuals)
    bound = _hour_bound(signal, measure, expected, season, moved, limits)
    return Verdict(measure, residuals[measure] or 0.0, bound, page)


def _hour_bound(signal: int, measure: int, expected: Expectation, season: float, moved: Moved, limits: Limits) -> float:
    """The amount of a measure above which a signal tells that its hour is out of the ordinary."""
    above = expected.crest[measure]
    if measure == signal:
        least = limits.hour_octaves if signal in (CALLS, MINUTES) else limits.page_octaves
        above = max(least, above + limits.hour_spreads[signal] * _spread(signal, expected, moved))
    above += moved.octaves(measure)
    return float(2 ** expected.typical[measure] * max(HOUR_START, 2 ** (season + above) - HOUR_START))


def quarter_signals(calls: int, minutes: int, expected: Expectation) -> tuple[float | None, float | None]:
    """The signals of a quarter of an hour: calls and active minutes against a quarter of a typical active hour."""
    if not calls:
        return None, None
    return (
        log2(QUARTERS * calls / 2 ** expected.typical[CALLS] + HOUR_START),
        log2(QUARTERS * minutes / 2 ** expected.typical[MINUTES] + HOUR_START),
    )


def judge_quarter(
    calls: int, minutes: int, expected: Expectation, recurring: float, moved: Moved, limits: Limits
) -> Verdict | None:
    """Whether a quarter of an hour is out of the ordinary, long before its hour can be.

    `recurring` are the octaves by which something that comes back is expected in its hour.
    """
    best: Verdict | None = None
    most = 1.0
    taken = moved.octaves(CALLS) + recurring
    for place, value in enumerate(quarter_signals(calls, minutes, expected)):
        measure, amount = (CALLS, calls) if place == 0 else (MINUTES, minutes)
        if value is None or amount < limits.quarter_floors[place] or value - taken < limits.hour_octaves:
            continue
        signal = QUARTER + place
        need = max(limits.quarter_octaves, limits.quarter_spreads[place] * _spread(signal, expected, moved))
        beyond = (value - taken - expected.crest[signal]) / need
        if beyond >= most:
            most = beyond
            above = expected.crest[signal] + need + taken
            bound = 2 ** expected.typical[measure] / QUARTERS * (2**above - HOUR_START)
            best = Verdict(measure, value - taken, bound, False)
    return best


def judge_long(
    horizon: int,
    amounts: Sequence[int],
    residuals: Sequence[float | None],
    expected: Expectation,
    share: float,
    moved: Moved,
    limits: Limits,
) -> Verdict | None:
    """Whether eight hours (horizon 1) or a day (horizon 2) are out of the ordinary."""
    first = sum(HORIZONS[:horizon])
    for place, value in enumerate(long_signals(residuals)):
        floor = MINUTES if place == 1 else CALLS
        if value is None or value < limits.day_octaves or amounts[floor] < limits.day_floors[floor]:
            continue
        signal = first + place
        need = limits.long_spread[horizon - 1]
        if _beyond(value, signal, expected, moved) < need:
            continue
        measure = (CALLS, MINUTES, _telling(residuals))[place]
        above = expected.crest[signal] + moved.octaves(measure)
        if place < 2:
            above += need * _spread(signal, expected, moved)
        bound = 2 ** expected.daily[measure] * max(LONG_START, 2**above * (share + LONG_START) - LONG_START)
        return Verdict(measure, residuals[measure] or 0.0, bound, False)
    return None


def _spread(signal: int, expected: Expectation, moved: Moved) -> float:
    """The spread of a signal, wider by what members differ in when their group moves."""
    return hypot(expected.spread[signal], _APART * moved.octaves(CALLS))


def _beyond(value: float | None, signal: int, expected: Expectation, moved: Moved) -> float:
    return -9.0 if value is None else (value - expected.crest[signal]) / _spread(signal, expected, moved)


def _telling(residuals: Sequence[float | None]) -> int:
    return max(range(MINUTES + 1), key=lambda measure: residuals[measure] or -9.0)
