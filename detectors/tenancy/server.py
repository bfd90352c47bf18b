"""One MCP server: leaks to several callers, branches of its objects, callers without a name or a tenant."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.base import NOTHING, Cell, Detector, Entity
from detectors.parts.extent import Evidence, Extent
from detectors.telling import plural, tell
from detectors.tenancy.access import AccessView
from detectors.tenancy.branch import Branches, BranchView
from detectors.tenancy.foreign import DAY, HOUR, caller
from detectors.tenancy.leak import LeakRing, LeakView
from stream.facts import Facts
from stream.finding import DECODER, ENCODER, Finding
from tocsin_audit.event import AuditEvent

STRAYS: Final = 64
"""Findings about callers without a name that one hour keeps."""


class Server:
    """What is kept of one server."""

    leaks: LeakRing
    branches: Branches
    gaps: dict[int, Extent]
    nameless: dict[int, dict[str, bytes]]

    def __init__(self) -> None:
        self.nameless = {}
        self.leaks = LeakRing()
        self.branches = Branches()
        self.gaps = {}


class ServerView:
    """The decisions about one server."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float], access: AccessView) -> None:
        self._detector = detector
        self._access = access
        self._leak = LeakView(detector, parameters)
        self._branch = BranchView(detector, parameters)
        self._gap = int(parameters["gap_events"])

    def step(self, state: Server, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        found: list[Finding] = []
        if event.tenant is None:
            self._miss(state, event)
        elif event.resource_tenants != (event.tenant,):
            found += self._leak.step(state.leaks, entity, event, facts)
            if event.target is not None:
                found += self._branch.step(state.branches, event, facts)
        if caller(event) is None:
            strays = self._access.nameless(entity.names, entity.tenant, event, facts)
            if strays:
                self._keep(state, int(event.time) // HOUR, strays)
                found += strays
        return found

    def merge(self, state: Server, partial: Server, entity: Entity, facts: Facts) -> Sequence[Finding]:
        """Fold a partial state."""
        for day, extent in partial.gaps.items():
            mine = state.gaps.get(day)
            if mine is None:
                mine = state.gaps[day] = Extent()
            mine.update(extent)
        found = self._leak.merge(state.leaks, partial.leaks, entity)
        for hour, strays in sorted(partial.nameless.items()):
            told = [DECODER.decode(packed) for packed in strays.values()]
            self._keep(state, hour, told)
            found += told
        return found + self._branch.merge(state.branches, partial.branches, facts)

    def settle(self, state: Server, entity: Entity, cell: Cell, clock: float) -> Sequence[Finding]:
        """Forget, learn from a day, and report what could not be judged on it."""
        if cell.seconds == HOUR and state.leaks.cells:
            state.leaks.forget(clock)
        for hour in [one for one in state.nameless if one < cell.start // HOUR]:
            del state.nameless[hour]
        if cell.seconds != DAY:
            return NOTHING
        self._branch.settle(state.branches, cell.end)
        found: list[Finding] = []
        for day in sorted(one for one in state.gaps if one < cell.end // DAY):
            extent = state.gaps.pop(day)
            if extent.count >= self._gap:
                found.append(self._report(entity, day, extent))
        return found

    def _keep(self, state: Server, hour: int, strays: list[Finding]) -> None:
        """Keep what one event decided, so that a partial state carries it to where it is merged."""
        held = state.nameless.setdefault(hour, {})
        for stray in strays:
            if len(held) < STRAYS:
                held[stray.id] = ENCODER.encode(stray)

    def _miss(self, state: Server, event: AuditEvent) -> None:
        """Count a call whose caller's tenant is not known, if it was answered or names an owner."""
        if event.kind != "request" or not (event.resource_tenants or event.outcome in (None, "ok", "input_required")):
            return
        day = int(event.time) // DAY
        extent = state.gaps.get(day)
        if extent is None:
            extent = state.gaps[day] = Extent()
        extent.add(event)

    def _report(self, entity: Entity, day: int, extent: Extent) -> Finding:
        shown = Evidence([extent])
        return tell(
            self._detector,
            "audit_gap",
            entity.names,
            tenant=entity.tenant,
            severity="notice",
            at=day * DAY,
            window=DAY,
            title="Calls whose caller's tenant is not known",
            observed=f"{plural(extent.count, 'call')} in one day, by {', '.join(shown.actors) or 'nobody named'}",
            expected="every caller belongs to a tenant: by the directory, a claim, or the collector key",
            why="Who has no tenant cannot be held against the owners of what is handed out: these calls went unjudged.",
            shown=shown,
        )
