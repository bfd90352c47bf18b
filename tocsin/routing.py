"""From what the configuration says of receivers, calendars and routes to the tree that alerting asks."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from alerting.deciding.policy import HOUR, REPEAT
from alerting.incidents.targets import CLOCKS, DEFAULT, Targets
from alerting.matching import KEYS, Condition, parse
from alerting.routing.calendar import DAYS, Calendar
from alerting.routing.grouping import Grouping
from alerting.routing.route import Receiver, Route, Routes
from stream.errors import RejectedError
from stream.finding import Severity
from tocsin.config import alerting as said
from tocsin.config.faults import Fault, FaultsError, did_you_mean
from tocsin.config.whole import Loaded

EVERYONE: Final = "on-call"
"""The receiver of everything where the configuration names none."""
_AT: Final = ("alerting",)


def routes_of(loaded: Loaded, pagers: Mapping[str, bool]) -> Routes:
    """The tree of routes; `pagers` says of every sink, by name, whether it wakes people.

    Raises FaultsError with every fault of receivers, calendars and routes.
    """
    faults = list(_faults(loaded, pagers))
    if faults:
        raise FaultsError(faults)
    alerting = loaded.config.alerting
    receivers = tuple(_receiver(name, section, pagers) for name, section in alerting.receivers.items())
    if not receivers:
        receivers = (_receiver(EVERYONE, said.Receiver(sinks=tuple(pagers)), pagers),)
    calendars = {name: _calendar(section) for name, section in alerting.calendars.items()}
    above = _Above(receivers[0].name)
    root = _route(alerting.routes, above, calendars) if alerting.routes is not None else None
    return Routes(receivers, root)


def targets_of(alerting: said.Alerting) -> Targets:
    """How soon something is done about incidents."""
    own = {
        severity: {clock: minutes * 60.0 for clock in CLOCKS if (minutes := getattr(section, clock)) is not None}
        for severity, section in alerting.targets.items()
    }
    return Targets({**DEFAULT, **own})


def repeat_of(alerting: said.Alerting) -> dict[Severity, float]:
    """After how many seconds a page is told again, by severity."""
    return {**REPEAT, **{severity: minutes * 60.0 for severity, minutes in alerting.repeat.items()}}


def _receiver(name: str, section: said.Receiver, pagers: Mapping[str, bool]) -> Receiver:
    return Receiver(
        name,
        sinks=tuple(sink for sink in section.sinks if not pagers[sink]),
        pagers=tuple(sink for sink in section.sinks if pagers[sink]),
        pages=section.budget.pages if section.budget is not None else None,
        window=section.budget.hours * HOUR if section.budget is not None else None,
        escalate_to=section.escalate_to,
    )


def _calendar(section: said.Calendar) -> Calendar:
    return Calendar(
        ZoneInfo(section.zone),
        tuple(DAYS.index(day) for day in section.days),
        _minute(section.start),
        _minute(section.until),
        frozenset(section.closed),
    )


class _Above(NamedTuple):
    """What a route takes from the one above it where it says nothing itself."""

    receiver: str
    grouping: Grouping | None = None
    repeat: float | None = None


def _route(section: said.Route, above: _Above, calendars: Mapping[str, Calendar]) -> Route:
    grouping = above.grouping
    if section.group_by is not None:
        grouping = Grouping(section.group_by, section.group_wait, section.group_interval)
    repeat = section.repeat * 60.0 if section.repeat is not None else above.repeat
    here = _Above(section.receiver or above.receiver, grouping, repeat)
    return Route(
        here.receiver,
        match=tuple(parse(text) for text in section.match),
        hours=calendars[section.hours] if section.hours is not None else None,
        hours_name=section.hours or "",
        goes_on=section.goes_on,
        observe=section.mode == "observe",
        grouping=grouping,
        repeat=repeat,
        routes=tuple(_route(child, here, calendars) for child in section.routes),
    )


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _faults(loaded: Loaded, pagers: Mapping[str, bool]) -> Iterator[Fault]:
    alerting = loaded.config.alerting
    for name, receiver in alerting.receivers.items():
        if receiver.escalate_to is not None and receiver.escalate_to not in alerting.receivers:
            hint = did_you_mean(receiver.escalate_to, alerting.receivers)
            what = f"there is no receiver '{receiver.escalate_to}'"
            yield loaded.fault((*_AT, "receivers", name, "escalate_to"), what, hint)
        for number, sink in enumerate(receiver.sinks):
            if sink not in loaded.config.sinks:
                hint = did_you_mean(sink, loaded.config.sinks)
                yield loaded.fault((*_AT, "receivers", name, "sinks", number), f"there is no sink '{sink}'", hint)
    if alerting.receivers:
        reached = {sink for receiver in alerting.receivers.values() for sink in receiver.sinks}
        for sink in pagers:
            if sink not in reached:
                hint = "add it to a receiver's sinks, or take it away"
                yield loaded.fault(("sinks", sink), "no receiver names it, so that nothing would reach it", hint)
    for name, calendar in alerting.calendars.items():
        try:
            ZoneInfo(calendar.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            hint = "write it as in the IANA database: Europe/Berlin, America/New_York, UTC"
            yield loaded.fault((*_AT, "calendars", name, "zone"), f"there is no time zone '{calendar.zone}'", hint)
    if alerting.routes is None:
        return
    if not alerting.receivers:
        yield loaded.fault((*_AT, "routes"), "routes lead to receivers, and there are none", "add alerting.receivers")
        return
    if alerting.routes.match or alerting.routes.hours is not None:
        hint = "put conditions on the routes below it"
        yield loaded.fault((*_AT, "routes"), "the first route takes everything that no other fits", hint)
    for path, route in said.places(alerting.routes):
        yield from _of_route(loaded, path, route)


def _of_route(loaded: Loaded, path: Sequence[Any], route: said.Route) -> Iterator[Fault]:
    alerting = loaded.config.alerting
    if route.receiver is not None and route.receiver not in alerting.receivers:
        hint = did_you_mean(route.receiver, alerting.receivers)
        yield loaded.fault((*path, "receiver"), f"there is no receiver '{route.receiver}'", hint)
    if route.hours is not None and route.hours not in alerting.calendars:
        hint = did_you_mean(route.hours, alerting.calendars) if alerting.calendars else "add alerting.calendars"
        yield loaded.fault((*path, "hours"), f"there is no calendar '{route.hours}'", hint)
    for number, key in enumerate(route.group_by or ()):
        if key not in KEYS:
            hint = did_you_mean(key, KEYS) or "class, severity, family, detector or an event's field"
            yield loaded.fault((*path, "group_by", number), f"there is no key '{key[:40]}'", hint)
    if route.group_by is None and not {"group_wait", "group_interval"}.isdisjoint(route.model_fields_set):
        name = "group_wait" if "group_wait" in route.model_fields_set else "group_interval"
        yield loaded.fault((*path, name), "nothing is grouped here", "add group_by, such as group_by: [tenant]")
    for number, text in enumerate(route.match):
        try:
            _: Condition = parse(text)
        except RejectedError as error:
            yield loaded.fault((*path, "match", number), error.what, error.hint)
