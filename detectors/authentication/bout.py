"""What failed within one cell of time: guesses by place, and how many different accounts they were aimed at."""

from typing import Any, ClassVar, Final

from detectors.authentication.reasons import Attempt
from detectors.parts.distinct import EXACT, Distinct, union
from detectors.parts.extent import Extent
from detectors.parts.habit import Habit
from detectors.parts.moments import HELD, Sightings
from detectors.parts.ring import Ring
from tocsin_audit.event import AuditEvent

SETTLED: Final = 4
"""Minutes after which a success can no longer be preceded by one that arrives later."""
REMEMBERED: Final = HELD - 10
"""Minutes for which it counts: less than it is held, since events of up to two minutes ago are still on time."""
NOBODY: Final = 0
"""The key of what is not known; it is never one of the different."""
_NOTHING: Final = Distinct()
"""What stands for every set that is still empty, and is never added to."""


class Tries:
    """Guesses at or from one key: seen at a token endpoint, on requests, of unclear kind, of machines, by token.

    The same attempt seen both ways counts once: of the first two the larger counts.
    """

    __slots__ = ("auth", "machine", "request", "tokens", "weak")

    def __init__(self, auth: int = 0, request: int = 0, weak: int = 0, machine: int = 0) -> None:
        self.auth = auth
        self.request = request
        self.weak = weak
        self.machine = machine
        self.tokens = _NOTHING

    def add(self, attempt: Attempt) -> bool:
        """Count an attempt; whether that made more guesses."""
        weight = attempt.weight
        if weight == "token":
            tokens = self.tokens
            if tokens is _NOTHING:
                self.tokens = Distinct((attempt.token,))
                return True
            return tokens.add(attempt.token)
        if weight == "auth":
            self.auth += 1
            return self.auth > self.request
        if weight == "request":
            self.request += 1
            return self.request > self.auth
        if weight == "machine":
            self.machine += 1
        else:
            self.weak += 1
        return True

    def update(self, other: "Tries") -> None:
        """Count all that another counted."""
        self.auth += other.auth
        self.request += other.request
        self.weak += other.weak
        self.machine += other.machine
        if other.tokens:
            self.tokens = union((self.tokens, other.tokens))

    @property
    def guesses(self) -> int:
        """How many different guesses these were."""
        tokens = self.tokens
        return max(self.auth, self.request) + (0 if tokens is _NOTHING else len(tokens))


class Bout:
    """The guesses of one cell by key (the place they came from, or the account they went to), exact to 64 keys.

    With more keys only how many there are is kept. `inner` are the different keys of the other side. `told` is the
    level that the window ending here was told at, and `skip` how many more guesses cannot raise it: both only save
    work, and are worked out anew after a restart or a merge.
    """

    __slots__ = ("extent", "inner", "many", "skip", "told", "tries")

    def __init__(self) -> None:
        self.extent = Extent()
        self.tries: dict[int, Tries] = {}
        self.many = _NOTHING
        self.inner = _NOTHING
        self.skip = 0
        self.told = -1

    def add(self, key: int, inner: int, attempt: Attempt, event: AuditEvent) -> bool:
        """Count an attempt; whether any count that decides became larger."""
        self.extent.add(event)
        more = False
        if inner != NOBODY:
            if self.inner is _NOTHING:
                self.inner = Distinct()
            more = self.inner.add(inner)
        if self.many is not _NOTHING:
            return (key != NOBODY and self.many.add(key)) or more
        tries = self.tries.get(key)
        if tries is None:
            tries = self.tries[key] = Tries()
            tries.add(attempt)
            if len(self.tries) > EXACT:
                self._spill()
            return True
        return tries.add(attempt) or more

    def update(self, other: "Bout") -> None:
        """Count all that another cell counted."""
        self.extent.update(other.extent)
        if other.inner:
            self.inner = union((self.inner, other.inner))
        if other.many or self.many:
            if not self.many:
                self._spill()
            self.many.update(other.many)
            for key in other.tries:
                if key != NOBODY:
                    self.many.add(key)
            return
        for key, tries in other.tries.items():
            mine = self.tries.get(key)
            if mine is None:
                mine = self.tries[key] = Tries()
            mine.update(tries)
        if len(self.tries) > EXACT:
            self._spill()

    def _spill(self) -> None:
        keys = Distinct(key for key in self.tries if key != NOBODY)
        self.many = Distinct((), keys.as_bits())
        self.tries = {}

    def pack(self) -> Any:
        """Extent, tries by key, the many and the inner."""
        tries: list[Any] = []
        for key in sorted(self.tries):
            one = self.tries[key]
            tries.append([key, one.auth, one.request, one.weak, one.machine, one.tokens.pack()])
        return [self.extent.pack(), tries, self.many.pack(), self.inner.pack()]

    @classmethod
    def unpack(cls, packed: Any) -> "Bout":
        """The part that `pack` wrote."""
        made = cls()
        made.extent = Extent.unpack(packed[0])
        for key, auth, request, weak, machine, tokens in packed[1]:
            tries = made.tries[key] = Tries(auth, request, weak, machine)
            if tokens:
                tries.tokens = Distinct.unpack(tokens)
        if packed[2]:
            made.many = Distinct.unpack(packed[2])
        if packed[3]:
            made.inner = Distinct.unpack(packed[3])
        return made


