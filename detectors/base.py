"""What a detector is: a pure fold of one entity's events into state and findings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, TypeVar

from detectors.batch import Batch
from stream.facts import Facts
from stream.finding import Class, Finding, Severity
from tocsin_audit.event import AuditEvent

Kind = str
KINDS: Final[tuple[Kind, ...]] = (
    "principal",
    "tenant",
    "source",
    "client",
    "token",
    "server",
    "handle",
    "object",
    "population",
    "producer",
)
"""What state is kept about. `principal` has a partition of its own; all others are wide and are merged across them."""

# Marks: what an event is, worked out once for all detectors.
AUTH_FAILED: Final = 1
"""Credentials were presented and rejected."""
AUTH_MISSING: Final = 2
"""Refused for want of credentials: ordinary discovery, unless it goes on."""
SUCCEEDED: Final = 4
"""Answered (`ok`, `input_required`, `tool_error` and the like), so that authentication was passed or not asked for."""
DENIED: Final = 8
"""Authenticated and refused for want of a scope or by policy."""
NOT_FOUND: Final = 16
"""Asked for something that is not there, or with parameters that do not fit; may hide a denial."""
DATA: Final = 32
"""A successful tools/call, resources/read, prompts/get or task result: something may have been handed out."""
OWNED: Final = 64
"""An owner of something asked for or returned is known who is not just the caller's own tenant."""
HANDLES: Final = 128
"""Carries handles minted or presented."""
SIGNALS: Final = 256
"""The inspector saw something."""
CHANGE: Final = 512
"""A permission or configuration change."""
MANIFEST: Final = 1024
"""Carries a list of tool definitions."""
HEARTBEAT: Final = 2048
"""A producer's sign of life."""
UNOWNED: Final = 4096
"""A caller of a known tenant was handed an object (by `resources/read`, or named by a URI) whose owner nobody named."""
TENANTLESS: Final = 8192
"""A request whose caller's tenant is not known."""
CANARY: Final = 16384
"""A request for an object that nobody should ever read."""
ANY: Final = (1 << 15) - 1


@dataclass(frozen=True, slots=True)
class Entity:
    """What a state is about.

    `key` is the stable text that tells it from every other of its kind; `names` are event field names with their
    values, as they stand in a finding; `tenant` is whose it is, None where it spans tenants.
    """

    kind: Kind
    key: str
    names: Mapping[str, str]
    tenant: str | None = None


class Cell(NamedTuple):
    """A stretch of event time aligned to the epoch: `[start, start + seconds)`."""

    seconds: int
    start: int

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.seconds


