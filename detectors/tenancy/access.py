"""One caller: data of other tenants that it read or was denied, canaries it touched, answers that were not its own."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from detectors.base import NOTHING, Detector, Entity
from detectors.parts.distinct import Distinct, union
from detectors.parts.extent import Evidence, Extent
from detectors.parts.keyed import number
from detectors.parts.ring import Ring
from detectors.telling import level_of, plural, tell
from detectors.tenancy.foreign import DAY, EXPIRED, HOUR, Foreign, call, foreign, handed_out
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

OWNERS: Final = 64
"""Owners whose accesses one hour counts apart; every further one is told all the same, without counts."""
MIXUP: Final = "mixup:"


class Owner:
    """What one caller did with the data of one other tenant within an hour."""

    __slots__ = ("denials", "expired", "reads", "rows")

    def __init__(self) -> None:
        self.reads = Extent()
        self.denials = Extent()
        self.rows = 0
        self.expired = False


class Owners:
    """The other tenants that a caller touched within an hour: up to 64, those with the smallest numbers."""

    __slots__ = ("denied", "owners")

    def __init__(self) -> None:
        self.owners: dict[str, Owner] = {}
        self.denied = Distinct()

    def add(self, one: Foreign, event: AuditEvent, *, read: bool) -> bool:
        """Count an access; whether it is the first of its kind of that owner."""
        owner = self.owners.get(one.owner)
        if owner is None:
            owner = self.owners[one.owner] = Owner()
        extent = owner.reads if read else owner.denials
        new = not extent.count
        extent.add(event)
        owner.expired = owner.expired or one.expired
        if read:
            owner.rows += event.rows or 0
        else:
            self.denied.add(number(one.owner))
        self._trim()
        return new

    def update(self, other: "Owners") -> None:
        """Count all that another counted."""
        self.denied.update(other.denied)
        for name, theirs in other.owners.items():
            owner = self.owners.get(name)
            if owner is None:
                owner = self.owners[name] = Owner()
            owner.reads.update(theirs.reads)
            owner.denials.update(theirs.denials)
            owner.rows += theirs.rows
            owner.expired = owner.expired or theirs.expired
        self._trim()

    def _trim(self) -> None:
        while len(self.owners) > OWNERS:
            del self.owners[max(self.owners, key=number)]

    def pack(self) -> Any:
        """The owners in order."""
        owners = [
            [name, one.reads.pack(), one.denials.pack(), one.rows, one.expired]
            for name, one in sorted(self.owners.items())
        ]
        return [owners, self.denied.pack()]

    @classmethod
    def unpack(cls, packed: Any) -> "Owners":
        """The part that `pack` wrote."""
        made = cls()
        for name, reads, denials, rows, expired in packed[0]:
            owner = made.owners[name] = Owner()
            owner.reads, owner.denials = Extent.unpack(reads), Extent.unpack(denials)
            owner.rows, owner.expired = rows, expired
        made.denied = Distinct.unpack(packed[1])
        return made


class OwnerRing(Ring[Owners]):
    """Owners by hour, held 26 hours."""

    seconds: ClassVar[int] = HOUR
    held: ClassVar[int] = 26
    kind: ClassVar[Any] = Owners
    __slots__ = ()


class Access:
    """What is kept of one caller."""

    hours: OwnerRing

    def __init__(self) -> None:
        self.hours = OwnerRing()


class AccessView:
    """The decisions about one caller; all that names an owner is decided by one event."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._owners = int(parameters["denied_owners"])

    def step(self, state: Access, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        found: list[Finding] = []
        if event.target is not None and facts.canary(event.server, event.target):
            found.append(self._canary(entity.names, entity.tenant, event))
        if event.signals:
            found += self._mixups(entity.names, entity.tenant, event)
        others = foreign(event, facts)
        if not others:
            return found or NOTHING
        read = handed_out(event)
        cell = state.hours.cell(event.time) if state.hours.holds(event.time, facts.clock) else Owners()
        for one in others:
            if cell.add(one, event, read=read):
                found.append(self._access(entity.names, entity.tenant, one, event, read=read))
        if not read:
            found += self._enumerations(state, entity, int(event.time) // HOUR)
        return found

    def merge(self, state: Access, partial: Access, entity: Entity) -> Sequence[Finding]:
        """Fold a partial state; a caller's events stay in one partition, so that only what counts is judged anew."""
        found: list[Finding] = []
        for hour in state.hours.update(partial.hours):
            found += self._enumerations(state, entity, hour)
        return found

    def settle(self, state: Access, entity: Entity, start: int, clock: float) -> Sequence[Finding]:
        """Tell how much there was of what an hour began with."""
        found: list[Finding] = []
        cell = state.hours.cells.get(start // HOUR)
        if cell is not None:
            for name, owner in sorted(cell.owners.items()):
                found += self._summary(entity, start, name, owner)
        if state.hours.cells:
            state.hours.forget(clock)
        return found

    def nameless(self, names: Mapping[str, str], tenant: str | None, event: AuditEvent, facts: Facts) -> list[Finding]:
        """What an event of nobody known shows, told about the server that answered it."""
        found: list[Finding] = []
        if facts.canary(event.server, event.target):
            found.append(self._canary(names, tenant, event))
        found += self._mixups(names, tenant, event)
        read = handed_out(event)
        found += [self._access(names, event.tenant, one, event, read=read) for one in foreign(event, facts)]
        return found

    def _access(
        self, names: Mapping[str, str], tenant: str | None, one: Foreign, event: AuditEvent, *, read: bool
    ) -> Finding:
        shown = Extent()
        shown.add(event)
        grant = ""
        if one.expired:
            grant = f"; a grant{f' ({one.ticket})' if one.ticket else ''} covered it once and has expired"
        return tell(
            self._detector,
            "cross_tenant_read" if read else "cross_tenant_denied",
            {**names, "resource_tenants": one.owner},
            tenant=tenant,
            severity=("high" if one.expired else "critical") if read else "medium",
            at=event.time,
            window=HOUR,
            level=EXPIRED if one.expired else 0,
            title=f"Data of tenant {one.owner} {'reached' if read else 'was asked for by'} a caller of {event.tenant}",
            observed=f"{call(event)}: owners {', '.join(sorted(facts_owners(event, one))[:8])}",
            expected=f"only data of {event.tenant}, of the public, or under a live grant{grant}",
            why=f"One owner of what was {'handed out' if read else 'asked for'} is {one.owner}, the caller belongs to "
            f"{event.tenant}, and no grant covers this caller, this owner and this moment.",
            shown=Evidence([shown]),
            facts={"tenant": (one.owner,), "target": (event.target,) if event.target else ()},
        )

    def _summary(self, entity: Entity, start: int, name: str, owner: Owner) -> list[Finding]:
        found: list[Finding] = []
        for extent, read in ((owner.reads, True), (owner.denials, False)):
            level = level_of(extent.count, 1)
            if level < 1:
                continue
            shift = EXPIRED if owner.expired else 0
            found.append(
                tell(
                    self._detector,
                    "cross_tenant_read" if read else "cross_tenant_denied",
                    {**entity.names, "resource_tenants": name},
                    tenant=entity.tenant,
                    severity=("high" if owner.expired else "critical") if read else "medium",
                    at=start,
                    window=HOUR,
                    level=level + shift,
                    title=f"{'Reads' if read else 'Attempts'} on data of tenant {name} in one hour",
                    observed=f"{plural(extent.count, 'access', 'accesses')}"
                    + (f", {plural(owner.rows, 'row')}" if read and owner.rows else ""),
                    expected="none",
                    why="The first of these was told when it happened; this is the whole hour.",
                    shown=Evidence([extent]),
                )
            )
        return found

    def _enumerations(self, state: Access, entity: Entity, hour: int) -> list[Finding]:
        found: list[Finding] = []
        for end in state.hours.ends(hour, 24):
            cells = state.hours.window(end, 24)
            count = len(union(cell.denied for cell in cells))
            if count < self._owners:
                continue
            shown = Evidence(owner.denials for cell in cells for owner in cell.owners.values())
            names = tuple(sorted({name for cell in cells for name, one in cell.owners.items() if one.denials.count}))
            found += [
                tell(
                    self._detector,
                    "cross_tenant_denied",
                    entity.names,
                    tenant=entity.tenant,
                    severity="high",
                    at=end * HOUR,
                    window=DAY,
                    level=level,
                    title="One caller tries tenant after tenant",
                    observed=f"denied data of {plural(count, 'other tenant')} within 24 hours",
                    expected=f"fewer than {self._owners * 4**level}",
                    why="Trying the data of ever more tenants is a search for one that is not protected.",
                    shown=shown,
                    facts={"tenant": names[:20]},
                )
                for level in range(level_of(count, self._owners) + 1)
            ]
        return found

    def _canary(self, names: Mapping[str, str], tenant: str | None, event: AuditEvent) -> Finding:
        shown = Extent()
        shown.add(event)
        read = handed_out(event)
        return tell(
            self._detector,
            "canary",
            {**names, "target": event.target or ""},
            tenant=tenant,
            severity="critical" if read else "high",
            at=event.time,
            window=HOUR,
            level=1 if read else 0,
            title="A canary was touched",
            observed=call(event),
            expected="nobody ever touches this object: it exists to be found by who searches",
            why="The directory names this target as a canary.",
            shown=Evidence([shown]),
        )

    def _mixups(self, names: Mapping[str, str], tenant: str | None, event: AuditEvent) -> list[Finding]:
        kinds = [signal for signal in event.signals if signal.startswith(MIXUP)]
        if not kinds:
            return []
        shown = Extent()
        shown.add(event)
        return [
            tell(
                self._detector,
                "mixup",
                {**names, "server": event.server},
                tenant=tenant,
                severity="high",
                at=event.time,
                window=HOUR,
                title="An answer went to the wrong caller",
                observed=f"{call(event)}: {', '.join(sorted(kinds)[:5])}",
                expected="every caller gets the answers to its own requests",
                why="The inspector saw an answer that belongs to another request, stream or cached caller.",
                shown=Evidence([shown]),
                confidence=0.8,
            )
        ]


def facts_owners(event: AuditEvent, one: Foreign) -> set[str]:
    """The owners that the event names, at least the one that this is about."""
    return {*event.resource_tenants, one.owner}
