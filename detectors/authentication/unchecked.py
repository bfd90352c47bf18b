"""Answers without valid credentials, from a server that otherwise demands them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from detectors.base import NOTHING, Detector, Entity
from detectors.parts.distinct import Distinct
from detectors.parts.extent import Evidence, Extent
from detectors.parts.frozen import Frozen
from detectors.parts.habit import HOUR, Habit
from detectors.parts.keyed import number
from detectors.parts.ring import Ring
from detectors.telling import tell
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

READS: Final = frozenset({"tools/call", "resources/read", "prompts/get", "tasks/get", "tasks/result"})
"""What hands something out; greeting, listing and discovery may be open to all."""
EARLY: Final = 2
"""Callers and minutes without credentials up to which a server is believed to demand them before that is known; what is
open to all is used more."""
SEEN: Final = 1_000_000
DOUBT: Final = 50
"""Added to the level of an answer that may have been left open on purpose."""
CELL: Final = 300
UNCHECKED: Final = frozenset({"none", "invalid", "presented", "insufficient_scope"})
CALLS: Final = 64
"""Different calls that one hour tells apart."""


class Calls:
    """The unchecked answers of one hour by call and source: up to 64 kinds, those with the smallest keys."""

    __slots__ = ("kinds",)

    def __init__(self) -> None:
        self.kinds: dict[int, list[Any]] = {}

    def add(self, key: int, call: int, event: AuditEvent) -> None:
        """Count an answer of a call to a source."""
        kind = self.kinds.get(key)
        if kind is None:
            asked = _asked(event.method, event.target)
            kind = self.kinds[key] = [call, event.auth, event.source_ip, event.target, Extent(), asked]
            self._trim()
        kind[4].add(event)

    def update(self, other: "Calls") -> None:
        """Count all that another counted."""
        for key, kind in other.kinds.items():
            mine = self.kinds.get(key)
            if mine is None:
                mine = self.kinds[key] = [*kind[:4], Extent(), kind[5]]
            mine[4].update(kind[4])
        self._trim()

    def _trim(self) -> None:
        while len(self.kinds) > CALLS:
            del self.kinds[max(self.kinds)]

    def pack(self) -> Any:
        """The kinds in order."""
        return [[key, *kind[:4], kind[5], kind[4].pack()] for key, kind in sorted(self.kinds.items())]

    @classmethod
    def unpack(cls, packed: Any) -> "Calls":
        """The part that `pack` wrote."""
        made = cls()
        made.kinds = {key: [*kind, Extent.unpack(extent), asked] for key, *kind, asked, extent in packed}
        return made


class CallRing(Ring[Calls]):
    """Unchecked answers by hour."""

    seconds: ClassVar[int] = HOUR
    held: ClassVar[int] = 4
    kind: ClassVar[Any] = Calls
    __slots__ = ()


class Demands(Frozen[bool]):
    """Whether credentials are demanded."""

    __slots__ = ()


class Tally(Ring[Distinct]):
    """Different callers by minute, in cells of five minutes."""

    seconds: ClassVar[int] = CELL
    held: ClassVar[int] = 36
    kind: ClassVar[Any] = Distinct
    __slots__ = ()


class Guard:
    """Whether a server checks credentials, and what it answers without.

    `checked` and `unchecked` count, by five minutes, the callers whose credentials were and were not demanded, until
    `demands` is known, from `since` on; `seen` is what the closed hours of `checked` came to. `told` are the calls told
    before that. `asked` are the calls that were refused for want of good credentials, by five minutes, and `guarded`
    those of closed hours: until some hours have gone by, nobody knows what was left open on purpose.
    """

    __slots__ = ("asked", "calls", "checked", "demands", "guarded", "open", "seen", "since", "told", "unchecked")

    checked: Tally
    unchecked: Tally
    seen: int
    demands: Demands
    open: Habit
    calls: CallRing
    told: set[int]
    asked: Tally
    guarded: Habit
    since: float

    def __init__(self) -> None:
        self.asked = Tally()
        self.guarded = Habit()
        self.since = 0.0
        self.checked = Tally()
        self.unchecked = Tally()
        self.seen = 0
        self.demands = Demands()
        self.open = Habit()
        self.calls = CallRing()
        self.told = set()

    def known(self, time: float) -> bool:
        """Whether enough hours have gone by to know what the server leaves open."""
        return self.since > 0.0 and time >= self.since + HOUR

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        if self.calls.cells:
            self.calls.forget(clock)


class GuardView:
    """The decision about answers without valid credentials."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._enough = int(parameters["guarded_answers"])

    def check(self, state: Guard, event: AuditEvent, *, refused: bool) -> None:
        """Note that credentials were checked, and whether the caller was refused."""
        if event.late:
            return
        if state.demands.current is None:
            state.checked.cell(event.time).add(_who(event))
        if refused and event.method in READS and not state.known(event.time):
            state.asked.cell(event.time).add(_asked(event.method, event.target))

    def answer(self, state: Guard, entity: Entity, event: AuditEvent, clock: float) -> Sequence[Finding]:
        """Note an answer to a call without valid credentials."""
        if event.method not in READS or event.outcome not in ("ok", "input_required") or event.transport == "stdio":
            return NOTHING
        if not state.calls.holds(event.time, clock):
            return NOTHING
        call = number(f"{event.auth}|{event.method}|{event.target if event.method == 'tools/call' else ''}")
        key = number(f"{call}|{event.source_ip}|{event.target}")
        cell = state.calls.cell(event.time)
        cell.add(key, call, event)
        if not state.demands.at(event.time // HOUR * HOUR) and not event.late:
            state.open.see(call, event.time)
            state.unchecked.cell(event.time).add(_who(event))
        kind = cell.kinds.get(key)
        return self._judge(state, entity, int(event.time) // HOUR, kind) if kind is not None else NOTHING

    def close(self, state: Guard, entity: Entity, start: int) -> Sequence[Finding]:
        """Judge the answers of the five minutes that begin here on a server of which not enough is known yet.

        That nearly everything was checked is only known when they have closed.
        """
        last = start // CELL
        if state.demands.at(float(start - start % HOUR)):
            return [] if state.known(float(start)) else self._caught(state, entity, start)
        if not state.unchecked.cells:
            return NOTHING
        checked = state.seen + sum(len(one) for at, one in state.checked.cells.items() if at <= last)
        unchecked = sum(len(one) for at, one in state.unchecked.cells.items() if at <= last)
        if checked < self._enough or unchecked > EARLY:
            return NOTHING
        found: list[Finding] = []
        for hour, calls in sorted(state.calls.cells.items()):
            for _, kind in sorted(calls.kinds.items()):
                call, auth, _, _, extent, _ = kind
                if auth == "presented" or extent.first >= start + CELL or state.open.knows(call, float(start)):
                    continue
                if call not in state.told and len(state.told) < CALLS:
                    state.told.add(call)
                found += self._tell(entity, hour, kind, mixed=not self._guarded(state, kind, last))
        return found

    def _caught(self, state: Guard, entity: Entity, start: int) -> Sequence[Finding]:
        """The answers that turn out, as five minutes close, to be to what others were refused."""
        found: list[Finding] = []
        if state.open.formed(float(start)):
            return found
        for hour, calls in sorted(state.calls.cells.items()):
            for _, kind in sorted(calls.kinds.items()):
                call, auth, _, _, extent, _ = kind
                early = extent.first < start + CELL and not state.open.knows(call, float(start))
                if auth != "presented" and early and self._guarded(state, kind, start // CELL):
                    found += self._tell(entity, hour, kind, mixed=False)
        return found

    def _guarded(self, state: Guard, kind: list[Any], last: int) -> bool:
        """Whether others were refused what was answered, up to five minutes."""
        key = kind[5]
        if any(key in one for at, one in state.asked.cells.items() if at <= last):
            return True
        return state.guarded.knows(key, float(last * CELL))

    def merge(self, state: Guard, partial: Guard, entity: Entity) -> list[Finding]:
        """Fold a partial state."""
        state.checked.update(partial.checked)
        state.asked.update(partial.asked)
        state.unchecked.update(partial.unchecked)
        found: list[Finding] = []
        for hour in state.calls.update(partial.calls):
            for kind in state.calls.cells[hour].kinds.values():
                if state.demands.at(hour * HOUR):
                    found += self._judge(state, entity, hour, kind)
                else:
                    state.open.see(kind[0], hour * HOUR)
        return found

    def settle(self, state: Guard, end: float, clock: float) -> None:
        """Learn whether credentials are demanded, and what is open where they are not yet."""
        for cell in sorted(one for one in state.checked.cells if (one + 1) * CELL <= end):
            state.seen = min(state.seen + len(state.checked.cells.pop(cell)), SEEN)
        if state.demands.at(end):
            state.unchecked, state.told = Tally(), set()
        else:
            state.unchecked.forget(clock)
        if state.seen >= self._enough:
            state.demands.learn(True, end)
            state.since = state.since or end
        for cell in sorted(one for one in state.asked.cells if (one + 1) * CELL <= end):
            state.guarded.fold(state.asked.cells.pop(cell), end - 1)
        if state.guarded:
            state.guarded.settle(end)
            if state.known(end - 4 * HOUR):
                state.guarded = Habit()
        state.open.settle(end, Distinct(state.told) if state.told else None)
        if state.calls.cells:
            state.calls.forget(clock)

    def _judge(self, state: Guard, entity: Entity, hour: int, kind: list[Any]) -> Sequence[Finding]:
        call, auth, *_ = kind
        start = float(hour * HOUR)
        if not state.demands.at(start) or state.open.knows(call, start):
            return NOTHING
        mixed = state.open.formed(start)
        if mixed and auth == "presented":
            return NOTHING  # whoever watches cannot tell what was checked
        doubted = not state.known(start) and not state.guarded.knows(kind[5], start)
        return self._tell(entity, hour, kind, mixed=mixed or doubted)

    def _tell(self, entity: Entity, hour: int, kind: list[Any], *, mixed: bool) -> Sequence[Finding]:
        _, auth, source, target, extent, _ = kind
        start = float(hour * HOUR)
        names = dict(entity.names)
        if source is not None:
            names["source_ip"] = source
        how = {"none": "without credentials", "invalid": "with credentials that had been rejected"}.get(
            auth, f"with credentials that are only {auth}"
        )
        return [
            tell(
                self._detector,
                "unauthenticated",
                names,
                tenant=entity.tenant,
                severity="medium" if mixed else "high",
                at=start,
                window=HOUR,
                level=DOUBT if mixed else 0,
                title="Answered without valid credentials",
                observed=f"{target or 'a call'} was answered {how}, {extent.count} times",
                expected="this server demands valid credentials"
                + (" for nearly everything" if mixed else " for everything it hands out"),
                why="The check of credentials was passed by, or was left out for this call.",
                shown=Evidence([extent]),
                confidence=0.6 if mixed else 0.95,
            )
        ]


def _asked(method: str | None, target: str | None) -> int:
    """What credentials may be demanded for, as a number: a tool by its name, everything else by its method."""
    return number(f"{method}|{target if method == 'tools/call' else ''}")


def _who(event: AuditEvent) -> int:
    who = event.user or event.client or event.agent or event.token or "-"
    return number(f"{who}|{event.source_ip}|{int(event.time) // 60}")
