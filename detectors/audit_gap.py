"""Audit gaps: producers that fall silent, numbers that are missing, clocks and sampling that cost coverage."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.base import NOTHING, Cell, Detector, Entity, Kind, Measure, Parameter, Spec, Watch
from detectors.batch import Batch, batch_of
from detectors.gaps.documentation import PAGE
from detectors.gaps.explain import explain_producer, explain_server
from detectors.gaps.producer import FIVE, HOUR, QUARTER, Producer, ProducerView
from detectors.gaps.server import Server, ServerView
from detectors.gaps.silence import SilenceView
from detectors.gaps.telling import Teller
from detectors.keys import OVERFLOW
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

PARAMETERS: Final = (
    Parameter("gap_seconds", 121, "seconds", "that a running number may take before it counts as missing", 30, 86_400),
    Parameter("gap_medium", 10, "numbers", "missing in one hour from which on it is more than a notice", 1, 1e9),
    Parameter("gap_high", 1_000, "numbers", "missing in one hour from which on somebody is woken", 1, 1e9),
    Parameter("together", 5, "producers", "that fall silent within one heartbeat: one cause, told once", 2, 10_000),
    Parameter("rhythm_days", 14, "days", "that a producer without heartbeats must be known before it is missed", 7, 90),
    Parameter("patience", 4, "times", "its longest usual quiet that such a producer may be silent", 2, 100),
    Parameter("restarts", 5, "runs", "of less than two minutes in a quarter of an hour: a loop", 2, 256),
    Parameter("skewed_events", 10, "events", "from the future in one hour that are told", 1, 1e9),
    Parameter("behind_seconds", 30, "seconds", "by which every heartbeat of five minutes is old: told", 5, 3_600),
    Parameter("unlisted_events", 5, "events", "a day of a server that the inventory does not know: told", 1, 1e9),
)


class AuditGap(Detector[Any]):
    """One fold over producers, one over servers; silence is found by the clock."""

    spec = Spec(
        name="audit_gap",
        version="1.0",
        by=("producer", "server"),
        cells=(FIVE, QUARTER, HOUR),
        settles={"server": (HOUR,)},
        classes=("audit_gap",),
        parameters=PARAMETERS,
        techniques={
            "audit_gap": (
                "attack:T1562.008",
                "attack:T1070",
                "atlas:AML.T0107",
                "safe-mcp:SAFE-M-12",
                "owasp:MCP08",
                "owasp:MCP09",
                "cosai:MCP-T12",
            )
        },
        documentation=PAGE,
        sampled=True,
        batched=True,
    )

    def __init__(self, parameters: Mapping[str, float] | None = None) -> None:
        super().__init__(parameters)
        teller = Teller(self, self.parameters)
        self._producer = ProducerView(teller, self.parameters)
        self._silence = SilenceView(teller, self.parameters)
        self._server = ServerView(teller, self.parameters)

    def start(self, kind: Kind) -> Any:
        """The state of an entity that was never seen."""
        return Producer() if kind == "producer" else Server()

    def step(self, state: Any, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        return self.batch(state, entity, batch_of(event), facts)

    def batch(self, state: Any, entity: Entity, batch: Batch, facts: Facts) -> Sequence[Finding]:
        """Fold the events of one frame; what many strangers share in a flood says nothing of any of them."""
        if OVERFLOW in entity.names:
            return NOTHING
        view = self._producer if entity.kind == "producer" else self._server
        return view.batch(state, entity, batch, facts)

    def settle(self, state: Any, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Learn from a closed cell, and say what only the whole of it shows."""
        view = self._producer if entity.kind == "producer" else self._server
        return view.settle(state, entity, cell, facts)

    def alarm(self, state: Any) -> float | None:
        """When a producer's silence, or what is missing of it, has to be looked at."""
        return self._silence.alarm(state) if state.__class__ is Producer else None

    def wake(self, state: Any, entity: Entity, watch: Watch[Any], facts: Facts) -> Sequence[Finding]:
        """A moment passed without the events that would have moved it."""
        return self._silence.wake(state, entity, watch, facts)

    def explain(self, state: Any, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Measure]:
        """Where the counters stand that the event feeds."""
        known = self.parameters
        if entity.kind == "server":
            return explain_server(state, event, known["unlisted_events"])
        return explain_producer(
            state, event, facts, self._silence, known["gap_medium"], known["restarts"], known["skewed_events"]
        )

    def merge(self, state: Any, partial: Any, entity: Entity, facts: Facts) -> Sequence[Finding]:
        """Fold a partial state, made by `step` from some of the entity's events."""
        view = self._producer if entity.kind == "producer" else self._server
        return view.merge(state, partial, entity, facts)


DETECTOR: Final = AuditGap
