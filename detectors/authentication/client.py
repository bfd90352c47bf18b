"""One OAuth client: many of its accounts hold lapsed credentials at once, which is the client's fault or a rotation."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.authentication.lapse import MINUTE, lapses
from detectors.authentication.reasons import LAPSED, failed, reason_of
from detectors.authentication.source import account
from detectors.base import NOTHING, Detector, Entity
from detectors.parts.targets import TargetRing
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent


class Client:
    """The accounts of a client that were refused for expiry or rotation."""

    lapsed: TargetRing

    def __init__(self) -> None:
        self.lapsed = TargetRing()

    def rest(self, clock: float) -> None:
        """Drop what is no longer held."""
        if self.lapsed.cells:
            self.lapsed.forget(clock)


class ClientView:
    """The decision about one client."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._bar = int(parameters["lapsed_accounts"])

    def step(self, state: Client, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        if event.user is None or not failed(event) or reason_of(event) not in LAPSED:
            return NOTHING
        if not state.lapsed.holds(event.time, facts.clock):
            return NOTHING
        cell = state.lapsed.cell(event.time)
        cell.extent.add(event)
        if not cell.targets.add(account(event)):
            return NOTHING
        return [*lapses(self._detector, state.lapsed, entity, int(event.time) // MINUTE, self._bar)]

    def merge(self, state: Client, partial: Client, entity: Entity) -> Sequence[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        for cell in state.lapsed.update(partial.lapsed):
            found += lapses(self._detector, state.lapsed, entity, cell, self._bar)
        return found
