"""What an entity has already been reported for, so that a predicate that stays true is told once."""

from typing import Final

from detectors.base import Spec
from detectors.engine.live import Live
from detectors.engine.warmup import MODES
from stream.finding import Finding

LIMIT: Final = 256
"""Ids that are remembered of one entity; above it those that end first are forgotten, and may be told again."""


def held(seconds: int) -> int:
    """For how many seconds after its end a cell is held for late events (CONTRACTS §1)."""
    if seconds <= 60:
        return 3 * 3_600
    return 26 * 3_600 if seconds <= 3_600 else 8 * 86_400


def memory(spec: Spec) -> int:
    """For how many seconds a detector's findings are remembered: its longest cell and the time that is held."""
    longest = max(spec.cells, default=86_400)
    return longest + held(longest)


def first_time(live: Live, finding: Finding, clock: float, seconds: int) -> bool:
    """Whether a finding was not emitted for the entity before, or only with less consequence; it is remembered then.

    An entry of `live.emitted` is the minute until which it is remembered × 4 + the mode, under 64 bits of the id.
    """
    key = int(finding.id[:16], 16)
    mode = MODES.index(finding.mode)
    minute = int(clock) // 60
    entry = live.emitted.get(key)
    if entry is not None and entry >> 2 > minute and entry & 3 >= mode:
        return False
    if len(live.emitted) >= LIMIT and key not in live.emitted:
        entries = live.emitted
        del entries[min(entries, key=lambda known: (entries[known], known))]
    live.emitted[key] = (int(max(finding.end, clock) + seconds) // 60 + 1) << 2 | mode
    return True
