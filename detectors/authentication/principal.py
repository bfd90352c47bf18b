"""One account: guesses against it, success after them, and refusals that are no attack."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.authentication.bout import NOBODY, SETTLED, Sum
from detectors.authentication.guessing import MINUTE, Bar, Guessing, Reached, dropped, judge, reached, slowly
from detectors.authentication.lapse import Refusals, retries
from detectors.authentication.reasons import LAPSED, attempt_of, failed, passed
from detectors.authentication.search import Search, SearchView
from detectors.authentication.sharing import Hands, network, shared
from detectors.authentication.success import DOUBTED, NO, SURE, Burst, successes
from detectors.base import NOTHING, Detector, Entity
from detectors.parts.habit import HOUR
from detectors.parts.keyed import number
from detectors.parts.moments import CROWD
from detectors.telling import level_of, minutes, plural, tell
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

DAY: Final = 86_400
LOGIN: Final = 1 << 32
"""The key of log-ins whose source is not known: unlike a request, one is rarely the owner's who just works on."""
TOKEN: Final = 1 << 33
"""Added to the number of a token that was accepted from a source not known: a new one may be another's."""
RETRIED: Final = "a lapsed or wrong credential"
FAMILIAR: Final = 4
"""How many times more different tokens a familiar place must try: there they are mostly a rotation gone wrong."""


class Account(Guessing):
    """What is kept of one account: guessing by source, refusals for expiry, and what was denied or not found."""

    __slots__ = ("hands", "lapsed", "search")

    hands: Hands | None
    lapsed: Refusals | None
    search: Search | None

    def __init__(self) -> None:
        super().__init__()
        self.hands = None
        self.lapsed = None
        self.search = None

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        super().rest(clock)
        if self.hands is not None and not self.hands.forget(clock):
            self.hands = None
        self.lapsed = dropped(self.lapsed, clock)
        if self.search is not None and not self.search.rest(clock):
            self.search = None


