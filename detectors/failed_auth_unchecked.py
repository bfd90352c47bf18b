"""Answers without valid credentials, from a server that otherwise demands them."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from detectors.base import NOTHING, Detector, Entity
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


class Guard:
    """Whether a server checks credentials, and what it answers without."""

    checked: dict[int, int]
    demands: Demands
    open: Habit
    calls: CallRing

    def __init__(self) -> None:
        self.checked = {}
        self.demands = Demands()
        self.open = Habit()
        self.calls = CallRing()


class GuardView:
    """The decision about answers without valid credentials."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._enough = int(parameters["guarded_answers"])

    def check(self, state: Guard, event: AuditEvent) -> None:
        """Note that credentials were checked."""
        if state.demands.current is None:
            hour = int(event.time) // HOUR
            state.checked[hour] = state.checked.get(hour, 0) + 1

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
        kind = cell.kinds.get(key)
        return self._judge(state, entity, int(event.time) // HOUR, kind) if kind is not None else NOTHING

    def merge(self, state: Guard, partial: Guard, entity: Entity) -> list[Finding]:
        """Fold a partial state."""
        for hour, count in partial.checked.items():
            state.checked[hour] = state.checked.get(hour, 0) + count
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
        hour = int(end) // HOUR - 1
        if state.checked.get(hour, 0) >= self._enough:
            state.demands.learn(True, end)
        for old in [one for one in state.checked if one <= hour]:
            del state.checked[old]
        state.open.settle(end)
        if state.calls.cells:
            state.calls.forget(clock)

    def _judge(self, state: Guard, entity: Entity, hour: int, kind: list[Any]) -> Sequence[Finding]:
        call, auth, source, target, extent = kind
        start = float(hour * HOUR)
        if not state.demands.at(start) or state.open.knows(call, start):
            return NOTHING
        mixed = state.open.formed(start)
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