class Measure(NamedTuple):
    """One counter beside the bound that it is held against, for people who ask why something was not told.

    `window` is the stretch that was counted over in seconds, 0 where there is none. `bound` is what would have been
    told, None where nothing is counted; `note` says what else had to be so.
    """

    what: str
    observed: float
    bound: float | None
    unit: str
    window: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A knob: what it means, its unit, its default, and the range an operator may choose from."""

    name: str
    default: float
    unit: str
    meaning: str
    low: float = 0.0
    high: float = 1e12


@dataclass(frozen=True, slots=True)
class Documentation:
    """The nine sections of an alerting and detection strategy (Palantir ADS), in Markdown."""

    goal: str
    categorisation: str
    strategy: str
    context: str
    blind_spots: str
    false_positives: str
    validation: str
    priority: str
    response: str


@dataclass(frozen=True, slots=True)
class Spec:
    """What the engine must know of a detector.

    `by` names the kinds it keeps state for, and `wants` for each kind the marks of which an event must carry one for
    `step` to be called (all events where a kind is not named). `cells` are the lengths in seconds, whole minutes each,
    of the cells whose closing calls `settle`, for entities with an event in the cell that this detector was stepped
    with; where not all of them say something of a kind, `settles` names those that do. `warm_up` names the classes
    whose findings are `shadow` until the engine's evidence suffices: `facts` (never), `volume`, `learned`.
    `once` names for each kind the marks of an `ok` with valid credentials after which another one of the same
    principal, source, token and server in the same minute changes nothing, so that the engine passes over it.
    `sampled` says that it states facts, not counts, and is stepped with the events of sampled sources too.
    `batched` says that it is asked about an entity's events of a frame at once (`batch`), whatever their marks.
    `tells` is the length of the cells, one of `cells`, whose closing has principals tell their groups (0: none).
    `major` changes when a finding's id must (CONTRACTS §3); `state_version` when packed state is no longer readable.
    """

    name: str
    version: str
    by: tuple[Kind, ...]
    cells: tuple[int, ...]
    classes: tuple[Class, ...]
    wants: Mapping[Kind, int] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    techniques: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    once: Mapping[Kind, int] = field(default_factory=dict)
    warm_up: Mapping[str, str] = field(default_factory=dict)
    documentation: Documentation | None = None
    major: int = 1
    state_version: int = 1
    sampled: bool = False
    batched: bool = False
    tells: int = 0
    settles: Mapping[Kind, tuple[int, ...]] = field(default_factory=dict)

    def cells_of(self, kind: Kind) -> tuple[int, ...]:
        """The lengths of the cells whose closing says something of an entity of a kind."""
        return self.settles.get(kind, self.cells)


S = TypeVar("S")

NOTHING: Final[tuple[Finding, ...]] = ()


class Detector(Generic[S]):
    """A pure fold: what one entity's state becomes when one event arrives, and what findings that makes.

    No clocks, no randomness, no I/O: time comes from the event, the cell and `facts.clock`. State is a plain class with
    annotated attributes (see `detectors.engine.state`), changed in place. The rule of order (DESIGN §5): open cells
    hold only what commutes; closed state changes only in `settle`; `step` fires only on predicates that stay true when
    more events come, against closed state frozen before the cell opened; everything else fires in `settle`.
    """

    spec: Spec

    def __init__(self, parameters: Mapping[str, float] | None = None) -> None:
        chosen = dict(parameters or {})
        self.parameters = {knob.name: chosen.get(knob.name, knob.default) for knob in self.spec.parameters}

    def start(self, kind: Kind) -> S:
        """The state of an entity that was never seen."""
        raise NotImplementedError

    def step(self, state: S, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event into the state; the findings that are now true and stay so."""
        raise NotImplementedError

    def stepper(self, kind: Kind) -> Callable[[S, Entity, AuditEvent, Facts], Sequence[Finding]]:  # noqa: ARG002  # most detectors step every kind alike
        """What the engine calls as `step` for entities of a kind: the same, with the choice by kind made beforehand."""
        return self.step

    def batch(self, state: S, entity: Entity, batch: Batch, facts: Facts) -> Sequence[Finding]:
        """Fold all events of an entity in one frame (`Spec.batched`), as `step` would have folded one after the other.

        Nothing is left out but what was counted before: denials by our own deny list are among them.
        """
        return [found for event in batch.events for found in self.step(state, entity, event, facts)]

    def alarm(self, state: S) -> float | None:  # noqa: ARG002  # most detectors have nothing to say without an event
        """The first moment of the log's clock at which `wake` may have something to say; None for never.

        Asked after every frame with events of the entity, so it must be quick; being early costs a look, no more.
        """
        return None

    def wake(self, state: S, entity: Entity, watch: "Watch[S]", facts: Facts) -> Sequence[Finding]:  # noqa: ARG002  # most detectors never ask to be woken
        """The moment of `alarm` has passed without an event that moved it: say what only that could show."""
        return NOTHING

    def settle(self, state: S, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:  # noqa: ARG002  # a detector without closed state needs none of them
        """A cell of time has closed: learn from it, forget what is too old, say what only the end of it could show."""
        return NOTHING

    def tell(
        self,
        state: S,  # noqa: ARG002  # most detectors tell nothing
        entity: Entity,  # noqa: ARG002  # the same
        cell: Cell,  # noqa: ARG002  # the same
        facts: Facts,  # noqa: ARG002  # the same
    ) -> Sequence[tuple[Kind, str | tuple[str | None, ...], S]]:
        """What a principal's closed cell adds to its groups: of each the kind, the raw key, and a partial to merge.

        Asked once for each cell of `Spec.tells` seconds, after everything that ended before it was settled and before
        any group settles the same cell, so that it may depend on closed state and this cell alone.
        """
        return ()

    def summary(self, state: S, entity: Entity, cell: Cell) -> tuple[int, ...] | None:  # noqa: ARG002  # most detectors have none
        """What a wide entity's closed cell tells its members, asked right after `settle`; None for nothing.

        It becomes a `PeerSummary` and is in `facts` before any principal settles the same cell.
        """
        return None

    def rest(self, state: S, clock: float) -> None:
        """Drop open cells that are no longer held at this clock, before a state is packed; called at any time.

        It may make no difference to what any later event finds: when a state is packed is no part of what happened.
        """

    def explain(self, state: S, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Measure]:  # noqa: ARG002  # most detectors say what they find and no more
        """Where the counters that an event feeds stand against their bounds; changes nothing."""
        return ()

    def merge(self, state: S, partial: S, entity: Entity, facts: Facts) -> Sequence[Finding]:
        """Fold a partial state, made by `step` from some of the entity's events, as `step` would have folded them."""
        raise NotImplementedError


class Other(NamedTuple, Generic[S]):
    """Another entity of the kind that is woken, with the detector's state of it; `place` is the engine's."""

    entity: Entity
    state: S
    place: Any


@dataclass(frozen=True, slots=True)
class Watch(Generic[S]):
    """What a detector knows when it is woken.

    `at` is the moment on the log's clock that it asked for; `since` when the log last went on after it had stood still
    (0 for never): what was not heard before that says nothing. `others` are all entities of the kind; one whose state
    is to be changed must be given to `change` first.
    """

    at: float
    since: float
    others: Callable[[], Iterable[Other[S]]]
    change: Callable[[Other[S]], None]


AnyDetector = Detector[Any]


@dataclass(frozen=True, slots=True)
class Rank:
    """How a class is told: severity and score at the first level."""

    severity: Severity
    score: int


def event_id(event: AuditEvent) -> str:
    """The id by which evidence names an event: its own, else the one its producer, run and number give."""
    if event.id is not None:
        return event.id
    return f"{event.producer or ''}/{event.run or ''}/{event.seq}"
