"""One MCP server: stuffing across tenants, an outage of authentication, and answers without valid credentials."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from detectors.authentication.crowd import Crowd, CrowdView
from detectors.authentication.guessing import MINUTE, dropped
from detectors.authentication.outage import CELL, OutageView, RefusedRing, caller
from detectors.authentication.reasons import failed, passed
from detectors.authentication.unchecked import UNCHECKED, Guard, GuardView
from detectors.base import NOTHING, Detector, Entity
from detectors.parts.distinct import Distinct, union
from detectors.parts.habit import HOUR, Habit
from detectors.parts.keyed import number
from detectors.parts.moments import HELD
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

NOTED: Final = 1 << 14
"""Callers of one minute that are remembered to have been counted; others are counted again, which changes nothing."""


class Service(Crowd):
    """What is kept of one server: who was refused, who got through, and who usually does.

    Who got through is kept by minute in `answered` until its cell closes, and then by cell in `passed`. `noted` and
    `minute` remember who was counted already: they only save work, and are not packed.
    """

    __slots__ = ("answered", "callers", "guard", "minute", "noted", "passed", "refused")

    refused: RefusedRing | None
    answered: dict[int, Distinct]
    passed: dict[int, Distinct]
    callers: Habit
    guard: Guard

    def __init__(self) -> None:
        super().__init__()
        self.refused = None
        self.answered = {}
        self.passed = {}
        self.callers = Habit()
        self.guard = Guard()
        self.minute = -1
        self.noted: set[Hashable] = set()

    def counted(self, minute: int, text: Hashable) -> bool:
        """Whether an answer to these was counted in a minute; from now on it was."""
        if getattr(self, "minute", None) != minute:  # an unpacked state remembers nothing
            self.minute, self.noted = minute, {text}
            return False
        if text in self.noted:
            return True
        if len(self.noted) < NOTED:
            self.noted.add(text)
        return False

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        super().rest(clock)
        self.refused = dropped(self.refused, clock)
        oldest = (int(clock) - HELD * MINUTE) // CELL
        for cell in [one for one in self.passed if one <= oldest]:
            del self.passed[cell]
        self.guard.rest(clock)


class ServerView:
    """The decisions about one server. Stuffing is told by the tenant's view where a tenant is named."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._crowd = CrowdView(detector, parameters)
        self._outage = OutageView(detector, parameters)
        self._guard = GuardView(detector, parameters)

    def step(self, state: Service, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        if event.outcome == "ok" or passed(event):
            auth = event.auth
            time = event.time
            minute = int(time) // MINUTE
            if auth == "valid" and not event.late and state.guard.demands.current is not None:
                who = event.user or event.client or event.agent or event.token
                if state.counted(minute, (who, event.source_ip)):
                    return NOTHING
            self._answered(state, event, minute)
            if auth in UNCHECKED:
                return self._guard.answer(state.guard, entity, event, facts.clock)
            if auth == "valid" or (auth is None and event.token is not None):
                self._guard.check(state.guard, event, refused=False)
            return NOTHING
        if event.outcome == "auth_missing":
            self._guard.check(state.guard, event, refused=True)
            return NOTHING
        if not failed(event):
            return NOTHING
        self._guard.check(state.guard, event, refused=True)
        if state.refused is None:
            state.refused = RefusedRing()
        self._outage.refuse(state.refused, event, facts.clock)
        return self._crowd.step(state, entity, event, facts) if event.tenant is None else NOTHING

    def merge(self, state: Service, partial: Service, entity: Entity) -> Sequence[Finding]:
        """Fold a partial state."""
        if partial.refused is not None:
            if state.refused is None:
                state.refused = RefusedRing()
            state.refused.update(partial.refused)
        for minute, callers in partial.answered.items():
            mine = state.answered.get(minute)
            if mine is None:
                mine = state.answered[minute] = Distinct()
            mine.update(callers)
        return self._crowd.merge(state, partial, entity) + self._guard.merge(state.guard, partial.guard, entity)

    def settle(self, state: Service, entity: Entity, seconds: int, start: int, clock: float) -> Sequence[Finding]:
        """Judge the last ten minutes; learn from an hour."""
        if seconds == CELL:
            found = [*self._guard.close(state.guard, entity, start)]
            if state.refused is not None:
                before = union(cell for at, cell in state.passed.items() if start - HOUR <= at * CELL < start)
                found += self._outage.settle(state.refused, state.answered, before, state.callers, entity, start)
            self._close(state, start)
            return found
        if seconds == HOUR:
            self._learn(state, start)
            found = self._crowd.settle(state, entity, float(start + HOUR), clock)
            self._guard.settle(state.guard, float(start + HOUR), clock)
            state.rest(clock)
            return found
        return NOTHING

    def _close(self, state: Service, start: int) -> None:
        """Keep by cell who got through in the minutes of a closed one, and by minute only what is judged once more."""
        whole = Distinct()
        for minute, callers in sorted(state.answered.items()):
            if start <= minute * MINUTE < start + CELL:
                whole.update(callers)
            elif minute * MINUTE < start - CELL:
                del state.answered[minute]
        if whole:
            state.passed[start // CELL] = whole

    def _answered(self, state: Service, event: AuditEvent, minute: int) -> None:
        if event.late:
            return  # a cell is judged when it has closed, before anything can be late for it
        key = caller(event)
        if key:
            answered = state.answered.get(minute)
            if answered is None:
                answered = state.answered[minute] = Distinct()
            answered.add(key)
        source = event.source_ip
        if event.tenant is None and source is not None:
            state.welcome(source, number(source), event)

    def _learn(self, state: Service, start: int) -> None:
        first = start // CELL
        for cell in range(first, first + HOUR // CELL):
            callers = state.passed.get(cell)
            if callers is not None:
                state.callers.fold(callers, float(start))
        state.callers.settle(float(start + HOUR))
