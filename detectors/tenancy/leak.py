"""One server that hands foreign data to several callers: one cause, told once."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from detectors.base import Detector, Entity
from detectors.parts.distinct import Distinct, union
from detectors.parts.extent import Evidence, Extent
from detectors.parts.keyed import pair
from detectors.parts.ring import Ring
from detectors.telling import level_of, plural, tell
from detectors.tenancy.access import MIXUP
from detectors.tenancy.foreign import DAY, HOUR, caller, foreign, handed_out
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

NAMES: Final = 20


class Leaks:
    """Who got foreign data from a server within an hour, and whose."""

    __slots__ = ("callers", "extent", "names", "owners")

    def __init__(self) -> None:
        self.extent = Extent()
        self.callers = Distinct()
        self.owners = Distinct()
        self.names: set[str] = set()

    def add(self, who: int, owners: Sequence[str], event: AuditEvent) -> bool:
        """Count a leak; whether the caller is a new one."""
        self.extent.add(event)
        for owner in owners:
            self.owners.add(pair(None, owner))
            if len(self.names) < NAMES:
                self.names.add(owner)
        return self.callers.add(who)

    def update(self, other: "Leaks") -> None:
        """Count all that another counted."""
        self.extent.update(other.extent)
        self.callers.update(other.callers)
        self.owners.update(other.owners)
        self.names.update(sorted(other.names)[: max(NAMES - len(self.names), 0)])

    def pack(self) -> Any:
        """The attributes in a fixed order."""
        return [self.extent.pack(), self.callers.pack(), self.owners.pack(), sorted(self.names)]

    @classmethod
    def unpack(cls, packed: Any) -> "Leaks":
        """The part that `pack` wrote."""
        made = cls()
        made.extent = Extent.unpack(packed[0])
        made.callers = Distinct.unpack(packed[1])
        made.owners = Distinct.unpack(packed[2])
        made.names = set(packed[3])
        return made


class LeakRing(Ring[Leaks]):
    """Leaks by hour, held 26 hours."""

    seconds: ClassVar[int] = HOUR
    held: ClassVar[int] = 26
    kind: ClassVar[Any] = Leaks
    __slots__ = ()


class LeakView:
    """The decision that a server leaks."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._callers = int(parameters["leak_callers"])

    def step(self, ring: LeakRing, entity: Entity, event: AuditEvent, facts: Facts) -> list[Finding]:
        """Fold one event."""
        names = caller(event)
        if names is None or not handed_out(event) or not ring.holds(event.time, facts.clock):
            return []
        # An expired grant is one caller's matter, whoever else has one; it says nothing about the server.
        owners = [one.owner for one in foreign(event, facts) if not one.expired]
        if not owners and not any(signal.startswith(MIXUP) for signal in event.signals):
            return []
        ((_, name),) = names.items()
        if not ring.cell(event.time).add(pair(event.tenant, name), owners, event):
            return []
        return self._judge(ring, entity, int(event.time) // HOUR)

    def merge(self, ring: LeakRing, partial: LeakRing, entity: Entity) -> list[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        for hour in ring.update(partial):
            found += self._judge(ring, entity, hour)
        return found

    def _judge(self, ring: LeakRing, entity: Entity, hour: int) -> list[Finding]:
        found: list[Finding] = []
        for end in ring.ends(hour, 24):
            cells = ring.window(end, 24)
            count = len(union(cell.callers for cell in cells))
            owners = len(union(cell.owners for cell in cells))
            found += [
                tell(
                    self._detector,
                    "cross_tenant_leak",
                    entity.names,
                    tenant=entity.tenant,
                    severity="critical",
                    at=end * HOUR,
                    window=DAY,
                    level=level,
                    title="A server hands out data of other tenants",
                    observed=f"{plural(count, 'caller')} got data of {plural(owners, 'other tenant')} within 24 hours",
                    expected="no caller ever gets data of another tenant",
                    why="When several callers get foreign data from one server, the fault is the server's.",
                    shown=Evidence(cell.extent for cell in cells),
                    facts={"tenant": tuple(sorted({name for cell in cells for name in cell.names})[:NAMES])},
                )
                for level in range(level_of(count, self._callers) + 1)
            ]
        return found
