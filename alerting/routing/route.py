"""Routing: which receivers are told of an incident, and which of their sinks hear of a change."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from alerting.alert import Change
from alerting.incidents.record import Record
from alerting.matching import Condition, Have, of_finding, of_record
from alerting.routing.calendar import Calendar
from alerting.routing.grouping import Group, Grouping
from stream.finding import Finding

_FOLLOW_UPS: Final = frozenset({"acknowledged", "contained", "resolved", "closed"})


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told: a name, the sinks that hear everything and the pagers that wake a person.

    The page budget (`pages` within `window` seconds; None for the default) is the receiver's, however many pagers
    reach them. `escalate_to` names the receiver who is woken when nobody acknowledged in time.
    """

    name: str
    sinks: tuple[str, ...] = ()
    pagers: tuple[str, ...] = ()
    pages: int | None = None
    window: float | None = None
    escalate_to: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A node of the tree: who is told of the incidents that fit, unless one of `routes` fits better.

    All of `match` must hold, and `hours` must be open where there are any. The first child that fits takes the
    incident, and the next ones are asked as well where it says `goes_on`. `observe` tells nobody and records who would
    have been. `grouping` tells several incidents as one page, and `repeat` is after how many seconds a page that nobody
    acknowledged is told again (0 never, None as its severity says).
    """

    receiver: str
    match: tuple[Condition, ...] = ()
    hours: Calendar | None = None
    hours_name: str = ""
    goes_on: bool = False
    observe: bool = False
    grouping: Grouping | None = None
    repeat: float | None = None
    routes: tuple["Route", ...] = ()

    def why_not(self, have: Have, clock: float) -> str | None:
        """Why it does not fit, None where it does."""
        for condition in self.match:
            if not condition.holds(have):
                return f"{condition} does not hold"
        if self.hours is not None and not self.hours.is_open(clock):
            return f"outside of the hours {self.hours_name}"
        return None


class Step(NamedTuple):
    """One node that was asked: where it stands (`routes[0].routes[2]`), and why it does not fit, None where it does.

    `chosen` says that its receiver is told, since none of its children fits.
    """

    path: str
    route: Route
    why_not: str | None
    chosen: bool


class Told(NamedTuple):
    """A receiver of an incident; `observe` where its route only records that it would have been told.

    `group` is the one with which its route tells it, and `repeat` as the route says.
    """

    receiver: Receiver
    observe: bool
    group: Group | None = None
    repeat: float | None = None


@dataclass(frozen=True, slots=True)
class Routes:
    """Who is told of which incident: a tree of routes over receivers; without one the first receiver hears of all."""

    receivers: tuple[Receiver, ...] = (Receiver("on-call"),)
    root: Route | None = None

    def of(self, record: Record, clock: float) -> tuple[Told, ...]:
        """The receivers of an incident at a moment of the log's clock, each once; live where one of its routes is."""
        return self.told(of_record(record) if self.root is not None else {}, clock)

    def told(self, have: Have, clock: float) -> tuple[Told, ...]:
        """The receivers of what has these values."""
        if self.root is None:
            return (Told(self.receivers[0], False),)
        known = {receiver.name: receiver for receiver in self.receivers}
        found: dict[str, Told] = {}
        for step in self.explain(have, clock):
            route = step.route
            if step.chosen and (route.receiver not in found or (found[route.receiver].observe and not route.observe)):
                group = route.grouping.of(step.path, have) if route.grouping is not None else None
                found[route.receiver] = Told(known[route.receiver], route.observe, group, route.repeat)
        return tuple(found.values())

    def observes(self, finding: Finding, clock: float) -> bool:
        """Whether all routes that a finding leads to only observe."""
        if self.root is None:
            return False
        chosen = [step.route for step in self.explain(of_finding(finding), clock) if step.chosen]
        return bool(chosen) and all(route.observe for route in chosen)

    def explain(self, have: Have, clock: float) -> list[Step]:
        """Every node that was asked, in order."""
        return list(_ask(self.root, "routes", have, clock)) if self.root is not None else []


def _ask(route: Route, path: str, have: Have, clock: float) -> Iterator[Step]:
    why_not = route.why_not(have, clock)
    if why_not is not None:
        yield Step(path, route, why_not, False)
        return
    below: list[Step] = []
    for place, child in enumerate(route.routes):
        asked = list(_ask(child, f"{path}.routes[{place}]", have, clock))
        below += asked
        if asked[0].why_not is None and not child.goes_on:
            break
    yield Step(path, route, None, all(step.why_not is not None for step in below))
    yield from below


def sinks_of(receiver: Receiver, change: Change, *, page: bool, paged: bool, ended: bool) -> tuple[str, ...]:
    """The sinks of a receiver that hear of a change.

    Pagers hear of pages, and of what became of an opening that was paged (`paged`), the end of it once (`ended` says
    that it had ended before).
    """
    follows = change in _FOLLOW_UPS and paged and not ended
    return receiver.sinks + (receiver.pagers if page or follows else ())
