"""Failed authentication: guessing, spraying, stuffing, replay, success after them, and what only looks like that."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from detectors.authentication.client import Client, ClientView
from detectors.authentication.crowd import Crowd, CrowdView
from detectors.authentication.documentation import PAGE
from detectors.authentication.explain import explain
from detectors.authentication.parameters import PARAMETERS
from detectors.authentication.principal import Account, AccountView
from detectors.authentication.server import ServerView, Service
from detectors.authentication.source import Source, SourceView
from detectors.authentication.token import Token, TokenView
from detectors.base import (
    AUTH_FAILED,
    AUTH_MISSING,
    DENIED,
    NOT_FOUND,
    NOTHING,
    SUCCEEDED,
    Cell,
    Detector,
    Entity,
    Kind,
    Measure,
    Spec,
)
from stream.facts import Facts
from stream.finding import Class, Finding
from tocsin_audit.event import AuditEvent

FIVE_MINUTES: Final = 300
HOUR: Final = 3_600

_GUESSING: Final = ("atlas:AML.T0012", "safe-mcp:SAFE-T1005", "owasp:MCP07", "owasp:ASI03", "cosai:MCP-T1")
_REPLAY: Final = ("attack:T1550.001", "atlas:AML.T0091.000", "safe-mcp:SAFE-T1706", "owasp:MCP07", "cosai:MCP-T1")
_SEARCH: Final = ("atlas:AML.T0084.001", "safe-mcp:SAFE-T1602", "owasp:MCP02")
TECHNIQUES: Final[Mapping[str, tuple[str, ...]]] = {
    "brute": ("attack:T1110.001", *_GUESSING),
    "spray": ("attack:T1110.003", *_GUESSING),
    "stuffing": ("attack:T1110.004", *_GUESSING),
    "success_after": (
        "attack:T1078.004",
        "attack:T1110",
        "atlas:AML.T0012",
        "atlas:AML.T0091.000",
        "safe-mcp:SAFE-T1706",
        "owasp:MCP07",
        "owasp:ASI03",
        "cosai:MCP-T1",
    ),
    "token_replay": _REPLAY,
    "unauthenticated": ("attack:T1190", "safe-mcp:SAFE-T1005", "owasp:MCP07", "cosai:MCP-T1"),
    "scope_probing": ("attack:T1087", *_SEARCH),
    "enumeration": ("attack:T1526", *_SEARCH),
}
CLASSES: Final[tuple[Class, ...]] = (
    "brute",
    "spray",
    "stuffing",
    "success_after",
    "token_replay",
    "retry_storm",
    "outage",
    "unauthenticated",
    "scope_probing",
    "enumeration",
)


class FailedAuth(Detector[Any]):
    """One fold per view: account, source, tenant, server, client and token."""

    spec = Spec(
        name="failed_auth",
        version="1.0",
        by=("principal", "source", "tenant", "server", "client", "token"),
        cells=(FIVE_MINUTES, HOUR),
        settles={"principal": (HOUR,), "tenant": (HOUR,), "client": (), "token": (HOUR,)},
        classes=CLASSES,
        wants={
            "principal": AUTH_FAILED | SUCCEEDED | DENIED | NOT_FOUND,
            "source": AUTH_FAILED | SUCCEEDED | DENIED | NOT_FOUND,
            "tenant": AUTH_FAILED | SUCCEEDED,
            "server": AUTH_FAILED | AUTH_MISSING | SUCCEEDED,
            "client": AUTH_FAILED,
            "token": AUTH_FAILED | SUCCEEDED,
        },
        once={
            "principal": SUCCEEDED,
            "source": SUCCEEDED,
            "tenant": SUCCEEDED,
            "server": SUCCEEDED,
            "token": SUCCEEDED,
        },
        parameters=PARAMETERS,
        techniques=TECHNIQUES,
        documentation=PAGE,
        state_version=2,
    )

    def __init__(self, parameters: Mapping[str, float] | None = None) -> None:
        super().__init__(parameters)
        self._account = AccountView(self, self.parameters)
        self._source = SourceView(self, self.parameters)
        self._crowd = CrowdView(self, self.parameters)
        self._server = ServerView(self, self.parameters)
        self._client = ClientView(self, self.parameters)
        self._token = TokenView(self, self.parameters)
        self._steps: dict[Kind, Callable[[Any, Entity, AuditEvent, Facts], Sequence[Finding]]] = {
            "principal": self._account.step,
            "source": self._source.step,
            "tenant": self._crowd.step,
            "server": self._server.step,
            "client": self._client.step,
            "token": self._token.step,
        }

    def start(self, kind: Kind) -> Any:
        """The state of an entity that was never seen."""
        return _STATES[kind]()

    def step(self, state: Any, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event into the state; the findings that are now true and stay so."""
        return self._steps[entity.kind](state, entity, event, facts)

    def stepper(self, kind: Kind) -> Callable[[Any, Entity, AuditEvent, Facts], Sequence[Finding]]:
        """The step of one view."""
        return self._steps[kind]

    def settle(self, state: Any, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Learn who is in good standing and what is usual, forget what is too old, judge an outage."""
        kind = entity.kind
        if kind == "server":
            return self._server.settle(state, entity, cell.seconds, cell.start, facts.clock)
        if cell.seconds != HOUR:
            return self._source.close(state, entity, cell) if kind == "source" else NOTHING
        end = float(cell.end)
        if kind == "principal":
            return self._account.settle(state, entity, end, facts.clock)
        if kind == "source":
            return self._source.settle(state, entity, end, facts.clock)
        if kind == "tenant":
            return self._crowd.settle(state, entity, end, facts.clock)
        if kind == "token":
            self._token.settle(state, end, facts.clock)
        return NOTHING

    def summary(self, state: Any, entity: Entity, cell: Cell) -> tuple[int, ...] | None:
        """What a tenant's past says to sources that have none."""
        return state.past.summary(cell.end) if entity.kind == "tenant" and cell.seconds == HOUR else None

    def rest(self, state: Any, clock: float) -> None:
        """Drop what is no longer held."""
        state.rest(clock)

    def explain(self, state: Any, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Measure]:  # noqa: ARG002  # the state says it all
        """Guesses, retries and searches of the largest window that holds the event, against their bars."""
        return explain(state, event, self.parameters)

    def merge(
        self,
        state: Any,
        partial: Any,
        entity: Entity,
        facts: Facts,  # noqa: ARG002  # partials hold nothing that facts would decide
    ) -> Sequence[Finding]:
        """Fold a partial state, made by `step` from some of the entity's events."""
        kind = entity.kind
        if kind == "principal":
            return self._account.merge(state, partial, entity)
        if kind == "source":
            return self._source.merge(state, partial, entity)
        if kind == "server":
            return self._server.merge(state, partial, entity)
        if kind == "tenant":
            return self._crowd.merge(state, partial, entity)
        if kind == "token":
            return self._token.merge(state, partial, entity)
        return self._client.merge(state, partial, entity)


_STATES: Final[Mapping[Kind, type[Any]]] = {
    "principal": Account,
    "source": Source,
    "tenant": Crowd,
    "server": Service,
    "client": Client,
    "token": Token,
}

DETECTOR: Final = FailedAuth
