"""One token: replayed from many places, or lapsed and retried from one."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.authentication.guessing import dropped
from detectors.authentication.lapse import Refusals, retries
from detectors.authentication.reasons import PROVIDER, attempt_of, failed, passed
from detectors.base import NOTHING, Detector, Entity
from detectors.parts.extent import Evidence, Extent
from detectors.parts.habit import HOUR, Habit
from detectors.parts.keyed import number
from detectors.parts.moments import HELD, Sightings
from detectors.telling import level_of, plural, tell
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

MINUTE: Final = 60
ACCEPTED: Final = 100
"""Added to the level of a replay whose token was accepted."""


class Token:
    """What is kept of one token: where it was accepted and refused, and how often it was refused."""

    __slots__ = ("accepted", "habit", "refusals", "refused", "shown")

    accepted: Sightings
    refused: Sightings | None
    refusals: Refusals | None
    habit: Habit | None
    shown: Extent | None

    def __init__(self) -> None:
        self.accepted = Sightings()
        self.refused = None
        self.refusals = None
        self.habit = None
        self.shown = None

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        before = int(clock) // MINUTE - HELD
        self.accepted.forget(before)
        if self.refused is not None:
            self.refused.forget(before)
            if not self.refused:
                self.refused = None
        self.refusals = dropped(self.refusals, clock)
        if not self.accepted:
            self.shown = None


class TokenView:
    """The decisions about one token."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._refused = int(parameters["replay_refused"])
        self._accepted = int(parameters["replay_accepted"])
        self._retries = int(parameters["retries"])

    def step(self, state: Token, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        source = event.source_ip
        time = event.time
        minute = int(time) // MINUTE
        if event.outcome == "ok" or passed(event):
            if source is None:
                return NOTHING
            accepted = state.accepted
            if not accepted.add(number(source), minute) or len(accepted.keys) == 1:
                return NOTHING
            if state.shown is None:
                state.shown = Extent()
            state.shown.add(event)
            return self._replays(state, entity, minute, accepted=True)
        if not failed(event) or attempt_of(event).reason == PROVIDER:
            return NOTHING
        refusals = state.refusals
        if refusals is None:
            refusals = state.refusals = Refusals()
        if not refusals.holds(time, facts.clock):
            return NOTHING
        refusals.cell(time).add(event)
        found = [*retries(self._detector, refusals, entity, minute, self._retries, what="one token")]
        if source is not None:
            refused = state.refused
            if refused is None:
                refused = state.refused = Sightings()
            if refused.add(number(source), minute) and len(refused.keys) > 1:
                found += self._replays(state, entity, minute, accepted=False)
        return found

    def merge(self, state: Token, partial: Token, entity: Entity) -> list[Finding]:
        """Fold a partial state."""
        if partial.habit is not None:
            if state.habit is None:
                state.habit = Habit()
            state.habit.update(partial.habit)
        if partial.shown is not None:
            if state.shown is None:
                state.shown = Extent()
            state.shown.update(partial.shown)
        found: list[Finding] = []
        if partial.refusals is not None:
            if state.refusals is None:
                state.refusals = Refusals()
            for cell in state.refusals.update(partial.refusals):
                found += retries(
                    self._detector, state.refusals, entity, cell, self._retries, what="one token", one=False
                )
        state.accepted.update(partial.accepted)
        if partial.refused is not None:
            if state.refused is None:
                state.refused = Sightings()
            state.refused.update(partial.refused)
        for minutes, accepted in ((partial.accepted, True), (partial.refused, False)):
            for seen in minutes.keys.values() if minutes is not None else ():
                for minute in seen.listed():
                    found += self._replays(state, entity, minute, accepted=accepted)
        return found

    def settle(self, state: Token, end: float, clock: float) -> None:
        """Learn from an hour, forget what is no longer held."""
        hour = int(end) // MINUTE
        if len(state.accepted.keys) > 1 or state.habit is not None:
            # A token of one place needs no habit; where a fleet shares one, its places become known.
            if state.habit is None:
                state.habit = Habit()
            for place in state.accepted.within(hour - HOUR // MINUTE, hour - 1):
                state.habit.see(place, end - 1)
            state.habit.settle(end)
        state.rest(clock)

    def _replays(self, state: Token, entity: Entity, minute: int, *, accepted: bool) -> list[Finding]:
        """The hours, each ending with a minute, in which the token came from so many places."""
        seen = state.accepted if accepted else state.refused
        bar = self._accepted if accepted else self._refused
        if seen is None or len(seen.keys) < bar:
            return []
        found: list[Finding] = []
        ends = sorted({one for minutes in seen.keys.values() for one in minutes.listed()})
        for end in ends:
            if not minute <= end < minute + HOUR // MINUTE:
                continue
            first = end - HOUR // MINUTE + 1
            count = sum(
                1
                for key, minutes in seen.keys.items()
                if (span := minutes.span(first, end)) is not None
                and not (accepted and state.habit is not None and state.habit.knows(key, span[0] * MINUTE))
            )
            levels = range(level_of(count, bar) + 1)
            found += [self._tell(state, entity, end, level, count, bar, accepted=accepted) for level in levels]
        return found

    def _tell(
        self, state: Token, entity: Entity, end: int, level: int, count: int, bar: int, *, accepted: bool
    ) -> Finding:
        cells = [] if state.refusals is None else state.refusals.window(end, HOUR // MINUTE)
        if accepted:
            cells = [state.shown] if state.shown is not None else []
        done = "accepted" if accepted else "refused"
        return tell(
            self._detector,
            "token_replay",
            entity.names,
            tenant=entity.tenant,
            severity="high" if level else "medium",
            at=end * MINUTE,
            window=HOUR,
            level=level + (ACCEPTED if accepted else 0),
            title="One token used from many places",
            observed=f"{done} from {plural(count, 'source')} within 1 hour",
            expected=f"fewer than {bar * 4**level} sources that it was not used from before",
            why="A token belongs to one caller; one that comes from ever new places was copied.",
            shown=Evidence(cells),
            confidence=0.7,
        )
