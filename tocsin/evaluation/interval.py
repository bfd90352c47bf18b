"""Intervals: how far a figure may be trusted, given how many cases it comes from."""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec

_Z: Final = 1.959964
"""The 97.5 % quantile of the normal distribution."""
RESAMPLES: Final = 1000


class Share(msgspec.Struct, frozen=True):
    """A share of cases with its 95 % interval; `value` is None where there are no cases."""

    hits: int
    of: int
    value: float | None
    low: float
    high: float


class Estimate(msgspec.Struct, frozen=True):
    """A figure with its 95 % bootstrap interval; None where there is nothing to estimate it from."""

    value: float | None
    low: float | None
    high: float | None


def share(hits: int, of: int) -> Share:
    """A share with Wilson's score interval, which stays honest at 0 and 1 where resampling says there is no doubt."""
    if of == 0:
        return Share(hits, of, None, 0.0, 1.0)
    value = hits / of
    centre = (value + _Z**2 / (2 * of)) / (1 + _Z**2 / of)
    half = _Z / (1 + _Z**2 / of) * math.sqrt(value * (1 - value) / of + _Z**2 / (4 * of * of))
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    return Share(hits, of, value, low, 1.0 if hits == of else min(1.0, centre + half))


def bootstrap(values: Sequence[float], statistic: Callable[[Sequence[float]], float], seed: int) -> Estimate:
    """A statistic with its percentile bootstrap interval (Efron 1979; 1,000 resamples), the same for the same seed."""
    if not values:
        return Estimate(None, None, None)
    if min(values) == max(values):
        return Estimate(statistic(values), values[0], values[0])
    rng = Random(seed)  # noqa: S311  # resampling, no secrets
    ordered = sorted(values)
    drawn = sorted(statistic(rng.choices(ordered, k=len(ordered))) for _ in range(RESAMPLES))
    return Estimate(statistic(ordered), drawn[round(0.025 * (RESAMPLES - 1))], drawn[round(0.975 * (RESAMPLES - 1))])


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return math.fsum(values) / len(values)


def median(values: Sequence[float]) -> float:
    """The median."""
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share_: float) -> float:
    """A quantile by linear interpolation between the order statistics (type 7 of Hyndman and Fan)."""
    ordered = sorted(values)
    at = share_ * (len(ordered) - 1)
    low = math.floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
