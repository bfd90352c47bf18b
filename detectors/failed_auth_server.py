"""One MCP server: stuffing across tenants, an outage of authentication, and answers without valid credentials."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.base import NOTHING, Detector, Entity
from detectors.failed_auth_crowd import Crowd, CrowdView
from detectors.failed_auth_outage import CELL, OutageView, RefusedRing
from detectors.failed_auth_reasons import failed, passed
from detectors.failed_auth_unchecked import UNCHECKED, Guard, GuardView
from detectors.parts.habit import HOUR
from detectors.parts.keyed import number
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent


class Service(Crowd):
    """What is kept of one server."""

    refused: RefusedRing
    passed: dict[int, int]
    guard: Guard

    def __init__(self) -> None:
        super().__init__()
        self.refused = RefusedRing()
        self.passed = {}
        self.guard = Guard()

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        super().rest(clock)
        if self.refused.cells:
            self.refused.forget(clock)
        oldest = int(clock) // CELL - self.refused.held
        for cell in [one for one in self.passed if one <= oldest]:
            del self.passed[cell]
        if self.guard.calls.cells:
            self.guard.calls.forget(clock)


class ServerView:
    """The decisions about one server. Stuffing is told by the tenant's view where a tenant is named."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._crowd = CrowdView(detector, parameters)
        self._outage = OutageView(detector, parameters)
        self._guard = GuardView(detector, parameters)

    def step(self, state: Service, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        if event.outcome == "ok" or passed(event):
            source = event.source_ip
            if source is not None:
                state.welcome(number(source), event)
            cell = int(event.time) // CELL
            state.passed[cell] = state.passed.get(cell, 0) + 1
            if event.auth == "valid":
                if state.guard.demands.current is None:
                    self._guard.check(state.guard, event)
            elif event.auth in UNCHECKED:
                return self._guard.answer(state.guard, entity, event, facts.clock)
            return NOTHING
        if event.outcome == "auth_missing":
            self._guard.check(state.guard, event)
            return NOTHING
        if not failed(event):
            return NOTHING
        self._guard.check(state.guard, event)
        self._outage.refuse(state.refused, event, facts.clock)
        return self._crowd.step(state, entity, event, facts) if event.tenant is None else NOTHING

    def merge(self, state: Service, partial: Service, entity: Entity) -> Sequence[Finding]:
        """Fold a partial state."""
        state.refused.update(partial.refused)
        for cell, count in partial.passed.items():
            state.passed[cell] = state.passed.get(cell, 0) + count
        return self._crowd.merge(state, partial, entity) + self._guard.merge(state.guard, partial.guard, entity)

    def settle(self, state: Service, entity: Entity, seconds: int, start: int, clock: float) -> Sequence[Finding]:
        """Judge the last ten minutes; learn from an hour."""
        if seconds == CELL:
            number_ = start // CELL
            answered = state.passed.get(number_, 0) + state.passed.get(number_ - 1, 0)
            return self._outage.settle(state.refused, answered, state.habit, entity, start)
        if seconds == HOUR:
            found = self._crowd.settle(state, entity, float(start + HOUR), clock)
            self._guard.settle(state.guard, float(start + HOUR), clock)
            state.rest(clock)
            return found
        return NOTHING
