"""What bounds the engine: how much it keeps of each kind, and how much it does at a time."""

from typing import Final

from detectors.base import KINDS, Kind

DAY: Final = 1_440
CAPS: Final[dict[Kind, tuple[int, int]]] = {
    "principal": (2_000_000, 35 * DAY),
    "tenant": (100_000, 35 * DAY),
    "source": (500_000, 8 * DAY),
    "client": (200_000, 35 * DAY),
    "token": (1_000_000, 8 * DAY),
    "server": (10_000, 35 * DAY),
    "handle": (1_000_000, 8 * DAY),
    "object": (1_000_000, 35 * DAY),
    "population": (4_096, 35 * DAY),
    "producer": (10_000, 35 * DAY),
}
"""By kind: how many entities there may be, and after how many minutes without an event one is forgotten."""
LIVE_LIMIT: Final = 20_000
"""Entities of one kind that are objects; all others are packed."""
PER_FRAME: Final = 128
"""Settlings that one frame of events pays for, besides a thirty-second of those that are due."""
PER_TICK: Final = 4_096
"""The same for a tick, which has nothing else to do."""
SHARE: Final = 32
PACKED_PER_FRAME: Final = 256
"""Quiet entities of one kind that are packed in one frame."""
TIDIED_PER_MINUTE: Final = 16
"""Buckets of each kind that are gone through for each minute of the clock, one a frame: once round in four hours."""
ORDER: Final[tuple[Kind, ...]] = tuple(reversed(KINDS))
"""Kinds in the order of folding and settling: groups before their members, who then know what their peers did."""
RANKS: Final[dict[Kind, int]] = {kind: rank for rank, kind in enumerate(ORDER)}
