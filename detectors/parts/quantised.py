"""Quantised logarithms: levels in fixed fractions of an octave, which keep state small and alike everywhere."""

import math
from typing import Final

OCTAVE: Final = 256
"""Steps of a level per doubling."""
TOP: Final = 65_535
"""The largest level that is kept."""
_WINSOR: Final = 3.0


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


def follow(level: int, value: float, samples: int, seen: int, memory: int, salt: float) -> int:
    """Move a level towards a mean of some samples (in octaves): as a mean over all `seen`, past `memory` a fading one.

    What lies more than three octaves away counts as three (winsorised).
    """
    if seen == 0:
        return int(clip(round(value * OCTAVE), 1, TOP))
    deviation = clip(value - level / OCTAVE, -_WINSOR, _WINSOR)
    gain = samples / (min(seen, memory) + samples)
    return int(clip(nudge(level, deviation, gain, OCTAVE, salt), 1, TOP))
