"""The meta of a snapshot: what the engine knows besides the keyed state, small and always whole."""

from typing import Any

import msgspec

from stream.control import PeerSummary


class Meta(msgspec.Struct, array_like=True):
    """Where the engine stands: clock, tidying, journal, and the counts and evidence kept of all entities."""

    clock: float
    minute: int
    untidy: int
    bucket: int
    check: int
    journal: tuple[int, int]
    layouts: dict[str, list[Any]]
    counts: dict[str, int]
    floods: dict[str, list[Any]]
    warmup: list[Any]
    parameters: dict[str, dict[str, Any]]
    summaries: list[PeerSummary]
    faults: dict[str, int]
    history: float = 0.0
    standstill: tuple[float, bool, float, bool] = (0.0, False, 0.0, False)
