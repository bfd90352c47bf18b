"""The clock of receipt: what is late or from the future, and how receipt is rebuilt from the order of history."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple, TypeVar

from stream.frame import LIMIT, bitmap

LATENESS: Final = 120.0
"""Seconds before its receipt after which an event is late."""
AHEAD: Final = 60.0
"""Seconds after its receipt from which on an event is skewed, and its time becomes that of its receipt."""
FRAME_SECONDS: Final = 1.0
"""Seconds of the rebuilt clock that one frame covers at most."""
WITNESSES: Final = 4
"""Lines after a line that are asked whether its time is to be believed."""
AGREE: Final = 2
"""How many of them must agree."""
LAST_STEP: Final = 3600.0
"""Seconds by which the last line of all, which has no witness, may move the rebuilt clock."""

T = TypeVar("T")


class Judgement(NamedTuple):
    """What receipt says of the lines of a frame: bounds of event times, and bitmaps of late and skewed lines."""

    first: float
    last: float
    late: bytes
    skewed: bytes


def judge(times: Sequence[float], received: float) -> Judgement:
    """Judge event times against the one moment of their receipt, all in seconds since the epoch."""
    if not times:
        return Judgement(0.0, 0.0, b"", b"")
    first, last = min(times), max(times)
    oldest, newest = received - LATENESS, received + AHEAD
    late = bitmap([time < oldest for time in times]) if first < oldest else b""
    if last <= newest:
        return Judgement(first, last, late, b"")
    settled = [received if time > newest else time for time in times]
    return Judgement(min(settled), max(settled), late, bitmap([time > newest for time in times]))


def merged(*sources: Iterable[tuple[float, T]]) -> Iterator[tuple[float, T]]:
    """Several histories of (time, line) as one, by time; the lines of each keep their order."""
    return merge(*sources, key=itemgetter(0))


def rebuild(history: Iterable[tuple[float, T]]) -> Iterator[tuple[float, list[T]]]:
    """Frames of (received, lines) from a history of (time, line): 500 lines or one second of the clock each.

    The clock follows a line's time where at least two of the next four lines are no more than a minute older, so that
    no single event leads it (CONTRACTS §1). Before the end of the history the lines that are left must agree; the
    last one, which nobody can confirm, moves the clock by an hour at most. The clock starts at the oldest of the first
    lines where the first of them is not confirmed.
    """
    lines: list[T] = []
    begin = received = 0.0
    for clock, line in _clocked(history):
        if lines and (len(lines) == LIMIT or clock - begin >= FRAME_SECONDS):
            yield received, lines
            lines = []
        if not lines:
            begin = clock
        lines.append(line)
        received = clock
    if lines:
        yield received, lines


def _clocked(history: Iterable[tuple[float, T]]) -> Iterator[tuple[float, T]]:
    source = iter(history)
    window: deque[tuple[float, T]] = deque(islice(source, WITNESSES + 1))
    clock: float | None = None
    while window:
        time, line = window.popleft()
        if clock is None:
            clock = time if _believed(time, window) and window else min([time, *(other for other, _ in window)])
        elif time > clock and _believed(time, window) and (window or time - clock <= LAST_STEP):
            clock = time
        yield clock, line
        window.extend(islice(source, 1))


def _believed(time: float, window: deque[tuple[float, T]]) -> bool:
    needed = min(AGREE, len(window))
    oldest = time - AHEAD
    for other, _ in window:
        if not needed:
            break
        if other >= oldest:
            needed -= 1
    return not needed
