"""One source address: a spray over many accounts, guessing of nameless tokens, and success after either."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.authentication.bout import NOBODY, REMEMBERED, SETTLED, Bouts, Regular, Sum
from detectors.authentication.guessing import MINUTE, Bar, Guessing, Reached, dropped, judge, raised, reached, slowly
from detectors.authentication.reasons import attempt_of, failed, passed
from detectors.authentication.search import Search, SearchView
from detectors.authentication.standing import COLD, Standings, standing
from detectors.authentication.success import NO, SURE, Burst, successes
from detectors.base import NOTHING, Cell, Detector, Entity
from detectors.parts.habit import HOUR
from detectors.parts.keyed import pair
from detectors.parts.moments import CROWD, HELD
from detectors.telling import level_of, minutes, plural, tell
from stream.facts import Facts
from stream.finding import Class, Finding
from tocsin_audit.event import AuditEvent

DAY: Final = 86_400
QUARTER: Final = 15
NAMELESS: Final = 100
"""Added to the level of a source's brute force on nameless tokens."""


class Source(Guessing):
    """What is kept of one source: guessing by account and without a name, and what the nameless did not find."""

    __slots__ = ("nameless", "search", "standing")

    nameless: Bouts | None
    search: Search | None
    standing: Standings | None

    def __init__(self) -> None:
        super().__init__()
        self.nameless = None
        self.search = None
        self.standing = None

    def warm(self, end: int) -> bool:
        """Whether the hour that ends with a minute holds a guess at a tenant that has a past."""
        return self.standing is not None and self.standing.highest(end) > COLD

    def peers(self, end: int) -> int:
        """The hourly count usual from one source of all the tenants guessed at in the hour that ends with a minute."""
        return max(self.standing.lowest(end) - 1, 0) if self.standing is not None else 0

    def newcomers(self, time: float) -> int:
        """How many accounts got in here for the first time, some minutes ago at least."""
        if self.wins is None:
            return 0
        after, before = int(time) // MINUTE - REMEMBERED, int(time) // MINUTE - SETTLED
        if CROWD in self.wins.keys:
            return self.wins.LIMIT
        wins = self.wins.keys.items()
        return sum(1 for key, won in wins if won.within(after, before) and not self.habit.knows(key, time))

    def fold(self, other: Guessing) -> list[int]:
        """Fold what another counted; the numbers of the minutes that changed."""
        theirs = other.standing if isinstance(other, Source) else None
        if theirs is not None:
            if self.standing is None:
                self.standing = Standings()
            self.standing.update(theirs)
        return super().fold(other)

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        super().rest(clock)
        if self.standing is not None:
            self.standing.forget(int(clock) // MINUTE - HELD)
            if not self.standing:
                self.standing = None
        self.nameless = dropped(self.nameless, clock)
        if self.search is not None and not self.search.rest(clock):
            self.search = None


def account(event: AuditEvent) -> int:
    """The account that an event is about, as a number; 0 where nobody is named."""
    actor = event.user or event.client or event.agent
    return pair(event.tenant, actor) if actor else NOBODY


class SourceView:
    """The decisions about one source."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._search = SearchView(detector, parameters)
        window = int(parameters["spray_window"])
        self._bar = Bar(int(parameters["spray_guesses"]), int(parameters["spray_accounts"]), window, 1)
        self._slow = Bar(int(parameters["spray_slow_guesses"]), int(parameters["spray_slow_accounts"]), DAY, 1)
        self._nameless = Bar(int(parameters["nameless_guesses"]), 0, window)
        self._after = int(parameters["success_window"])
        self._ceiling = parameters["ceiling"]
        self._crowd = parameters["crowd_share"]

    def step(self, state: Source, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        if event.outcome == "ok" or passed(event):
            text = (event.tenant, event.user or event.client or event.agent)
            habit = state.habit
            if text in habit.sure and habit.begin <= event.time < habit.end:
                return NOTHING
            who = account(event)
            if who == NOBODY or not state.welcome(text, who, event, text[1]):
                return NOTHING
            if state.minutes is None and state.nameless is None:
                return NOTHING
            return self._after_success(state, entity, event)
        who = account(event)
        if failed(event):
            attempt = attempt_of(event)
            if not attempt.weight:
                return NOTHING
            cell = int(event.time) // MINUTE
            if who == NOBODY:
                ring = state.nameless
                if ring is None:
                    ring = state.nameless = Bouts()
                if not ring.holds(event.time, facts.clock):
                    return NOTHING
                if not ring.cell(event.time).add(NOBODY, NOBODY, attempt, event):
                    return NOTHING
                return self._guesses(state, entity, cell)
            changed = state.count(who, NOBODY, attempt, event, facts.clock)
            if state.minutes is None or cell not in state.minutes.cells:
                return NOTHING
            if state.standing is None:
                state.standing = Standings()
            stands = state.standing.add(cell, standing(event.tenant, event.time, facts))
            if not changed and not stands:
                return NOTHING
            anew = stands or (state.wins is not None and who in state.wins.keys)
            return self._bursts(state, entity, cell, anew=anew)
        if who != NOBODY:
            return NOTHING
        if state.search is None:
            state.search = Search()
        return self._search.step(state.search, entity, event, facts)

    def merge(self, state: Source, partial: Source, entity: Entity) -> Sequence[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        for cell in state.fold(partial):
            found += self._bursts(state, entity, cell, anew=True)
        if partial.nameless is not None:
            if state.nameless is None:
                state.nameless = Bouts()
            for cell in state.nameless.update(partial.nameless):
                found += self._guesses(state, entity, cell, anew=True)
        if partial.wins:
            found += self._after_success(state, entity, None)
        if partial.search is not None:
            if state.search is None:
                state.search = Search()
            found += self._search.merge(state.search, partial.search, entity)
        return found

    def settle(self, state: Source, entity: Entity, end: float, clock: float) -> Sequence[Finding]:
        """Judge the day that ends with an hour; learn from it, forget what is no longer held."""
        state.close(end)
        found: list[Finding] = []
        slow = slowly(state, end, self._slow, _spray_height, self._ceiling, self._crowd)
        if slow is not None:
            found += self._spray(entity, slow, HOUR, 0)
        state.learn(end, clock, self._bar.guesses, end - HOUR)
        state.rest(clock)
        return found

    def close(self, state: Source, entity: Entity, cell: Cell) -> Sequence[Finding]:
        """Judge what was guessed at tenants without a past, as five minutes close: it is known then who got in.

        People who begin at a new address mistype as often as a spray guesses, but nearly all of them get in.
        """
        ring = state.minutes
        if ring is None:
            return NOTHING
        first, last = cell.start // MINUTE, cell.end // MINUTE - 1
        held = sorted(one for one in ring.cells if first - self._after // MINUTE <= one <= last)
        # Those that close now, and of each quarter of an hour before the last.
        ends = {one // QUARTER: one for one in held} | {-one: one for one in held if one >= first}
        found: list[Finding] = []
        for end in sorted(set(ends.values())):
            if state.warm(end):
                continue
            one = self._stuck(ring, state, end, cell.end)
            if one is not None:
                found += self._spray(entity, one, MINUTE, self._bar.soft + 1)
                found += self._success(state, entity, one)
        return found

    def _stuck(self, ring: Bouts, state: Source, end: int, until: int) -> Reached | None:
        """The hour that ends with a minute, if those who had not got in by a moment reach the bar and are most."""
        cells = ring.window(end, self._bar.window // MINUTE)
        if sum(one.extent.count for one in cells) < self._bar.guesses:
            return None
        total = Sum(cells, state.regular(until + SETTLED * MINUTE))
        if _spray_height(total, self._bar) < 0:
            return None
        time = float(end * MINUTE)
        bar = raised(self._bar, state, time, self._ceiling, self._crowd)
        height = _spray_height(total, bar)
        tried = Sum(cells, Regular(state.habit, None, time)).keys
        return Reached(end, height, 0, total, bar, cells) if height >= 0 and total.keys * 2 >= tried else None

    def _bursts(self, state: Source, entity: Entity, cell: int, *, anew: bool = False) -> list[Finding]:
        found: list[Finding] = []
        for one in reached(state.minutes, state, cell, self._bar, _spray_height, self._ceiling, self._crowd, anew=anew):
            first = 0 if anew else one.untold
            if state.warm(one.end):
                found += self._spray(entity, one, MINUTE, first)
                found += self._success(state, entity, one)
            elif first == 0:
                found += self._spray(entity, one, MINUTE, 0, 0)
        return found

    def _guesses(self, state: Source, entity: Entity, cell: int, *, anew: bool = False) -> list[Finding]:
        found: list[Finding] = []
        for one in reached(state.nameless, state, cell, self._nameless, _nameless_height, 1.0, 0.0, anew=anew):
            found += self._brute(entity, one, 0 if anew else one.untold)
            found += self._success(state, entity, one)
        return found

    def _spray(self, entity: Entity, one: Reached, seconds: int, first: int, last: int | None = None) -> list[Finding]:
        total, bar = one.total, one.bar
        return [
            self._tell(
                "spray",
                entity,
                one,
                seconds,
                level,
                title="Password spray from one source",
                observed=f"{plural(total.guesses + total.weak, 'guess', 'guesses')} at {plural(total.keys, 'account')} "
                f"within {minutes(bar.window)}",
                expected=f"fewer than {bar.keys * 4**level} accounts or {bar.guesses * 4**level} guesses from a source "
                "where none of them works",
                why="One source tried the secrets of many accounts that do not usually work from there.",
            )
            for level in sorted(
                {max(height - bar.soft, 0) for height in range(first, (one.level if last is None else last) + 1)}
            )
        ]

    def _brute(self, entity: Entity, one: Reached, first: int) -> list[Finding]:
        total, bar = one.total, self._nameless
        return [
            self._tell(
                "brute",
                entity,
                one,
                MINUTE,
                level,
                shift=NAMELESS,
                title="Tokens guessed from one source",
                observed=f"{plural(total.nobody, 'different guess', 'different guesses')} without a name "
                f"within {minutes(one.bar.window)}",
                expected=f"fewer than {bar.guesses * 4**level}",
                why="One source presented ever new credentials that name nobody.",
            )
            for level in range(first, one.level + 1)
        ]

    def _tell(
        self,
        class_: Class,
        entity: Entity,
        one: Reached,
        seconds: int,
        level: int,
        *,
        shift: int = 0,
        title: str,
        observed: str,
        expected: str,
        why: str,
    ) -> Finding:
        return tell(
            self._detector,
            class_,
            entity.names,
            tenant=entity.tenant,
            severity="high" if level and not shift else "medium",
            at=one.end * seconds,
            window=one.bar.window,
            level=level + shift,
            title=title,
            observed=observed,
            expected=expected,
            why=why,
            shown=one.shown,
            confidence=0.9 if one.total.weak * 2 <= one.total.guesses + one.total.nobody else 0.6,
        )

    def _after_success(self, state: Source, entity: Entity, event: AuditEvent | None) -> list[Finding]:
        found: list[Finding] = []
        for ring, floor, height, ceiling, crowd in (
            (state.minutes, self._bar, _spray_height, self._ceiling, self._crowd),
            (state.nameless, self._nameless, _nameless_height, 1.0, 0.0),
        ):
            if ring is None:
                continue
            ends = sorted(ring.cells)
            if event is not None:
                minute = int(event.time) // MINUTE
                ends = [end for end in ends if minute - self._after // MINUTE <= end <= minute]
            for end in ends:
                one = judge(ring, state, end, floor, height, ceiling, crowd)
                if one is not None and (ring is state.nameless or state.warm(end)):
                    found += self._success(state, entity, one, event)
        return found

    def _success(self, state: Source, entity: Entity, one: Reached, event: AuditEvent | None = None) -> list[Finding]:
        if not state.wins:
            return []
        burst = Burst("burst of guesses from the same source", "caller that never worked from there", self._after)
        level = one.level - one.bar.soft
        return successes(self._detector, state, entity, one, burst, _somebody, event, named="user", level=level)


def _somebody(key: int) -> int:
    return NO if key in (CROWD, NOBODY) else SURE


def _nameless_height(total: Sum, bar: Bar) -> int:
    """The level of guessing without a name. Guesses of unclear kind bring it to the first at most."""
    level = level_of(total.nobody, bar.guesses)
    return 0 if level < 0 and total.nobody + total.weak >= bar.guesses else level


def _spray_height(total: Sum, bar: Bar) -> int:
    """The level of a spray, below which are one where many who came lately got in, or where machines' secrets failed.

    Guesses of unclear kind bring it to the first at most. A company that moved in has more who mistype, the more of it
    there are.
    """
    factor = 1.0 + total.fresh / bar.keys
    guesses, keys = bar.guesses * factor, bar.keys * factor
    level = min(level_of(total.guesses, guesses), level_of(total.keys, keys))
    if level >= 0:
        return level + 1
    if total.guesses + total.weak - total.machine >= guesses and total.keys >= keys:
        return 1
    return 0 if total.guesses + total.weak >= bar.guesses and total.keys >= bar.keys else -1
