"""Searching: many different targets that were denied within three hours, or are not there within half an hour."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any, Final

from detectors.base import NOTHING, Detector, Entity
from detectors.parts.distinct import EXACT, union
from detectors.parts.extent import Evidence
from detectors.parts.keyed import pair
from detectors.parts.targets import TargetRing
from detectors.telling import level_of, minutes, tell
from stream.facts import Facts
from stream.finding import Class, Finding, Severity
from tocsin_audit.event import AuditEvent

WINDOW: Final = 1_800
SLOW: Final = 10_800
SLOWER: Final = 1.25
"""How many times more targets that are not there it takes over three hours; few are ever denied to one who works."""
SLOW_LEVEL: Final = 10
"""Added to the level of a search over three hours."""
MINUTE: Final = 60


class Search:
    """Targets that were denied, that were not there, and that were asked for with parameters that do not fit."""

    denied: TargetRing
    missing: TargetRing
    malformed: TargetRing

    def __init__(self) -> None:
        self.denied = TargetRing()
        self.missing = TargetRing()
        self.malformed = TargetRing()

    def rest(self, clock: float) -> bool:
        """Drop what is no longer held; whether anything is left."""
        for _, ring in self.rings():
            if ring.cells:
                ring.forget(clock)
        return any(ring.cells for _, ring in self.rings())

    def rings(self) -> tuple[tuple[str, TargetRing], ...]:
        """Each ring with its name."""
        return (("denied", self.denied), ("missing", self.missing), ("malformed", self.malformed))


class _Kind:
    """How one ring's findings are told. `shift` keeps the ids of two rings of one class apart."""

    def __init__(self, class_: Class, severity: Severity, shift: int, title: str, done: str, why: str) -> None:
        self.class_ = class_
        self.severity = severity
        self.shift = shift
        self.title = title
        self.done = done
        self.why = why


_KINDS: Final[Mapping[str, _Kind]] = {
    "denied": _Kind(
        "scope_probing",
        "medium",
        0,
        "Many different targets denied to one caller",
        "denied",
        "Denials over ever new targets are how the limits of a credential are found out.",
    ),
    "missing": _Kind(
        "enumeration",
        "medium",
        0,
        "Many targets asked for that are not there",
        "not found",
        "Asking for ever new names that are not there is how objects are found out.",
    ),
    "malformed": _Kind(
        "enumeration",
        "low",
        100,
        "Many targets asked for with parameters that do not fit",
        "refused for their parameters",
        "Some servers hide what is not there behind complaints about parameters; a clumsy caller looks the same.",
    ),
}
_OUTCOMES: Final[Mapping[str | None, str]] = {
    "authz_denied": "denied",
    "not_found": "missing",
    "invalid_params": "malformed",
}


class SearchView:
    """The decisions about searching."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._bars = {
            "denied": int(parameters["probing_targets"]),
            "missing": int(parameters["enumeration_targets"]),
            "malformed": int(parameters["malformed_targets"]),
        }

    def step(self, state: Search, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event that was neither answered nor rejected for its credentials."""
        name = _OUTCOMES.get(event.outcome)
        if name == "malformed" and event.method == "resources/read":
            name = "missing"  # servers of 2026 answer so for a resource that is not there
        if name is None and event.auth == "insufficient_scope":
            name = "denied"
        if name is None or event.target is None:
            return NOTHING
        ring: TargetRing = getattr(state, name)
        if not ring.holds(event.time, facts.clock):
            return NOTHING
        cell = ring.cell(event.time)
        cell.extent.add(event)
        wanted = event.target if name == "denied" or event.args_hash is None else f"{event.target}|{event.args_hash}"
        if not cell.targets.add(pair(event.server, wanted)):
            return NOTHING
        return self._search(ring, name, entity, int(event.time) // MINUTE, anew=False)

    def merge(self, state: Search, partial: Search, entity: Entity) -> list[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        for (name, ring), (_, other) in zip(state.rings(), partial.rings(), strict=True):
            for cell in ring.update(other):
                found += self._search(ring, name, entity, cell, anew=True)
        return found

    def _search(self, ring: TargetRing, name: str, entity: Entity, cell: int, *, anew: bool) -> list[Finding]:
        bar = self._bars[name]
        if name == "denied":
            return self._within(ring, name, entity, cell, SLOW, bar, 0, anew=anew)
        found = self._within(ring, name, entity, cell, WINDOW, bar, 0, anew=anew)
        slow = ceil(SLOWER * bar)
        return found + self._within(ring, name, entity, cell, SLOW, slow, SLOW_LEVEL, anew=anew)

    def _within(
        self, ring: TargetRing, name: str, entity: Entity, cell: int, window: int, bar: int, shift: int, *, anew: bool
    ) -> list[Finding]:
        kind = _KINDS[name]
        width = window // MINUTE
        found: list[Finding] = []
        for end in ring.ends(cell, width):
            last = ring.cells[end]
            told, skip = last.told.get(width, (-1, 0))
            if skip > 0 and not anew:
                last.told[width] = (told, skip - 1)
                continue
            cells = ring.window(end, width)
            count = len(union(one.targets for one in cells))
            level = min(level_of(count, bar), 0) if shift else level_of(count, bar)
            # One event adds one target; beyond 64 their number is an estimate that may grow faster.
            missing = bar * (1 << 2 * (level + 1)) - count
            last.told[width] = (max(told, level), missing - 1 if count < EXACT else missing // 4)
            levels = range(0 if anew else told + 1, level + 1)
            if not levels:
                continue
            shown = Evidence(one.extent for one in cells)
            found += [
                tell(
                    self._detector,
                    kind.class_,
                    entity.names,
                    tenant=entity.tenant,
                    severity=kind.severity,
                    at=end * MINUTE,
                    window=window,
                    level=level + kind.shift + shift,
                    title=kind.title,
                    observed=f"{count} different targets {kind.done} in {shown.count} requests within "
                    f"{minutes(window)}",
                    expected=f"fewer than {bar * 4**level}",
                    why=kind.why,
                    shown=shown,
                    confidence=0.7,
                )
                for level in levels
            ]
        return found
