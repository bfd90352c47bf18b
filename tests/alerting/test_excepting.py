from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from alerting.deciding.policy import Policies
from alerting.queries import Filter, list_incidents, why
from alerting.task import AlertTask
from stream.control import DirectoryVersion, control_frame
from stream.directory import Directory, Grant, Principal
from stream.finding import Finding
from tests.alerting.incidents.test_ending import ROUTES, Watched
from tests.alerting.world import HOUR, NOON, a_finding, findings_frame, put

SAM = {"user": "https://idp.example|sam"}


@pytest.fixture
def desk() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.store.close()


def moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def read(at: float = NOON, owner: str = "globex", who: dict[str, str] | None = None, **more: Any) -> Finding:
    entity = {**(who or SAM), "resource_tenants": owner}
    return a_finding("cross_tenant_read", "critical", entity=entity, at=at, time=at, **more)


def a_grant(start: float = NOON - HOUR, until: float = NOON + HOUR, **more: Any) -> Grant:
    said: dict[str, Any] = {"tenant": "globex", **SAM, "ticket": "CASE-17"} | more
    return Grant(from_=moment(start), until=moment(until), **said)


def tell(desk: Watched, clock: float, *grants: Grant, digest: str = "d1", principals: Any = ()) -> None:
    directory = Directory(grants=grants, principals=principals)
    put(desk.log, control_frame(DirectoryVersion(directory, digest), clock))
    while desk.task.advance(wait=0):
        pass


def reasons(desk: Watched) -> list[tuple[str, str]]:
    (incident,) = list_incidents(desk.store, Filter(state="all"))
    return [(one["reason"], one["detail"]) for one in why(desk.store, incident.id)["decisions"]]


SPAN = "from 2024-10-04T11:00:00Z until 2024-10-04T13:00:00Z"
REASON = f"grant CASE-17 {SPAN}"
WORDS = f"grant CASE-17: user https://idp.example|sam for globex {SPAN}"


def test_a_grant_that_arrives_after_its_use_excepts_and_ends_the_incident_but_unmakes_nothing(desk: Watched) -> None:
    desk.hear(NOON, read())
    tell(desk, NOON + 600, a_grant())
    assert desk.statuses() == ["resolved"]
    assert reasons(desk) == [("new", ""), ("excepted", REASON)]
    last = desk.alerts("pd")[-1]
    assert (last.change, last.reason, last.note) == ("resolved", "excepted", WORDS)
    (incident,) = list_incidents(desk.store, Filter(state="all"))
    assert (incident.severity, incident.findings, incident.verdict) == ("critical", 1, None)


def test_a_finding_that_is_decided_after_its_grant_was_heard_wakes_nobody(desk: Watched) -> None:
    tell(desk, NOON - 10, a_grant())
    desk.hear(NOON, read())
    assert reasons(desk) == [("excepted", REASON)]
    assert desk.alerts("pd") == []


@pytest.mark.parametrize(
    "grant",
    [
        a_grant(start=NOON + 1),
        a_grant(until=NOON),
        a_grant(tenant="initech"),
        a_grant(user="https://idp.example|eve"),
        a_grant(user=None, role="support"),
    ],
    ids=["begins-later", "ended-before", "another-tenant", "another-user", "another-role"],
)
def test_a_grant_of_another_moment_caller_or_owner_excepts_nothing(desk: Watched, grant: Grant) -> None:
    desk.hear(NOON, read())
    tell(desk, NOON + 600, grant)
    assert (desk.statuses(), reasons(desk)) == (["open"], [("new", "")])


@pytest.mark.parametrize("class_", ["cross_tenant_handle", "canary", "mixup"])
def test_what_is_nobodys_by_leave_is_excepted_by_no_grant(desk: Watched, class_: Any) -> None:
    desk.hear(NOON, a_finding(class_, "critical", entity={**SAM, "resource_tenants": "globex"}))
    tell(desk, NOON + 600, a_grant(tenant="*"))
    assert desk.statuses() == ["open"]


def test_an_incident_with_something_else_in_it_stays_open_and_says_what_is_excepted(desk: Watched) -> None:
    desk.hear(NOON, read(), read(owner="initech"))
    tell(desk, NOON + 600, a_grant())
    assert desk.statuses() == ["open"]
    assert [one[0] for one in reasons(desk)] == ["new", "joined", "excepted"]
    assert [alert.reason for alert in desk.alerts("siem")] == ["new", "excepted"]
    tell(desk, NOON + 700, a_grant(), a_grant(tenant="initech", ticket="CASE-18"), digest="d2")
    assert desk.statuses() == ["resolved"]


def test_the_same_version_told_again_after_a_restart_changes_nothing(desk: Watched) -> None:
    desk.hear(NOON, read())
    tell(desk, NOON + 600, a_grant())
    before = reasons(desk)
    desk.task = AlertTask(desk.log, desk.store, Policies(), routes=ROUTES)
    tell(desk, NOON + 900, a_grant())
    assert reasons(desk) == before


def test_a_use_after_the_grant_has_ended_opens_the_incident_again(desk: Watched) -> None:
    desk.hear(NOON, read())
    tell(desk, NOON + 600, a_grant(until=NOON + 900))
    desk.hear(NOON + 1200, read(at=NOON + 1200, level=50))
    assert desk.statuses() == ["open"]
    assert (desk.alerts("pd")[-1].change, desk.alerts("pd")[-1].page) == ("reopened", True)


def test_whoever_gets_a_role_is_covered_by_what_the_role_was_granted(desk: Watched) -> None:
    desk.hear(NOON, read())
    role = a_grant(user=None, role="support")
    tell(desk, NOON + 600, role)
    assert desk.statuses() == ["open"]
    tell(desk, NOON + 700, role, digest="d2", principals=(Principal(**SAM, tenant="acme", role="support"),))
    assert desk.statuses() == ["resolved"]
    assert reasons(desk)[-1][1].startswith("grant CASE-17 of the role support from ")


def test_findings_and_their_grant_in_one_transaction_are_excepted_too(desk: Watched) -> None:
    frame = control_frame(DirectoryVersion(Directory(grants=(a_grant(),)), "d1"), NOON + 1)
    put(desk.log, findings_frame([read()], NOON, 0), frame)
    while desk.task.advance(wait=0):
        pass
    assert desk.statuses() == ["resolved"]
