"""Stretches of time and ranges of numbers: joined, cut, and what of one is not in the others."""

from collections.abc import Iterable
from typing import TypeVar

N = TypeVar("N", int, float)


def joined(stretches: Iterable[tuple[N, N]]) -> list[tuple[N, N]]:
    """Half-open stretches in order, those that touch as one."""
    found: list[tuple[N, N]] = []
    for begin, end in sorted(stretches):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        elif end > begin:
            found.append((begin, end))
    return found


def without(begin: N, end: N, stretches: Iterable[tuple[N, N]]) -> list[tuple[N, N]]:
    """What of a half-open stretch lies in none of the others."""
    found: list[tuple[N, N]] = []
    for first, last in joined(stretches):
        if first > begin:
            found.append((begin, min(first, end)))
        begin = max(begin, last)
        if begin >= end:
            break
    if begin < end:
        found.append((begin, end))
    return [(first, last) for first, last in found if last > first]
