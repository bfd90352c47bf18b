"""Quantised logarithms: levels in fixed fractions of an octave, so that state is small and the same on every machine."""

import math
from typing import Final

OCTAVE: Final = 256
"""Steps of a level per doubling."""
TOP: Final = 65_535
"""The largest level that is kept."""


def octaves(amount: float) -> float:
    """The binary logarithm of a positive amount."""
    return math.log2(amount)


def dither(*keys: int) -> float:
    """A number in [-0.5, 0.5) that looks random and is a function of its keys (Knuth's multiplicative hash)."""
    mixed = 0x9E3779B9
    for key in keys:
        mixed = ((mixed ^ key) * 2_654_435_761 + 0x7F4A7C15) & 0xFFFFFFFF
        mixed ^= mixed >> 15
    return (mixed & 0xFFFF) / 0x10000 - 0.5


def nudge(value: int, deviation: float, gain: float, unit: float, salt: float) -> int:
    """Move a quantised value by a share of a deviation (in octaves; `unit` steps an octave).

    The rounding is dithered by `salt` in [-0.5, 0.5), so that shares smaller than a step are not lost for ever.
    """
    return value + math.floor(deviation * gain * unit + 0.5 + salt)


def clip(value: float, low: float, high: float) -> float:
    """The value, or the bound that it exceeds."""
    return low if value < low else high if value > high else value
