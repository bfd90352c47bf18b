"""Coverage records: what of a stretch of time was received and what was not, written into the log itself."""

import msgspec

SECONDS = 300
"""The stretches of event time that are counted apart."""


class Counts(msgspec.Struct, array_like=True):
    """One producer in one stretch of event time: events, and how much of them is worth less.

    `source` names the collector key or input, `start` the stretch. `nameless` and `tenantless` are requests without a
    caller's name or tenant, `capped` those whose sizes are lower bounds, `echoed` those that another vantage point
    counts. `servers` and `tenants` count events by name; `goodbyes` are workers that said that they stop.
    """

    start: int
    source: str
    producer: str
    received: int = 0
    heartbeats: int = 0
    late: int = 0
    skewed: int = 0
    sampled: int = 0
    capped: int = 0
    echoed: int = 0
    nameless: int = 0
    tenantless: int = 0
    servers: dict[str, int] = {}
    tenants: dict[str, int] = {}
    goodbyes: int = 0


class Gap(msgspec.Struct, frozen=True, array_like=True):
    """Running numbers `first` to `last` of a run that did not come by a moment of the log's clock.

    `after` and `before` are the times of the events around them. Where `filled` is so they are numbers that came after
    all, and `after` and `before` when.
    """

    source: str
    producer: str
    run: str
    first: int
    last: int
    after: float
    before: float
    at: float
    filled: bool = False


class Covered(msgspec.Struct, frozen=True, tag="covered", tag_field="control"):
    """What was learned of coverage until a stretch closed at a moment of the log's clock: a function of the log alone.

    `cell` is the start of the stretch in seconds. `counts` are those of the stretch, and of earlier ones what came
    late; `still` are stretches in which the log itself stood still, `shed` those in which a detector was shown nothing.
    """

    cell: int
    clock: float
    counts: tuple[Counts, ...] = ()
    gaps: tuple[Gap, ...] = ()
    still: tuple[tuple[float, float], ...] = ()
    shed: tuple[tuple[str, float, float], ...] = ()


class Mode(msgspec.Struct, frozen=True, array_like=True):
    """What becomes of a detector's findings, for one tenant or (empty) for all others: `live`, `observe`, `shadow`.

    `earned` is as each entity's own warm-up says.
    """

    detector: str
    tenant: str
    mode: str


class Watched(msgspec.Struct, frozen=True, tag="watched", tag_field="control"):
    """What a running Tocsin itself knows: which detectors folded everything that was received between two moments.

    `detectors` are versions by name, `failed` those that failed on something meanwhile, `modes` what became of their
    findings. `refused` are lines and bodies by reason that were not accepted, `sources` the same
    by the collector key or input that sent them. `by` tells the processes of one Tocsin apart where these are several.
    """

    since: float
    until: float
    detectors: dict[str, str]
    failed: tuple[str, ...] = ()
    refused: dict[str, int] = {}
    by: str = ""
    sources: dict[str, dict[str, int]] = {}
    modes: tuple[Mode, ...] = ()
