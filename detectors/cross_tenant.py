"""Cross-tenant access: whose data a caller touched or was handed, by known and learned owners, handles, canaries."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.base import (
    CANARY,
    HANDLES,
    NOTHING,
    OWNED,
    SIGNALS,
    TENANTLESS,
    UNOWNED,
    Cell,
    Detector,
    Entity,
    Kind,
    Measure,
    Parameter,
    Spec,
)
from detectors.tenancy.access import Access, AccessView
from detectors.tenancy.documentation import PAGE
from detectors.tenancy.explain import explain
from detectors.tenancy.foreign import DAY, HOUR
from detectors.tenancy.handle import CELL, Handle, HandleView
from detectors.tenancy.learned import ObjectView, Owned
from detectors.tenancy.server import Server, ServerView
from stream.facts import Facts
from stream.finding import Class, Finding
from tocsin_audit.event import AuditEvent

_READ: Final = (
    "attack:T1213",
    "attack:T1199",
    "attack:T1550.001",
    "atlas:AML.T0085.001",
    "atlas:AML.T0057",
    "safe-mcp:SAFE-T1307.002",
    "safe-mcp:SAFE-T1706",
    "owasp:MCP02",
    "owasp:MCP10",
    "owasp:ASI03",
    "cosai:MCP-T2",
)
_HANDLE: Final = (
    "attack:T1550.001",
    "attack:T1539",
    "atlas:AML.T0091.000",
    "safe-mcp:SAFE-T1706",
    "owasp:MCP07",
    "cosai:MCP-T7",
)
TECHNIQUES: Final[Mapping[str, tuple[str, ...]]] = {
    "cross_tenant_read": _READ,
    "cross_tenant_denied": ("attack:T1087", "safe-mcp:SAFE-T1307.002", "owasp:MCP02", "cosai:MCP-T2"),
    "cross_tenant_leak": _READ,
    "cross_tenant_handle": _HANDLE,
    "canary": ("attack:T1213", "attack:T1083", "safe-mcp:SAFE-T1801", "owasp:MCP10"),
    "mixup": ("atlas:AML.T0057", "safe-mcp:SAFE-T1307.002", "owasp:MCP10", "cosai:MCP-T2"),
    "audit_gap": ("safe-mcp:SAFE-M-12", "owasp:MCP08", "cosai:MCP-T12"),
}
CLASSES: Final[tuple[Class, ...]] = (
    "cross_tenant_read",
    "cross_tenant_denied",
    "cross_tenant_leak",
    "cross_tenant_handle",
    "canary",
    "mixup",
    "audit_gap",
)
PARAMETERS: Final = (
    Parameter("denied_owners", 3, "tenants", "whose data one caller is denied within 24 hours: a search", 2, 1000),
    Parameter("leak_callers", 2, "callers", "who are handed foreign data by one server within 24 hours", 2, 1000),
    Parameter(
        "learned_days", 14, "days", "that learned ownership must be known before it is more than a notice", 1, 90
    ),
    Parameter(
        "learned_uses",
        10,
        "uses",
        "by one tenant alone, on half as many days, after which an object counts as its own",
        2,
        10_000,
    ),
    Parameter("branch_uses", 20, "uses", "by one tenant alone after which a branch counts as its own", 2, 100_000),
    Parameter("gap_events", 1, "events", "a day without a tenant on one server that are reported", 1, 1_000_000),
)


class CrossTenant(Detector[Any]):
    """One fold per view: caller, server, handle and object."""

    spec = Spec(
        name="cross_tenant",
        version="1.0",
        by=("principal", "server", "handle", "object"),
        cells=(CELL, HOUR, DAY),
        settles={"principal": (HOUR,), "server": (HOUR, DAY), "handle": (CELL,), "object": (DAY,)},
        classes=CLASSES,
        wants={
            "principal": OWNED | SIGNALS | CANARY,
            "server": OWNED | SIGNALS | CANARY | TENANTLESS | UNOWNED,
            "handle": HANDLES,
            "object": UNOWNED,
        },
        parameters=PARAMETERS,
        techniques=TECHNIQUES,
        documentation=PAGE,
        sampled=True,
        state_version=2,
    )

    def __init__(self, parameters: Mapping[str, float] | None = None) -> None:
        super().__init__(parameters)
        self._access = AccessView(self, self.parameters)
        self._server = ServerView(self, self.parameters, self._access)
        self._handle = HandleView(self)
        self._object = ObjectView(self, self.parameters)

    def start(self, kind: Kind) -> Any:
        """The state of an entity that was never seen."""
        return _STATES[kind]()

    def step(self, state: Any, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event into the state; the findings that are now true and stay so."""
        kind = entity.kind
        if kind == "principal":
            return self._access.step(state, entity, event, facts)
        if kind == "server":
            return self._server.step(state, entity, event, facts)
        if kind == "object":
            return self._object.step(state, entity, event, facts)
        return self._handle.step(state, entity, event, facts)

    def settle(self, state: Any, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Sum up an hour, judge five minutes of a handle, learn owners from a day, report what could not be judged."""
        kind = entity.kind
        if kind == "principal":
            return self._access.settle(state, entity, cell.start, facts.clock) if cell.seconds == HOUR else NOTHING
        if kind == "handle":
            return self._handle.settle(state, cell.start, facts.clock) if cell.seconds == CELL else NOTHING
        if kind == "server":
            return self._server.settle(state, entity, cell, facts.clock)
        if cell.seconds == DAY:
            self._object.settle(state, cell.end)
        return NOTHING

    def explain(self, state: Any, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Measure]:  # noqa: ARG002  # the state says it all
        """Owners, grants and what was learned, as far as the event bears on them."""
        return explain(state, event, facts, self.parameters)

    def merge(self, state: Any, partial: Any, entity: Entity, facts: Facts) -> Sequence[Finding]:
        """Fold a partial state, made by `step` from some of the entity's events."""
        kind = entity.kind
        if kind == "principal":
            return self._access.merge(state, partial, entity)
        if kind == "server":
            return self._server.merge(state, partial, entity, facts)
        if kind == "object":
            return self._object.merge(state, partial, facts)
        return self._handle.merge(state, partial, facts.clock)


_STATES: Final[Mapping[Kind, type[Any]]] = {"principal": Access, "server": Server, "handle": Handle, "object": Owned}

DETECTOR: Final = CrossTenant
