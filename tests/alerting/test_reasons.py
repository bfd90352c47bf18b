"""Every reason why somebody was told of something, or was not, is stored and answers when it is asked for."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from alerting.alert import Reason
from alerting.deciding.fates import WORDS, fates
from alerting.queries import Filter, list_incidents, show, why
from alerting.routing.budget import Budget
from alerting.routing.grouping import Grouping
from alerting.routing.route import Receiver, Route, Routes
from alerting.runbook import Runbooks
from alerting.task import act_frame
from stream.control import DirectoryVersion, IncidentChange, Muted, control_frame
from stream.directory import Directory, Grant
from tests.alerting.routing.test_grouping import Desk, brute
from tests.alerting.world import HOUR, NOON, a_finding, put

ROUTES = Routes((Receiver("on-call", ("siem",), ("pd",)),))
LIFE = {"acknowledged", "contained", "closed", "noted", "late"}
"""What people do, and that they did not, stands in the timeline."""


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk(ROUTES, Budget(pages=2))
    yield made
    made.store.close()


def do(desk: Desk, frame: Any) -> None:
    put(desk.log, frame)
    while desk.task.advance(wait=0):
        pass


def reasons(desk: Desk) -> list[str]:
    found: list[str] = []
    for incident in list_incidents(desk.store, Filter(state="all")):
        told = why(desk.store, incident.id)
        for decision in told["decisions"]:
            assert decision["reason"] in get_args(Reason)
            assert decision["page"] <= (decision["page_id"] in told["pages"])
            found.append(decision["reason"])
    return found


def silence(desk: Desk) -> None:
    said = {"owner": "ann", "reason": "known", "by": "ann", "at": NOON}
    muted = Muted(id="m1", kind="silence", where=("user=a",), start=NOON, until=NOON + HOUR, **said)  # type: ignore[arg-type]  # mypy does not know which value is whose
    do(desk, act_frame(muted, NOON))
    desk.at(NOON + 1, brute("a"))


def grant(desk: Desk) -> None:
    entity = {"user": "sam", "resource_tenants": "globex"}
    desk.at(NOON, a_finding("cross_tenant_read", "critical", entity=entity))
    directory = Directory(grants=(Grant(tenant="globex", user="sam", ticket="CASE-17"),))
    do(desk, control_frame(DirectoryVersion(directory, "d1"), NOON + 60))


def leak(desk: Desk) -> None:
    desk.at(NOON, a_finding("cross_tenant_leak", "critical", entity={"server": "crm"}))
    entity = {"user": "sam", "resource_tenants": "globex"}
    desk.at(NOON + 1, a_finding("cross_tenant_read", "critical", entity=entity, facts={"server": ("crm",)}))


def three(desk: Desk) -> None:
    desk.at(NOON, brute("a"), brute("b"), brute("c"))


def again(desk: Desk) -> None:
    desk.at(NOON, brute("a"))
    desk.at(NOON + 1, brute("a"))
    desk.at(NOON + 2 * HOUR)


def worse(desk: Desk) -> None:
    desk.at(NOON, brute("a"))
    desk.at(NOON + 1, brute("a", level=1))
    desk.at(NOON + 2, brute("a", level=2, severity="critical"))


def ended(desk: Desk) -> None:
    producer: dict[str, Any] = {"entity": {"producer": "gw"}, "matter": "silence"}
    desk.at(NOON, a_finding("audit_gap", **producer))
    desk.at(NOON + 60, a_finding("audit_gap", "notice", at=NOON + 60, over=NOON + 60, level=1000, **producer))
    desk.at(NOON + 120, a_finding("audit_gap", at=NOON + 120, level=1, **producer))


def observed(desk: Desk) -> None:
    desk.at(NOON, brute("a", mode="shadow"), brute("b", severity="medium"))


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        (worse, ["new", "joined", "escalated"]),
        (again, ["new", "repeated", "repeated"]),
        (silence, ["silenced"]),
        (grant, ["new", "excepted"]),
        (leak, ["new", "inhibited"]),
        (three, ["new", "new", "over_budget"]),
        (observed, ["below_page", "observed_only"]),
        (ended, ["new", "resolved", "reopened"]),
    ],
)
def test_a_reason_answers_in_why(desk: Desk, story: Any, expected: list[str]) -> None:
    story(desk)
    assert sorted(reasons(desk)) == sorted(expected)


def test_a_group_is_a_reason_too() -> None:
    desk = Desk(Routes(ROUTES.receivers, Route("on-call", grouping=Grouping())))
    three(desk)
    assert reasons(desk) == ["grouped"] * 3
    desk.store.close()


def test_every_reason_has_words_for_who_asks_about_an_event(desk: Desk) -> None:
    assert set(WORDS) == set(get_args(Reason)) - LIFE
    finding = brute("a")
    desk.at(NOON, finding)
    (fate,) = fates(desk.store, [finding.id])[finding.id]
    assert (fate["reason"], fate["said"]) == ("new", WORDS["new"])


def test_what_people_do_stands_in_the_timeline_with_who_did_it(desk: Desk) -> None:
    desk.at(NOON, brute("a"))
    (incident,) = list_incidents(desk.store, Filter())
    for number, name in enumerate(("note", "hand-over", "contain", "close"), 1):
        said: dict[str, Any] = {"verdict": "benign", "note": name, "to": "ben" if name == "hand-over" else None}
        do(desk, act_frame(IncidentChange(incident=incident.id, act=name, by="ann", at=NOON, **said), NOON + number))
    lines = [(row["change"], row["by"], row["note"]) for row in show(desk.store, incident.id, Runbooks())["timeline"]]
    assert lines[1:] == [
        ("noted", "ann", "note"),
        ("acknowledged", "ann", "handed over to ben; hand-over"),
        ("contained", "ann", "contain"),
        ("closed", "ann", "close"),
    ]
