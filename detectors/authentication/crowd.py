"""One tenant or server: credentials stuffed from many sources into many accounts."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.authentication.bout import NOBODY, Sum
from detectors.authentication.guessing import MINUTE, Bar, Guessing, Reached, dropped, reached, slowly
from detectors.authentication.reasons import attempt_of, failed, passed
from detectors.authentication.source import account
from detectors.authentication.standing import Past
from detectors.base import NOTHING, Detector, Entity
from detectors.parts.distinct import union
from detectors.parts.extent import Evidence
from detectors.parts.habit import HOUR
from detectors.parts.keyed import number
from detectors.parts.targets import TargetRing
from detectors.telling import level_of, minutes, plural, tell
from stream.facts import Facts
from stream.finding import Class, Finding
from tocsin_audit.event import AuditEvent

DAY: Final = 86_400
SOURCELESS: Final = 100
"""Added to the level of what was guessed from sources that nobody recorded."""
_EITHER: Final[tuple[Class, ...]] = ("spray", "stuffing")


class Crowd(Guessing):
    """What is kept of one tenant: guessing by source, with the accounts that were tried, and guessing from nowhere."""

    __slots__ = ("past", "sourceless")

    past: Past
    sourceless: TargetRing | None

    def __init__(self) -> None:
        super().__init__()
        self.past = Past()
        self.sourceless = None

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        super().rest(clock)
        self.sourceless = dropped(self.sourceless, clock)


class CrowdView:
    """The decisions about the crowd of a tenant or a server."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._bar = Bar(
            int(parameters["stuffing_guesses"]), int(parameters["stuffing_sources"]), int(parameters["stuffing_window"])
        )
        self._sourceless_guesses = int(min(parameters["stuffing_guesses"], parameters["spray_guesses"]))
        slow = int(parameters["stuffing_slow_factor"])
        self._accounts = int(parameters["stuffing_accounts"])
        self._slow = Bar(self._bar.guesses * slow, self._bar.keys * slow, DAY)
        self._slow_accounts = self._accounts * slow
        self._ceiling = parameters["ceiling"]
        self._unusual = int(parameters["spray_guesses"]) * self._ceiling

    def step(self, state: Crowd, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        source = event.source_ip
        if source is None:
            return self._sourceless(state, entity, event, facts)
        if event.outcome == "ok" or passed(event):
            habit = state.habit
            if source not in habit.sure or not habit.begin <= event.time < habit.end:
                state.welcome(source, number(source), event)
            return NOTHING
        place = number(source)
        if not failed(event):
            return NOTHING
        attempt = attempt_of(event)
        if not attempt.weight:
            return NOTHING
        who = account(event)
        if not state.count(place, who if who != NOBODY else attempt.token, attempt, event, facts.clock):
            return NOTHING
        return self._stuffing(state, entity, int(event.time) // MINUTE)

    def merge(self, state: Crowd, partial: Crowd, entity: Entity) -> list[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        if partial.sourceless is not None:
            if state.sourceless is None:
                state.sourceless = TargetRing()
            for cell in state.sourceless.update(partial.sourceless):
                found += self._nowhere(state.sourceless, entity, cell, anew=True)
        for cell in state.fold(partial):
            found += self._stuffing(state, entity, cell, anew=True)
        return found

    def settle(self, state: Crowd, entity: Entity, end: float, clock: float) -> list[Finding]:
        """Judge the day that ends with an hour; learn from it, forget what is no longer held."""
        state.close(end)
        cell = state.hours.cells.get(int(end) // HOUR - 1) if state.hours is not None else None
        peak = max((tries.guesses for tries in cell.tries.values()), default=0) if cell is not None else 0
        state.past.settle(end, peak, peak >= self._unusual)
        slow = slowly(state, end, self._slow, self._slow_height, self._ceiling, 0.0)
        found = [self._tell(state, entity, slow, 0, HOUR)] if slow is not None else []
        state.learn(end, clock, self._bar.guesses, end - HOUR)
        return found

    def _stuffing(self, state: Guessing, entity: Entity, cell: int, *, anew: bool = False) -> list[Finding]:
        found: list[Finding] = []
        for one in reached(state.minutes, state, cell, self._bar, self._height, self._ceiling, 0.0, anew=anew):
            levels = range(0 if anew else one.untold, one.level + 1)
            found += [self._tell(state, entity, one, level, MINUTE) for level in levels]
        return found

    def _sourceless(self, state: Crowd, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Guesses whose source nobody recorded: how many accounts they were aimed at is all that can be told."""
        if event.outcome == "ok" or not failed(event):
            return NOTHING
        who = account(event)
        attempt = attempt_of(event)
        if who == NOBODY or not attempt.weight:
            return NOTHING
        ring = state.sourceless
        if ring is None:
            ring = state.sourceless = TargetRing()
        if not ring.holds(event.time, facts.clock):
            return NOTHING
        cell = ring.cell(event.time)
        cell.extent.add(event)
        cell.targets.add(who)
        return self._nowhere(ring, entity, int(event.time) // MINUTE)

    def _nowhere(self, ring: TargetRing, entity: Entity, cell: int, *, anew: bool = False) -> list[Finding]:
        window, bar = self._bar.window, self._sourceless_guesses
        width = window // MINUTE
        found: list[Finding] = []
        for end in ring.ends(cell, width):
            last = ring.cells[end]
            told, skip = last.told.get(width, (-1, 0))
            if skip > 0 and not anew:
                last.told[width] = (told, skip - 1)
                continue
            cells = ring.window(end, width)
            guesses = sum(one.extent.count for one in cells)
            accounts = len(union(one.targets for one in cells)) if guesses >= bar else 0
            level = min(level_of(guesses, bar), level_of(accounts, self._accounts), 0)
            last.told[width] = (max(told, level), max(bar - guesses - 1, 0))
            if level < 0 or (told >= 0 and not anew):
                continue
            shown = Evidence(one.extent for one in cells)
            found += [
                tell(
                    self._detector,
                    class_,
                    entity.names,
                    tenant=entity.tenant,
                    severity="medium",
                    at=end * MINUTE,
                    window=window,
                    level=SOURCELESS,
                    title="Many accounts tried from unrecorded sources",
                    observed=f"{plural(guesses, 'guess', 'guesses')} at {plural(accounts, 'account')} "
                    f"within {minutes(window)}, without a source",
                    expected=f"fewer than {self._accounts} accounts or {bar} guesses",
                    why="Many accounts failed together. Without `source_ip` a spray from one place and stuffing from "
                    "many look the same, and so both are told.",
                    shown=shown,
                    confidence=0.5,
                )
                for class_ in _EITHER
            ]
        return found

    def _height(self, total: Sum, bar: Bar) -> int:
        return _stuffing_height(total, bar, self._accounts)

    def _slow_height(self, total: Sum, bar: Bar) -> int:
        return _stuffing_height(total, bar, self._slow_accounts)

    def _tell(self, state: Guessing, entity: Entity, one: Reached, level: int, seconds: int) -> Finding:
        total, bar = one.total, one.bar
        # Without habits an outage looks the same: everybody's source is unknown. It is told, but wakes nobody.
        known = state.habit.formed(float(one.end * seconds))
        return tell(
            self._detector,
            "stuffing",
            entity.names,
            tenant=entity.tenant,
            severity="high" if level and known else "medium",
            at=one.end * seconds,
            window=bar.window,
            level=level,
            title="Credentials stuffed from many sources",
            observed=f"{plural(total.guesses + total.weak, 'guess', 'guesses')} at {plural(total.inner, 'account')} "
            f"from {plural(total.keys, 'source')} within {minutes(bar.window)}",
            expected=f"fewer than {bar.keys * 4**level} sources never seen here before, or fewer than "
            f"{bar.guesses * 4**level} guesses from them",
            why="Many sources that were never used here tried many accounts.",
            shown=one.shown,
            confidence=0.9 if known else 0.6,
        )


def _stuffing_height(total: Sum, bar: Bar, accounts: int) -> int:
    """The level of stuffing: sources, guesses and accounts together. Unclear guesses bring it to the first at most."""
    level = min(level_of(total.guesses, bar.guesses), level_of(total.keys, bar.keys), level_of(total.inner, accounts))
    if level < 0 and total.guesses + total.weak >= bar.guesses and total.keys >= bar.keys and total.inner >= accounts:
        return 0
    return level
