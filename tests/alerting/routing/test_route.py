from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerting.incidents.key import incident_key
from alerting.incidents.record import Record, opened_by, with_findings
from alerting.matching import parse_all
from alerting.routing.calendar import Calendar
from alerting.routing.route import Receiver, Route, Routes, sinks_of
from stream.finding import Finding
from tests.alerting.world import NOON, a_finding

RECEIVERS = tuple(Receiver(name) for name in ("on-call", "acme", "night", "audit"))
NIGHT = Calendar(ZoneInfo("UTC"), range(7), 20 * 60, 6 * 60)


def a_record(finding: Finding) -> Record:
    return with_findings(opened_by(incident_key(finding), finding, NOON), (finding,), NOON, live=True)


def a_route(receiver: str, *match: str, **more: Any) -> Route:
    return Route(receiver, parse_all(match), **more)


TREE = Routes(
    RECEIVERS,
    a_route(
        "on-call",
        routes=(
            a_route("audit", "class=canary,audit_gap", goes_on=True),
            a_route(
                "acme", "tenant=acme", routes=(a_route("night", "severity>=high", hours=NIGHT, hours_name="night"),)
            ),
            a_route("audit", "tenant=acme"),
        ),
    ),
)


def told(finding: Finding, at: float = NOON) -> list[str]:
    return [one.receiver.name for one in TREE.of(a_record(finding), at)]


def test_without_a_tree_the_first_receiver_hears_of_everything() -> None:
    assert [one.receiver.name for one in Routes(RECEIVERS).of(a_record(a_finding()), NOON)] == ["on-call"]


def test_what_fits_no_child_goes_to_the_root() -> None:
    assert told(a_finding(tenant="globex")) == ["on-call"]


def test_the_first_child_that_fits_takes_it() -> None:
    assert told(a_finding()) == ["acme"]


def test_a_deeper_route_that_fits_beats_its_parent() -> None:
    assert told(a_finding(), NOON + 9 * 3600) == ["night"]
    assert told(a_finding(severity="medium"), NOON + 9 * 3600) == ["acme"]


def test_a_route_that_goes_on_adds_to_the_next_one_that_fits() -> None:
    assert told(a_finding("canary")) == ["audit", "acme"]
    assert told(a_finding("canary", tenant="globex")) == ["audit"]


def test_every_step_says_why_it_was_not_taken() -> None:
    finding = a_finding(tenant="globex")
    steps = TREE.explain({"class": (finding.class_,), "tenant": ("globex",)}, NOON)
    assert [(step.path, step.why_not, step.chosen) for step in steps] == [
        ("routes", None, True),
        ("routes.routes[0]", "class=canary,audit_gap does not hold", False),
        ("routes.routes[1]", "tenant=acme does not hold", False),
        ("routes.routes[2]", "tenant=acme does not hold", False),
    ]
    acme = TREE.explain({"class": ("brute",), "tenant": ("acme",), "severity": ("high",)}, NOON)
    assert [step.why_not for step in acme if step.path.endswith("[1].routes[0]")] == ["outside of the hours night"]


def test_a_receiver_is_told_where_one_of_its_routes_is_live() -> None:
    routes = Routes(
        RECEIVERS,
        a_route("on-call", routes=(a_route("acme", goes_on=True, observe=True), a_route("acme", "tenant=acme"))),
    )
    assert [one.observe for one in routes.of(a_record(a_finding()), NOON)] == [False]
    assert [one.observe for one in routes.of(a_record(a_finding(tenant="globex")), NOON)] == [True]


@pytest.mark.parametrize(
    ("change", "page", "paged", "ended", "pagers"),
    [
        ("opened", True, False, False, True),
        ("opened", False, False, False, False),
        ("joined", False, True, False, False),
        ("resolved", False, True, False, True),
        ("resolved", False, False, False, False),
        ("closed", False, True, True, False),
    ],
)
def test_pagers_hear_of_pages_and_of_how_they_end(
    change: Any, page: bool, paged: bool, ended: bool, pagers: bool
) -> None:
    receiver = Receiver("on-call", ("siem",), ("pd",))
    assert ("pd" in sinks_of(receiver, change, page=page, paged=paged, ended=ended)) is pagers
