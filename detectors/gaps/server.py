"""One server: whether the inventory knows it, and whether its vantage points tell of the same calls."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final

from detectors.base import NOTHING, Cell, Entity
from detectors.batch import Batch
from detectors.gaps.telling import About, Teller, of_server
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

HOUR: Final = 3_600
DAY: Final = 86_400
OURS: Final = "tocsin"
"""The server that our own log-ins are events of."""
CALLS: Final = 20
"""Calls in an hour from which on two vantage points are compared."""
HOURS: Final = 6
"""Such hours that must be known before."""
KEPT: Final = 48
"""Hours whose shares are kept."""
SIGMAS: Final = 4.0


class Calls:
    """The calls of an hour: those that count, and those that another vantage point counts."""

    counted: int
    echoed: int

    def __init__(self) -> None:
        self.counted = 0
        self.echoed = 0


class Server:
    """What is kept of one server: events by day while it is unlisted, calls by hour, and the shares of closed hours."""

    days: dict[int, int]
    hours: dict[int, Calls]
    shares: list[float]

    def __init__(self) -> None:
        self.days = {}
        self.hours = {}
        self.shares = []


class ServerView:
    """The decisions about one server."""

    def __init__(self, teller: Teller, parameters: Mapping[str, float]) -> None:
        self._teller = teller
        self._least = int(parameters["unlisted_events"])

    def batch(self, state: Server, entity: Entity, batch: Batch, facts: Facts) -> Sequence[Finding]:
        """Fold the events of one frame."""
        fresh = batch.fresh()
        if not fresh.events:
            return NOTHING
        found: list[Finding] = []
        strange = bool(facts.directory.servers) and self._unlisted(entity, facts)
        for number in fresh.cells(HOUR):
            events = fresh.within(HOUR, number)
            self._add(state, number, events)
            if strange:
                found += self._strange(state, entity, number // 24, len(events), facts)
        return found

    def merge(self, state: Server, partial: Server, entity: Entity, facts: Facts) -> Sequence[Finding]:
        """Fold a partial state."""
        for hour, calls in sorted(partial.hours.items()):
            known = state.hours.setdefault(hour, Calls())
            known.counted += calls.counted
            known.echoed += calls.echoed
        found: list[Finding] = []
        for day, count in sorted(partial.days.items()):
            found += self._strange(state, entity, day, count, facts)
        return found

    def settle(self, state: Server, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Compare the vantage points of a closed hour, and forget what is over."""
        hour = cell.start // HOUR
        calls = state.hours.pop(hour, None)
        for old in [old for old in state.hours if old < hour - 3]:
            del state.hours[old]
        for day in [day for day in state.days if day < hour // 24 - 1]:
            del state.days[day]
        if calls is None or calls.counted < CALLS or (not calls.echoed and not state.shares):
            return NOTHING
        share = calls.echoed / calls.counted
        found: list[Finding] = []
        if len(state.shares) >= HOURS:
            low, high = min(state.shares), max(state.shares)
            noise = SIGMAS * sqrt(max(0.0, low * (1.0 - min(1.0, low))) / calls.counted)
            few = calls.echoed < calls.counted * (low - noise) - 2
            many = calls.echoed > calls.counted * (high + noise) + 2
            if few or many:
                expected = calls.counted * (low if few else high)
                return [self._teller.uneven(of_server(entity, facts), cell, calls.counted, calls.echoed, expected)]
        state.shares = [*state.shares, round(share, 4)][-KEPT:]
        return found

    def _add(self, state: Server, hour: int, events: Sequence[AuditEvent]) -> None:
        requests = [event.kind for event in events].count("request")
        if not requests:
            return
        calls = state.hours.get(hour)
        if calls is None:
            calls = state.hours[hour] = Calls()
        echoes = len(events) - [event.echo for event in events].count(None)
        calls.counted += requests - echoes
        calls.echoed += echoes

    def _unlisted(self, entity: Entity, facts: Facts) -> bool:
        name = entity.names["server"]
        return name != OURS and facts.server(name) is None

    def _strange(self, state: Server, entity: Entity, day: int, count: int, facts: Facts) -> Sequence[Finding]:
        before = state.days.get(day, 0)
        state.days[day] = before + count
        if before < self._least <= before + count:
            return [self._teller.unlisted(About(entity.names), day, self._least, facts.clock)]
        return NOTHING
