"""Gates: the amounts, frozen before an hour begins, from which it is a burst and pages, whatever peers do."""

from collections.abc import Sequence
from functools import lru_cache

from detectors.parts.quantised import OCTAVE
from detectors.volume.baseline import Baseline
from detectors.volume.expectation import Expectation
from detectors.volume.learning import FIRST_CREST
from detectors.volume.parameters import Limits
from detectors.volume.usage import (
    BYTES,
    CALLS,
    MEASURES,
    MINUTES,
    NEVER,
    RESOURCES,
    ROWS,
    Hour,
    gate_amounts,
    gates_of,
    spots_of,
)


def gates(limits: Limits, own: Baseline, expected: Expectation, hour: int, busy: float) -> bytes:
    """The packed gates of an hour of somebody with a past; `busy` multiplies the bounds."""
    amounts: list[float] = []
    for measure in range(MEASURES):
        if measure == MINUTES:
            amounts.append(NEVER)
            continue
        signal = CALLS if measure == RESOURCES else measure
        above = expected.crest[signal] + limits.page_spreads[signal] * expected.spread[signal]
        least = limits.bulk_octaves if measure in (BYTES, ROWS) else limits.page_octaves
        bound = expected.hour_amount(measure, hour, max(least, above))
        if measure < MINUTES and own.top[measure]:
            bound = max(bound, 2 * 2 ** (own.top[measure] / OCTAVE))
        bound = max(bound, limits.page_floors[measure]) * busy
        amounts.append(spots_of(bound) if measure == RESOURCES else bound)
    for measure in (CALLS, BYTES, ROWS):
        short = amounts[measure]
        if own.top[measure] and own.days >= FIRST_CREST:
            largest = limits.page_factor * (1 if measure == CALLS else 2) * 2 ** (own.top[measure] / OCTAVE)
            short = min(short, max(largest, limits.page_floors[measure]) * busy)
        amounts.append(short)
    amounts.append(2 * 2 ** min(40.0, expected.typical[CALLS]))
    amounts.append(2 ** min(40.0, expected.typical[BYTES]))
    return gates_of(amounts)


@lru_cache(maxsize=4096)
def gates_of_strangers(limits: Limits, expected: Expectation, hour: int, busy: float) -> bytes:
    """The gates of whoever has no past: the same for all with the same peers."""
    return gates(limits, Baseline(), expected, hour, busy)


def across(amounts: Sequence[int], current: Hour, previous: Hour | None) -> tuple[int, int] | None:
    """The measure and the frozen bound by which 60 minutes pass the bounds of both their hours, while neither did."""
    if previous is None or previous.told or current.told or not (current.gates and previous.gates):
        return None
    bounds = [max(pair) for pair in zip(gate_amounts(current.gates), gate_amounts(previous.gates), strict=True)]
    return next(((it, bounds[it]) for it in (ROWS, CALLS, BYTES) if amounts[it] >= bounds[it]), None)