class AccountView:
    """The decisions about one account."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._search = SearchView(detector, parameters)
        self._bar = Bar(int(parameters["brute_guesses"]), 0, int(parameters["brute_window"]), 1)
        self._slow = Bar(int(parameters["brute_slow_guesses"]), 0, DAY, 1)
        self._after = int(parameters["success_window"])
        self._ceiling = parameters["ceiling"]
        self._retries = int(parameters["retries"])

    def step(self, state: Account, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        source = event.source_ip
        if event.outcome == "ok" or passed(event):
            habit = state.habit
            if source in habit.sure and habit.begin <= event.time < habit.end:
                return self._familiar(state, entity, event)
            place = number(source) if source is not None else _nowhere(event)
            if source is not None and habit.meet(place, event.time, event.late):
                habit.trust(source, place, event.time)
                return self._familiar(state, entity, event)
            return self._stranger(state, entity, event, place)
        if failed(event):
            place = number(source) if source is not None else NOBODY
            return self._failure(state, entity, event, place, facts.clock)
        if state.search is None:
            state.search = Search()
        return self._search.step(state.search, entity, event, facts)

    def merge(self, state: Account, partial: Account, entity: Entity) -> Sequence[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        for cell in state.fold(partial):
            found += self._bursts(state, entity, cell, anew=True)
        if partial.wins and state.minutes is not None:
            for cell in sorted(state.minutes.cells):
                found += self._success(state, entity, cell)
        if partial.lapsed is not None:
            if state.lapsed is None:
                state.lapsed = Refusals()
            for cell in state.lapsed.update(partial.lapsed):
                found += retries(self._detector, state.lapsed, entity, cell, self._retries, what=RETRIED, one=False)
        if partial.search is not None:
            if state.search is None:
                state.search = Search()
            found += self._search.merge(state.search, partial.search, entity)
        return found

    def settle(self, state: Account, entity: Entity, end: float, clock: float) -> Sequence[Finding]:
        """Judge the day that ends with an hour; learn from it, forget what is no longer held."""
        state.close(end)
        found: list[Finding] = []
        slow = slowly(state, end, self._slow, _height, self._ceiling, 0.0)
        if slow is not None:
            found += self._brute(entity, slow, HOUR, 0)
        # An owner who mistypes at a new place and then gets in is no measure of what strangers usually try.
        state.learn(end, clock, self._bar.guesses, end + SETTLED * MINUTE)
        state.rest(clock)
        return found

    def _familiar(self, state: Account, entity: Entity, event: AuditEvent) -> Sequence[Finding]:
        if event.token is None:
            return NOTHING
        hands = state.hands
        if hands is None:
            hands = state.hands = Hands()
        minute = int(event.time) // MINUTE
        key = hands.home(event.token, minute)
        return shared(self._detector, hands, entity, key, minute) if key else NOTHING

    def _stranger(self, state: Account, entity: Entity, event: AuditEvent, place: int) -> Sequence[Finding]:
        time = event.time
        minute = int(time) // MINUTE
        found: list[Finding] = []
        source = event.source_ip
        if event.token is not None and source is not None:
            # One more address of a familiar network is a pool of exits, not another hand.
            if state.habit.meet(network(source), time, event.late):
                found += self._familiar(state, entity, event)
            elif state.habit.formed(time):
                hands = state.hands
                if hands is None:
                    hands = state.hands = Hands()
                if key := hands.abroad(event, minute):
                    found += shared(self._detector, hands, entity, key, minute)
        if state.win(place, minute, source, event) and state.minutes is not None:
            found += self._after_success(state, entity, event)
        return found

    def _failure(
        self, state: Account, entity: Entity, event: AuditEvent, place: int, clock: float
    ) -> Sequence[Finding]:
        attempt = attempt_of(event)
        cell = int(event.time) // MINUTE
        found: list[Finding] = []
        # Tokens have a view of their own, since several callers may hold one.
        if attempt.weight == "machine" or (attempt.reason in LAPSED and not attempt.token):
            if state.lapsed is None:
                state.lapsed = Refusals()
            if not state.lapsed.holds(event.time, clock):
                return NOTHING
            state.lapsed.cell(event.time).add(event)
            found += retries(self._detector, state.lapsed, entity, cell, self._retries, what=RETRIED)
        doubted = attempt.weight == "machine" and not _doubted(state, cell)
        if attempt.weight and state.count(place, NOBODY, attempt, event, clock):
            anew = state.wins is not None and (doubted or place in state.wins.keys)
            found += self._bursts(state, entity, cell, anew=anew)
        return found

    def _bursts(self, state: Account, entity: Entity, cell: int, *, anew: bool = False) -> list[Finding]:
        found: list[Finding] = []
        for one in reached(state.minutes, state, cell, self._bar, _height, self._ceiling, 0.0, anew=anew):
            found += self._brute(entity, one, MINUTE, 0 if anew else one.untold)
            if state.wins:
                found += self._success(state, entity, one.end, one)
        return found

    def _brute(self, entity: Entity, one: Reached, seconds: int, first: int) -> list[Finding]:
        total, bar, shown = one.total, one.bar, one.shown
        strangers = _guesses(total)
        return [
            tell(
                self._detector,
                "brute",
                entity.names,
                tenant=entity.tenant,
                severity="high" if level else "medium",
                at=one.end * seconds,
                window=bar.window,
                level=level,
                title="Brute force against one account",
                observed=f"{plural(max(strangers, total.familiar), 'guess', 'guesses')} from "
                f"{plural(max(total.keys, 1), 'source')} within {minutes(bar.window)}",
                expected=f"fewer than {bar.guesses * 4**level} from places that this account does not use",
                why="Different secrets were tried for one account. The same token again counts once, and what a "
                "place tries from which the account usually works does not count.",
                shown=shown,
                confidence=0.9 if total.weak * 2 <= strangers else 0.6,
            )
            for level in sorted({max(height - bar.soft, 0) for height in range(first, one.level + 1)})
        ]

    def _after_success(self, state: Account, entity: Entity, event: AuditEvent) -> list[Finding]:
        minute = int(event.time) // MINUTE
        first = minute - self._after // MINUTE
        found: list[Finding] = []
        if state.minutes is None:
            return found
        for cell in sorted(one for one in state.minutes.cells if first <= one <= minute):
            found += self._success(state, entity, cell, event=event)
        return found

    def _success(
        self,
        state: Account,
        entity: Entity,
        end: int,
        one: Reached | None = None,
        event: AuditEvent | None = None,
    ) -> list[Finding]:
        if one is None and state.minutes is not None:
            one = judge(state.minutes, state, end, self._bar, _height, self._ceiling, 0.0)
        if one is None or _guesses(one.total) < one.bar.guesses:
            return []
        formed = state.habit.formed(float(end * MINUTE))
        regular = state.regular(float(end * MINUTE))
        # Of an account that worked from unknown places before, a new token or log-in may well be the owner's.
        active = state.wins is not None and any(_sourceless(key) and regular.knows(key) for key in state.wins.keys)

        def intruder(key: int) -> int:
            if _sourceless(key):
                new = one.total.nobody > 0 and (key == LOGIN or not regular.knows(key))
                return NO if not new else DOUBTED if active else SURE
            return SURE if formed or key in one.total.who or (key == CROWD and bool(one.total.who)) else NO

        burst = Burst("brute force", "source that tried or that this account never used", self._after)
        return successes(
            self._detector,
            state,
            entity,
            one,
            burst,
            intruder,
            event,
            named="source_ip",
            level=one.level - one.bar.soft,
            doubted=one.total.machine > 0,
        )


def _doubted(state: Account, cell: int) -> bool:
    """Whether some guesses of a minute were at a machine's secret."""
    bout = state.minutes.cells.get(cell) if state.minutes is not None else None
    return bout is not None and any(tries.machine for tries in bout.tries.values())


def _nowhere(event: AuditEvent) -> int:
    """The place of a success whose source is not known."""
    if event.token is not None:
        return TOKEN | number(event.token)
    return LOGIN if event.kind == "auth" else NOBODY


def _sourceless(key: int) -> bool:
    return key == NOBODY or key >= LOGIN


def _guesses(total: Sum) -> int:
    return total.guesses + total.nobody + total.weak


def _height(total: Sum, bar: Bar) -> int:
    """The level of a brute force, below which are one where it may well be a machine's wrong secret.

    What may be a retry, what familiar places try, and what came from nobody knows where reaches the first at most.
    """
    level = level_of(total.guesses, bar.guesses)
    if level >= 0:
        return level + 1
    if _guesses(total) - total.machine >= bar.guesses:
        return 1
    return 0 if _guesses(total) >= bar.guesses or total.familiar >= FAMILIAR * bar.guesses else -1
