"""Guessing, seen from one entity: windows of bouts against a threshold that learns what is usual for it."""

from collections.abc import Callable, Hashable
from math import ceil
from typing import Any, NamedTuple, TypeVar

from detectors.authentication.bout import SETTLED, Bout, Bouts, Regular, SlowBouts, Sum
from detectors.authentication.reasons import Attempt
from detectors.base import event_id
from detectors.parts.distinct import Distinct
from detectors.parts.extent import WIDTH, Evidence
from detectors.parts.habit import HOUR, Habit
from detectors.parts.moments import HELD, Sightings
from detectors.parts.ring import Ring
from detectors.parts.usual import Usual
from stream.clock import LATENESS
from tocsin_audit.event import AuditEvent

MINUTE = 60
WINNERS = 8
"""Strangers who succeeded whose names are kept."""

R = TypeVar("R", bound=Ring[Any])


class Guessing:
    """Guesses by minute and by hour, the keys in good standing, successes of strangers, and the usual hourly count.

    An hour is summed up from its minutes when it closes; what comes late for it is added to both.
    `winners` are the names of strangers who succeeded, with the event that shows it. What most entities never need is
    made when it is needed.
    """

    __slots__ = ("habit", "hours", "minutes", "usual", "winners", "wins")

    minutes: Bouts | None
    hours: SlowBouts | None
    habit: Habit
    wins: Sightings | None
    winners: dict[int, tuple[str, str]] | None
    usual: Usual | None

    def __init__(self) -> None:
        self.minutes = None
        self.hours = None
        self.habit = Habit()
        self.wins = None
        self.winners = None
        self.usual = None

    def count(self, key: int, inner: int, attempt: Attempt, event: AuditEvent, clock: float) -> Bouts | None:
        """Count a guess; the minutes if a count that decides became larger. What is no longer held counts no more."""
        minutes = self.minutes
        if minutes is None:
            minutes = self.minutes = Bouts()
        if not minutes.holds(event.time, clock):
            return None
        hour = int(event.time) // HOUR
        if (hour + 1) * HOUR + LATENESS <= clock or (self.hours is not None and hour in self.hours.cells):
            self._sum_up(hour)
            if self.hours is None:
                self.hours = SlowBouts()
            self.hours.cell(event.time).add(key, inner, attempt, event)
        return minutes if minutes.cell(event.time).add(key, inner, attempt, event) else None

    def welcome(self, text: Hashable, key: int, event: AuditEvent, name: str | None = None) -> bool:
        """Note a success of a key, which a text stands for; whether it is a stranger's in a minute not known of."""
        time = event.time
        if key and self.habit.meet(key, time, event.late):
            self.habit.trust(text, key, time)
            return False
        return self.win(key, int(time) // MINUTE, name, event)

    def win(self, key: int, minute: int, name: str | None, event: AuditEvent) -> bool:
        """Note a success of a stranger, who may have a name; whether it is new."""
        if self.wins is None:
            self.wins = Sightings()
        if not self.wins.add(key, minute):
            return False
        if name is not None:
            winners = self.winners
            if winners is None:
                winners = self.winners = {}
            if key not in winners and len(winners) < WINNERS:
                winners[key] = (name[:WIDTH], event_id(event))
        return True

    def regular(self, time: float) -> Regular:
        """Who is in good standing at a moment."""
        return Regular(self.habit, self.wins, time)

    def peers(self, end: int) -> int:  # noqa: ARG002  # most have none
        """The hourly count usual among an entity's peers, for the hour that ends with a minute; 0 for none."""
        return 0

    def newcomers(self, time: float) -> int:  # noqa: ARG002  # they matter to few
        """How many keys came into good standing so lately that they are no habit yet."""
        return 0

    def close(self, end: float) -> None:
        """Sum up the hours up to the one that closed at `end`, before anything is read from `hours`."""
        self._sum_up(int(end) // HOUR - 1)

    def _sum_up(self, last: int) -> None:
        """Add to the hours up to one what their minutes hold, unless they were summed up before."""
        minutes = self.minutes.cells if self.minutes is not None else {}
        known = self.hours.cells if self.hours is not None else {}
        due = {hour for minute in minutes if (hour := minute * MINUTE // HOUR) <= last and hour not in known}
        if not due:
            return
        if self.hours is None:
            self.hours = SlowBouts()
        for minute in sorted(minutes):
            if minute * MINUTE // HOUR in due:
                self.hours.cell(minute * MINUTE).update(minutes[minute])

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        oldest = int(clock) // MINUTE - HELD
        if self.minutes and min(self.minutes.cells) <= oldest:
            self._sum_up(oldest * MINUTE // HOUR)
        self.minutes = dropped(self.minutes, clock)
        self.hours = dropped(self.hours, clock)
        if self.wins is not None:
            self.wins.forget(int(clock) // MINUTE - HELD)
            if not self.wins:
                self.wins = None
            if self.winners is not None:
                kept = self.wins.keys if self.wins is not None else {}
                self.winners = {key: name for key, name in self.winners.items() if key in kept} or None

    def fold(self, other: "Guessing") -> list[int]:
        """Fold what another counted; the numbers of the minutes that changed."""
        self.habit.update(other.habit)
        if other.wins is not None:
            if self.wins is None:
                self.wins = Sightings()
            self.wins.update(other.wins)
        for key, name in (other.winners or {}).items():
            if self.winners is None:
                self.winners = {}
            if len(self.winners) < WINNERS:
                self.winners.setdefault(key, name)
        if other.hours is not None:
            self._sum_up(max(other.hours.cells))
            if self.hours is None:
                self.hours = SlowBouts()
            self.hours.update(other.hours)
        if other.minutes is None:
            return []
        if self.minutes is None:
            self.minutes = Bouts()
        if self.hours is not None:
            theirs = other.hours.cells if other.hours is not None else {}
            for minute, bout in other.minutes.cells.items():
                hour = minute * MINUTE // HOUR
                if hour in self.hours.cells and hour not in theirs:
                    self.hours.cells[hour].update(bout)
        return self.minutes.update(other.minutes)

    def learn(self, end: float, clock: float, floor: float, standing: float) -> None:
        """Learn from the hour that ends here, unless it was out of the ordinary, and forget what is no longer held.

        Who is in good standing is judged at the moment `standing`.
        """
        cell = self.hours.cells.get(int(end) // HOUR - 1) if self.hours is not None else None
        count = 0
        barred = None
        if cell is not None:
            count = Sum([cell], self.regular(standing)).guesses
            barred = Distinct(key for key, tries in cell.tries.items() if tries.guesses >= BARRED)
        if count and self.usual is None:
            self.usual = Usual()
        if self.usual is not None:
            self.usual.settle(end, count, count >= floor)
            if not self.usual:
                self.usual = None
        self.habit.settle(end, barred)
        self.rest(clock)


def dropped(ring: R | None, clock: float) -> R | None:
    """A ring without what is no longer held; None where nothing is left."""
    if ring is None:
        return None
    ring.forget(clock)
    return ring if ring.cells else None


BARRED = 3
"""Guesses in an hour after which a key's successes in it are not learned as good standing."""


class Bar(NamedTuple):
    """What must be reached at the first level: guesses and different keys (0 where these do not count), in seconds.

    `soft` are the levels below that one, which unclear guesses can reach as well.
    """

    guesses: int
    keys: int
    window: int
    soft: int = 0


def raised(bar: Bar, state: Guessing, time: float, ceiling: float, crowd: float) -> Bar:
    """The bar for an entity that is used to more than the floor, up to `ceiling` times it.

    What is usual is the learned hourly quantile, that of its peers while there is none, spread over the window. One
    more key may fail for every `crowd` that are in good standing: a company behind one address mistypes more often than
    a person does.
    """
    factor = 1.0
    usual = state.usual.at(time) if state.usual is not None else 0
    if not usual and bar.window <= 2 * HOUR:
        usual = state.peers(int(time) // MINUTE)
    if usual:
        factor = usual * min(bar.window, HOUR) / HOUR / bar.guesses
    if crowd and bar.keys:
        factor = max(factor, 1.0 + len(state.regular(time).known()) / crowd / bar.keys)
    factor = min(factor, ceiling)
    if factor <= 1.0:
        return bar
    return Bar(ceil(bar.guesses * factor), ceil(bar.keys * factor), bar.window, bar.soft)


class Reached(NamedTuple):
    """A window that reached its bar: its last cell, the level, the first level that was not told yet, and the sum."""

    end: int
    level: int
    untold: int
    total: Sum
    bar: Bar
    cells: list[Bout]

    @property
    def shown(self) -> Evidence:
        """What the window shows."""
        return Evidence(cell.extent for cell in self.cells)


Level = Callable[[Sum, Bar], int]
"""The level that a sum reaches; it must not fall when more is counted."""


def reached(
    ring: Bouts | None,
    state: Guessing,
    number: int,
    floor: Bar,
    level: Level,
    ceiling: float,
    crowd: float,
    *,
    anew: bool = False,
) -> list[Reached]:
    """The trailing windows containing a cell that reach their bar, where that was not told; with `anew` all of them.

    Every event adds at most one guess and one key to a window, so that one which is far from its next level is not
    summed up again for as many events.
    """
    found: list[Reached] = []
    if ring is None:
        return found
    for end in ring.ends(number, floor.window // ring.seconds):
        last = ring.cells[end]
        if last.skip > 0 and not anew:
            last.skip -= 1
            continue
        result = judge(ring, state, end, floor, level, ceiling, crowd)
        if result is not None and (anew or result.untold <= result.level):
            found.append(result)
    return found


def slowly(state: Guessing, end: float, floor: Bar, level: Level, ceiling: float, crowd: float) -> Reached | None:
    """The 24 hours that end with the hour that closed at `end`, if they reach their bar; at the first level at most.

    Judged at the close of the hour, when it is known who of those that failed got in.
    """
    number = int(end) // HOUR - 1
    if state.hours is None or number not in state.hours.cells:
        return None
    cells = state.hours.window(number, floor.window // HOUR)
    if sum(cell.extent.count for cell in cells) < floor.guesses:
        return None
    total = Sum(cells, state.regular(end + SETTLED * MINUTE))
    if level(total, floor) < 0:
        return None
    bar = raised(floor, state, end, ceiling, crowd)
    return Reached(number, 0, 0, total, bar, cells) if level(total, bar) >= 0 else None


def judge(
    ring: Bouts,
    state: Guessing,
    end: int,
    floor: Bar,
    level: Level,
    ceiling: float,
    crowd: float,
) -> Reached | None:
    """The trailing window that ends with a cell, if it reaches its bar."""
    last = ring.cells[end]
    cells = ring.window(end, floor.window // ring.seconds)
    events = sum(cell.extent.count for cell in cells)
    if events < floor.guesses:
        last.skip = floor.guesses - events - 1
        return None
    time = float(end * ring.seconds)
    total = Sum(cells, state.regular(time))
    total.fresh = state.newcomers(time)
    bar = floor
    height = level(total, bar)
    if height >= 0:
        bar = raised(floor, state, time, ceiling, crowd)
        height = level(total, bar)
    untold = last.told + 1
    last.told = max(last.told, height)
    last.skip = _slack(total, bar, last.told + 1)
    return Reached(end, height, untold, total, bar, cells) if height >= 0 else None


def _slack(total: Sum, bar: Bar, level: int) -> int:
    """How many more events cannot bring a sum to a level, whichever of its guesses are the ones that count."""
    guesses = total.guesses + total.weak + total.nobody + total.familiar
    if bar.soft and level >= bar.soft:
        guesses -= total.machine
    times = 1 << 2 * max(level - bar.soft, 0)
    missing = max(bar.guesses * times - guesses, bar.keys * times - total.keys - total.inner)
    # Beyond 64 keys a count is an estimate that may grow faster than what it counts.
    return missing - 1 if guesses < 64 else missing // 4
