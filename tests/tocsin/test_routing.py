"""Receivers, calendars and routes of the configuration become the tree that alerting asks."""

import pytest

from alerting.routing.grouping import Grouping
from tocsin.config.faults import FaultsError
from tocsin.config.whole import parse_config
from tocsin.routing import repeat_of, routes_of

SINKS = "sinks: {siem: {type: terminal}, pd: {type: pagerduty, routing_key: {env: X}}}\n"
PAGERS = {"siem": False, "pd": True}


def test_without_receivers_one_hears_of_everything_by_every_sink() -> None:
    routes = routes_of(parse_config(SINKS), PAGERS)
    (receiver,) = routes.receivers
    assert (receiver.name, receiver.sinks, receiver.pagers) == ("on-call", ("siem",), ("pd",))


def test_a_route_without_a_receiver_has_that_of_the_route_above() -> None:
    text = SINKS + (
        "alerting:\n"
        "  receivers: {ops: {sinks: [siem, pd], budget: {pages: 5, hours: 1}}}\n"
        "  calendars: {day: {zone: Europe/Berlin, days: [mon], from: '08:30', until: '17:00', closed: [2026-12-25]}}\n"
        "  routes: {routes: [{match: [tenant=acme], hours: day, mode: observe, continue: true}]}\n"
    )
    routes = routes_of(parse_config(text), PAGERS)
    assert routes.root is not None
    (child,) = routes.root.routes
    assert (child.receiver, child.observe, child.goes_on, child.hours_name) == ("ops", True, True, "day")
    assert child.hours is not None
    assert (child.hours.start, child.hours.end, len(child.hours.closed)) == (510, 1020, 1)
    assert (routes.receivers[0].pages, routes.receivers[0].window) == (5, 3600.0)


@pytest.mark.parametrize(
    ("alerting", "says"),
    [
        ("receivers: {ops: {sinks: [sime]}}", "did you mean 'siem'"),
        ("receivers: {ops: {sinks: [siem]}}", "no receiver names it"),
        ("routes: {receiver: ops}", "there are none"),
        ("receivers: {ops: {sinks: [siem, pd]}}, routes: {match: [tenant=acme]}", "the first route takes everything"),
        ("receivers: {ops: {sinks: [siem, pd]}}, routes: {receiver: oops}", "did you mean 'ops'"),
        ("receivers: {ops: {sinks: [siem, pd]}}, routes: {routes: [{hours: day}]}", "add alerting.calendars"),
        ("receivers: {ops: {sinks: [siem, pd]}}, routes: {routes: [{match: [tenan=a]}]}", "did you mean 'tenant'"),
        ("receivers: {ops: {sinks: [siem, pd]}}, calendars: {day: {zone: Mars/Base}}", "no time zone"),
        ("receivers: {ops: {sinks: [siem, pd]}}, routes: {group_by: [tenan]}", "did you mean 'tenant'"),
        ("receivers: {ops: {sinks: [siem, pd]}}, routes: {group_wait: 9}", "nothing is grouped here"),
    ],
)
def test_every_fault_names_its_place_and_a_way_out(alerting: str, says: str) -> None:
    with pytest.raises(FaultsError) as caught:
        routes_of(parse_config(SINKS + f"alerting: {{{alerting}}}"), PAGERS)
    assert says in str(caught.value)
    assert all(fault.line == 2 or "sinks" in fault.key for fault in caught.value.faults)


def test_a_route_groups_and_repeats_as_the_one_above_unless_it_says_otherwise() -> None:
    text = SINKS + (
        "alerting:\n"
        "  receivers: {ops: {sinks: [siem, pd]}}\n"
        "  routes: {group_by: [tenant], group_wait: 10, repeat: 5, routes: [{}, {group_by: [], repeat: 0}]}\n"
    )
    root = routes_of(parse_config(text), PAGERS).root
    assert root is not None
    first, second = root.routes
    assert first.grouping == root.grouping == Grouping(("tenant",), 10.0, 300.0)
    assert (first.repeat, second.repeat, second.grouping) == (300.0, 0.0, Grouping((), 30.0, 300.0))


def test_severities_that_are_not_named_repeat_by_default() -> None:
    alerting = parse_config("alerting: {repeat: {high: 0, medium: 10}}").config.alerting
    assert repeat_of(alerting) == {"critical": 1800.0, "high": 0.0, "medium": 600.0}


@pytest.mark.parametrize("text", ["{from: '25:00'}", "{until: '8'}", "{days: [monday]}"])
def test_hours_and_days_are_checked_when_they_are_read(text: str) -> None:
    with pytest.raises(FaultsError):
        parse_config(f"alerting: {{calendars: {{day: {text}}}}}")