class Bouts(Ring[Bout]):
    """Bouts by minute, held three hours."""

    kind: ClassVar[Any] = Bout
    __slots__ = ()


class SlowBouts(Ring[Bout]):
    """Bouts by hour, held 26 hours."""

    seconds: ClassVar[int] = 3_600
    held: ClassVar[int] = 26
    kind: ClassVar[Any] = Bout
    __slots__ = ()


class Regular:
    """Who is in good standing with an entity at a moment: by habit, or by a success some minutes before.

    A success counts once it is four minutes old: no order of arrival within the lateness can still bring an older one.
    It counts no more some minutes before it is forgotten: when a state is packed must make no difference.
    """

    __slots__ = ("_after", "_before", "_habit", "_time", "_wins")

    def __init__(self, habit: Habit, wins: Sightings | None, time: float) -> None:
        self._habit = habit
        self._wins = wins.keys if wins is not None else {}
        self._time = time
        self._before = int(time) // 60 - SETTLED
        self._after = int(time) // 60 - REMEMBERED

    def knows(self, key: int) -> bool:
        """Whether a key is in good standing."""
        won = self._wins.get(key)
        if won is not None and won.within(self._after, self._before):
            return True
        return self._habit.knows(key, self._time)

    def known(self) -> Distinct:
        """All keys in good standing."""
        whole = self._habit.known(self._time)
        for key, won in self._wins.items():
            if won.within(self._after, self._before):
                whole.add(key)
        return whole


class Sum:
    """What several cells come to, told apart by whether the key is one that the entity is used to.

    `guesses` and `weak` are those of unfamiliar keys, `keys` how many of these there are and `who` which, `nobody` the
    guesses without a key, `familiar` the different tokens tried by familiar keys, `inner` the different inner keys.
    `machine` says how many of `weak` were at a machine's secret; `fresh` is for whoever knows how many keys only just
    came into good standing.
    """

    __slots__ = ("familiar", "fresh", "guesses", "inner", "keys", "machine", "nobody", "weak", "who")

    def __init__(self, cells: list[Bout], regular: Regular) -> None:
        self.guesses = self.weak = self.nobody = self.familiar = self.machine = self.fresh = 0
        self.who: set[int] = set()
        many = [cell.many for cell in cells if cell.many]
        for key, tries in _by_key(cells).items():
            if key == NOBODY:
                self.nobody += tries.guesses
                self.weak += tries.weak + tries.machine
                self.machine += tries.machine
            elif regular.knows(key):
                self.familiar += len(tries.tokens)
            else:
                self.who.add(key)
                self.guesses += tries.guesses
                self.weak += tries.weak + tries.machine
                self.machine += tries.machine
        self.keys = len(self.who)
        if many:
            known = regular.known()
            crowd = union(many)
            strangers = crowd.without(known)
            self.guesses += strangers
            crowd.update(Distinct(self.who))
            self.keys = crowd.without(known)
        self.inner = len(union(cell.inner for cell in cells))


def _by_key(cells: list[Bout]) -> dict[int, Tries]:
    if len(cells) == 1:
        return cells[0].tries
    whole: dict[int, Tries] = {}
    for cell in cells:
        for key, tries in cell.tries.items():
            mine = whole.get(key)
            if mine is None:
                mine = whole[key] = Tries()
            mine.update(tries)
    return whole
