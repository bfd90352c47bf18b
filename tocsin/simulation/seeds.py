"""Randomness by name: each part of a simulation has a generator of its own, so that adding one moves no other."""

import math
from hashlib import blake2b
from random import Random


def derive(seed: int, *parts: str | int) -> Random:
    """The generator that a seed gives to a named part; the same on every machine and under every hash seed."""
    text = "\x1f".join(str(part) for part in (seed, *parts))
    digest = blake2b(text.encode(), digest_size=16).digest()
    return Random(int.from_bytes(digest, "big"))  # noqa: S311  # simulated traffic, no secrets


def poisson(rng: Random, rate: float) -> int:
    """A Poisson count (Knuth's product method; the rounded normal approximation above a rate of 30)."""
    if rate <= 0:
        return 0
    if rate > 30:
        return max(0, round(rng.gauss(rate, math.sqrt(rate))))
    limit, product, count = math.exp(-rate), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def around(rng: Random, median: float, sigma: float) -> float:
    """A log-normal draw: `median` in its unit, `sigma` the standard deviation of its logarithm."""
    return median * math.exp(sigma * rng.gauss(0.0, 1.0))


def skewed_index(rng: Random, count: int, skew: float = 2.5) -> int:
    """An index below `count` of which the low ones are drawn most (the power of a uniform draw)."""
    return int(count * rng.random() ** skew)


def fingerprint(rng: Random) -> str:
    """A keyed fingerprint as producers write it: key id and 16 hex digits."""
    return f"k1:{rng.getrandbits(64):016x}"
