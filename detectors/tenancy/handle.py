"""One handle (task id, state token, cursor): minted for one caller, presented by another."""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from detectors.base import NOTHING, Detector, Entity
from detectors.parts.extent import Evidence, Extent
from detectors.parts.keyed import number, pair
from detectors.parts.ring import Ring
from detectors.telling import tell
from detectors.tenancy.foreign import HOUR, caller, handed_out
from stream.clock import LATENESS
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

CELL: Final = 300
FEW: Final = 8
"""Minters and presenters that one cell tells apart: those with the smallest numbers."""
COMMON: Final = 3
"""Tenants beside the minter's whose callers present one handle within five minutes: then it is hardly a secret."""


class Use:
    """Who presented a handle: tenant, field and name, and the names that count as himself."""

    __slots__ = ("extent", "field", "name", "selves", "tenant")

    def __init__(self, tenant: str | None, field: str, name: str, selves: list[int]) -> None:
        self.tenant = tenant
        self.field = field
        self.name = name
        self.selves = selves
        self.extent = Extent()


class Provenance:
    """Who minted and who presented a handle within five minutes."""

    __slots__ = ("minters", "presenters")

    def __init__(self) -> None:
        self.minters: dict[int, tuple[str | None, str, list[int]]] = {}
        self.presenters: dict[int, Use] = {}

    def update(self, other: "Provenance") -> None:
        """Fold in another cell."""
        for who, minter in other.minters.items():
            self.minters.setdefault(who, minter)
        for who, use in other.presenters.items():
            mine = self.presenters.get(who)
            if mine is None:
                mine = self.presenters[who] = Use(use.tenant, use.field, use.name, use.selves)
            mine.extent.update(use.extent)
        self.trim()

    def trim(self) -> None:
        """Keep the few with the smallest numbers."""
        for few in (self.minters, self.presenters):
            while len(few) > FEW:
                del few[max(few)]

    def pack(self) -> Any:
        """Minters and presenters in order."""
        minters = [[who, *self.minters[who]] for who in sorted(self.minters)]
        uses = [
            [who, use.tenant, use.field, use.name, use.selves, use.extent.pack()]
            for who, use in sorted(self.presenters.items())
        ]
        return [minters, uses]

    @classmethod
    def unpack(cls, packed: Any) -> "Provenance":
        """The part that `pack` wrote."""
        made = cls()
        made.minters = {who: (tenant, name, list(selves)) for who, tenant, name, selves in packed[0]}
        for who, tenant, field, name, selves, extent in packed[1]:
            use = made.presenters[who] = Use(tenant, field, name, list(selves))
            use.extent = Extent.unpack(extent)
        return made


class Provenances(Ring[Provenance]):
    """Provenance by five minutes, held three hours."""

    seconds: ClassVar[int] = CELL
    held: ClassVar[int] = 36
    kind: ClassVar[Any] = Provenance
    __slots__ = ()


Minter = tuple[int, str | None, str, list[int]]
"""Who minted: number, tenant, name, and the numbers that count as himself."""


class Handle:
    """What is kept of one handle: who minted it, the open cells, and the numbers of those that were late to change."""

    minters: list[Minter]
    cells: Provenances
    late: set[int]

    def __init__(self) -> None:
        self.minters = []
        self.cells = Provenances()
        self.late = set()


class HandleView:
    """The decision that a handle is in foreign hands, taken when five minutes have closed.

    Until then another minter may show up: what several callers are given, such as the number of a page, is no secret.
    """

    def __init__(self, detector: Detector[Any]) -> None:
        self._detector = detector

    def step(self, state: Handle, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        names = caller(event)
        if names is None or not state.cells.holds(event.time, facts.clock):
            return NOTHING
        ((field, name),) = names.items()
        who = pair(event.tenant, name)
        cell = state.cells.cell(event.time)
        if entity.names["handle"] in event.handles_minted:
            cell.minters.setdefault(who, (event.tenant, name, _selves(event)))
            cell.trim()
        elif handed_out(event):
            use = cell.presenters.get(who)
            if use is None:
                use = cell.presenters[who] = Use(event.tenant, field, name, _selves(event))
                cell.trim()
            use.extent.add(event)
        else:
            return NOTHING
        if not event.late:
            return NOTHING
        # Nothing settles a cell again that had closed before: what comes late is judged as it comes.
        state.late.add(int(event.time) // CELL)
        return self._closed(state, int(event.time) // CELL, facts.clock)

    def merge(self, state: Handle, partial: Handle, clock: float) -> Sequence[Finding]:
        """Fold a partial state."""
        state.cells.update(partial.cells)
        state.late |= partial.late
        return [found for number_ in sorted(partial.late) for found in self._closed(state, number_, clock)]

    def settle(self, state: Handle, start: int, clock: float) -> Sequence[Finding]:
        """Judge the five minutes that closed by all who were ever given the handle."""
        found = self._closed(state, start // CELL, clock)
        state.cells.forget(clock)
        state.late &= state.cells.cells.keys()
        return found

    def _closed(self, state: Handle, first: int, clock: float) -> list[Finding]:
        """Judge five minutes, if they have closed, and those after them where they show one more who was given it."""
        cells = state.cells.cells
        if first not in cells or (first + 1) * CELL + LATENESS > clock:
            return []
        known = {minter[0]: minter for minter in state.minters}
        count = len(known)
        found: list[Finding] = []
        for number_ in sorted(cells):
            if (number_ + 1) * CELL + LATENESS > clock or (number_ > first and len(known) == count):
                break
            for who, (tenant, name, selves) in cells[number_].minters.items():
                known.setdefault(who, (who, tenant, name, selves))
            if number_ >= first and len(known) == 1:
                ((_, minter),) = known.items()
                found += self._judge_all(minter, cells[number_], number_ * CELL)
            if number_ == first:
                state.minters = [known[who] for who in sorted(known)[:FEW]]
        return found

    def _judge_all(self, minter: Minter, cell: Provenance, start: int) -> list[Finding]:
        tenants = {use.tenant for use in cell.presenters.values()} - {minter[1], None}
        found: list[Finding] = []
        for who, use in sorted(cell.presenters.items()):
            found += self._judge(minter, who, use, start, common=len(tenants) >= COMMON)
        return found

    def _judge(self, minter: Minter, who: int, use: Use, start: int, *, common: bool) -> list[Finding]:
        minter_who, tenant, name, selves = minter
        if minter_who == who or tenant is None or use.tenant is None:
            return []
        crossed = use.tenant != tenant
        if not crossed and set(selves) & set(use.selves):
            return []
        return [
            tell(
                self._detector,
                "cross_tenant_handle",
                {use.field: use.name, "resource_tenants": tenant},
                tenant=use.tenant,
                severity="critical" if crossed and not common else "medium",
                at=start,
                window=HOUR,
                title=f"A handle minted for {'another tenant' if crossed else 'another caller'} was presented",
                observed=f"{use.name} of {use.tenant} presented a handle minted for {name} of {tenant}",
                expected="a handle is presented by the caller it was minted for",
                why="Task ids, state tokens and cursors work like keys: who presents one sees what it stands for."
                + (" Callers of several tenants present this one at a time, so it may be no secret." if common else ""),
                shown=Evidence([use.extent]),
                confidence=0.9 if crossed and not common else 0.6,
                facts={"tenant": (tenant,)},
            )
        ]


def _selves(event: AuditEvent) -> list[int]:
    """The numbers of everyone in whose name an event acts: within a tenant these share handles by right."""
    names = (event.user, event.agent, *event.on_behalf_of)
    return sorted({number(name) for name in names if name is not None})
