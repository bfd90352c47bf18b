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
            kind = self.kinds[key] = [call, event.auth, event.source_ip, event.target, Extent()]
            self._trim()
        kind[4].add(event)

    def update(self, other: "Calls") -> None:
        """Count all that another counted."""
        for key, kind in other.kinds.items():
            mine = self.kinds.get(key)
            if mine is None:
                mine = self.kinds[key] = [*kind[:4], Extent()]
            mine[4].update(kind[4])
        self._trim()

    def _trim(self) -> None:
        while len(self.kinds) > CALLS:
            del self.kinds[max(self.kinds)]

    def pack(self) -> Any:
        """The kinds in order."""
        return [[key, *kind[:4], kind[4].pack()] for key, kind in sorted(self.kinds.items())]

    @classmethod
    def unpack(cls, packed: Any) -> "Calls":
        """The part that `pack` wrote."""
        made = cls()
        made.kinds = {key: [*kind, Extent.unpack(extent)] for key, *kind, extent in packed}
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
    `demands` is known; `seen` is what the closed hours of `checked` came to. `told` are the calls told before that.
    """

    __slots__ = ("calls", "checked", "demands", "open", "seen", "told", "unchecked")

    checked: Tally
    unchecked: Tally
    seen: int
    demands: Demands
    open: Habit
    calls: CallRing
    told: set[int]

    def __init__(self) -> None:
        self.checked = Tally()
        self.unchecked = Tally()
        self.seen = 0
        self.demands = Demands()
        self.open = Habit()
        self.calls = CallRing()
        self.told = set()

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        if self.calls.cells:
            self.calls.forget(clock)


class GuardView:
    """The decision about answers without valid credentials."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._enough = int(parameters["guarded_answers"])

    def check(self, state: Guard, event: AuditEvent) -> None:
        """Note that credentials were checked."""
        if state.demands.current is None and not event.late:
            state.checked.cell(event.time).add(_who(event))

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
        if not state.demands.at(event.time) and not event.late:
            state.open.see(call, event.time)
            state.unchecked.cell(event.time).add(_who(event))
        kind = cell.kinds.get(key)
        return self._judge(state, entity, int(event.time) // HOUR, kind) if kind is not None else NOTHING

    def close(self, state: Guard, entity: Entity, start: int) -> Sequence[Finding]:
        """Judge the answers of the five minutes that begin here on a server of which not enough is known yet.

        That nearly everything was checked is only known when they have closed.
        """
        if not state.unchecked.cells or state.demands.at(float(start)):
            return NOTHING
        last = start // CELL
        checked = state.seen + sum(len(one) for at, one in state.checked.cells.items() if at <= last)
        unchecked = sum(len(one) for at, one in state.unchecked.cells.items() if at <= last)
        if checked < self._enough or unchecked > EARLY:
            return NOTHING
        found: list[Finding] = []
        for hour, calls in sorted(state.calls.cells.items()):
            for _, kind in sorted(calls.kinds.items()):
                call, auth, _, _, extent = kind
                if auth == "presented" or extent.first >= start + CELL or state.open.knows(call, float(start)):
                    continue
                if call not in state.told and len(state.told) < CALLS:
                    state.told.add(call)
                found += self._tell(entity, hour, kind, mixed=False)
        return found

    def merge(self, state: Guard, partial: Guard, entity: Entity) -> list[Finding]:
        """Fold a partial state."""
        state.checked.update(partial.checked)
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
        return self._tell(entity, hour, kind, mixed=mixed)

    def _tell(self, entity: Entity, hour: int, kind: list[Any], *, mixed: bool) -> Sequence[Finding]:
        _, auth, source, target, extent = kind
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
                title="Answered without valid credentials",
                observed=f"{target or 'a call'} was answered {how}, {extent.count} times",
                expected="this server demands valid credentials"
                + (" for nearly everything" if mixed else " for everything it hands out"),
                why="The check of credentials was passed by, or was left out for this call.",
                shown=Evidence([extent]),
                confidence=0.6 if mixed else 0.95,
            )
        ]


def _who(event: AuditEvent) -> int:
    who = event.user or event.client or event.agent or event.token or "-"
    return number(f"{who}|{event.source_ip}|{int(event.time) // 60}")
