"""The pure decision, as a table."""

from typing import Any

import msgspec
import pytest

from alerting.alert import Change, Reason
from alerting.deciding.decide import Decision, Situation, decide
from alerting.deciding.inhibit import SOURCES
from alerting.deciding.policy import Matcher, Policies
from alerting.incidents.key import incident_key
from alerting.incidents.record import Record, opened_by, with_findings
from alerting.matching import Condition
from stream.finding import Finding
from tests.alerting.world import DAY, NOON, a_finding

POLICIES = Policies()


def a_record(finding: Finding | None = None, **more: Any) -> Record:
    """The record of an incident that this finding opened and paged, unless said otherwise."""
    finding = finding or a_finding()
    record = with_findings(opened_by(incident_key(finding), finding, NOON), (finding,), NOON, live=True)
    sources = tuple(class_ for class_ in record.classes if class_ in SOURCES)
    told = {"told": finding.severity, "paged": True, "revision": 1, "sources": sources}
    return msgspec.structs.replace(record, **(told | more))


def a_matcher(kind: Any = "silence", forced: bool = False, **where: str) -> Matcher:
    conditions = tuple(Condition(key.rstrip("_"), "=", (value,)) for key, value in where.items())
    return Matcher("m1", kind, conditions, NOON - 60, NOON + 600, "ops", "known", forced)


def outcome(decision: Decision) -> tuple[Reason, Change | None, bool]:
    return decision.reason, decision.change, decision.page


ENDED: dict[str, Any] = {"status": "closed", "ended": NOON + 60, "verdict": "benign"}


@pytest.mark.parametrize(
    ("finding", "situation", "expected"),
    [
        (a_finding(), Situation(), ("new", "opened", True)),
        (a_finding(severity="critical"), Situation(), ("new", "opened", True)),
        (a_finding(severity="medium"), Situation(), ("below_page", "opened", False)),
        (a_finding(mode="shadow"), Situation(), ("observed_only", "opened", False)),
        (a_finding(mode="observe"), Situation(), ("observed_only", "opened", False)),
        (a_finding(), Situation(imported=True), ("observed_only", "opened", False)),
        (a_finding(), Situation(record=a_record(), repeated=True), ("repeated", None, False)),
        (a_finding(level=1), Situation(record=a_record()), ("joined", "joined", False)),
        (a_finding(severity="medium"), Situation(record=a_record()), ("below_page", "joined", False)),
        (a_finding(severity="critical"), Situation(record=a_record()), ("escalated", "escalated", True)),
        (
            a_finding(severity="critical"),
            Situation(record=a_record(status="acknowledged")),
            ("escalated", "escalated", True),
        ),
        # Nobody was told yet of what is in there: the first that may be told is.
        (a_finding(level=1), Situation(record=a_record(told=None, paged=False)), ("escalated", "escalated", True)),
        (
            a_finding(level=1),
            Situation(record=a_record(a_finding(severity="critical"), told=None)),
            ("escalated", "escalated", True),
        ),
        # Newer than the end it opens again; an older one joins in silence unless it is worse than what was told.
        (a_finding(at=NOON + 61), Situation(record=a_record(**ENDED)), ("reopened", "reopened", True)),
        (a_finding(at=NOON + 30), Situation(record=a_record(**ENDED)), ("joined", "joined", False)),
        (
            a_finding(severity="critical", at=NOON + 30),
            Situation(record=a_record(**ENDED)),
            ("reopened", "reopened", True),
        ),
        (
            a_finding(severity="medium", at=NOON + 61),
            Situation(record=a_record(**ENDED)),
            ("below_page", "reopened", False),
        ),
        (
            a_finding(mode="shadow", at=NOON + 61),
            Situation(record=a_record(**ENDED)),
            ("observed_only", "joined", False),
        ),
        # The same matter the day before.
        (a_finding(at=NOON + DAY), Situation(previous=a_record()), ("repeated", "opened", False)),
        (a_finding(severity="critical", at=NOON + DAY), Situation(previous=a_record()), ("new", "opened", True)),
        (a_finding(at=NOON + DAY), Situation(previous=a_record(**ENDED)), ("new", "opened", True)),
        (a_finding(at=NOON + DAY), Situation(previous=a_record(told=None)), ("new", "opened", True)),
    ],
)
def test_a_person_is_told_once_and_again_when_it_gets_worse(
    finding: Finding, situation: Situation, expected: tuple[Reason, Change | None, bool]
) -> None:
    assert outcome(decide(finding, situation, POLICIES, NOON)) == expected


def test_observing_decides_everything_and_pages_nobody() -> None:
    assert outcome(decide(a_finding(), Situation(), Policies(observe=True), NOON)) == ("observed_only", "opened", False)


def test_the_operator_chooses_from_which_severity_people_are_woken() -> None:
    medium = a_finding(severity="medium")
    assert decide(medium, Situation(), Policies(page_from="medium"), NOON).page
    assert not decide(a_finding(), Situation(), Policies(page_from="critical"), NOON).page


@pytest.mark.parametrize(
    ("matcher", "reason"),
    [
        (a_matcher(class_="brute"), "silenced"),
        (a_matcher(tenant="acme", user="https://idp.example|alice"), "silenced"),
        (a_matcher(kind="exception", detector="test"), "excepted"),
        (a_matcher(severity="high"), "silenced"),
        (a_matcher(tenant="globex"), "new"),
        (a_matcher(user="bob"), "new"),
        (a_matcher(), "new"),
    ],
)
def test_a_silence_or_exception_covers_what_has_all_its_values(matcher: Matcher, reason: Reason) -> None:
    decision = decide(a_finding(), Situation(), Policies(matchers=(matcher,)), NOON)
    assert decision.reason == reason
    assert decision.page == (reason == "new")
    assert decision.detail == ("" if reason == "new" else "m1")


def test_a_silence_ends_and_does_not_begin_early() -> None:
    policies = Policies(matchers=(a_matcher(class_="brute"),))
    assert decide(a_finding(), Situation(), policies, NOON - 61).page
    assert decide(a_finding(), Situation(), policies, NOON + 600).page


def test_what_was_silenced_is_told_when_the_silence_has_ended() -> None:
    record = a_record(told=None, paged=False)
    assert outcome(decide(a_finding(level=1), Situation(record=record), POLICIES, NOON)) == (
        "escalated",
        "escalated",
        True,
    )


@pytest.mark.parametrize("class_", ["cross_tenant_read", "success_after", "canary"])
def test_what_must_never_be_silent_is_covered_only_by_force(class_: Any) -> None:
    finding = a_finding(class_, "critical")
    assert decide(finding, Situation(), Policies(matchers=(a_matcher(class_=class_),)), NOON).page
    forced = Policies(matchers=(a_matcher(class_=class_, forced=True),))
    assert decide(finding, Situation(), forced, NOON).reason == "silenced"


LEAK = a_record(a_finding("cross_tenant_leak", "critical", entity={"server": "billing"}, tenant=None))
READ = a_finding(
    "cross_tenant_read",
    "critical",
    entity={"user": "u", "resource_tenants": "globex"},
    facts={"server": ("billing",)},
)
OUTAGE = a_record(a_finding("outage", "medium", entity={"server": "idp"}, tenant=None))


def test_while_a_server_leaks_its_callers_findings_are_evidence_of_the_leak() -> None:
    decision = decide(READ, Situation(causes=(LEAK,)), POLICIES, NOON)
    assert outcome(decision) == ("inhibited", "joined", False)
    assert (decision.incident, decision.own, decision.detail) == (LEAK.id, False, LEAK.id)


def test_a_caller_with_an_incident_of_its_own_keeps_it() -> None:
    decision = decide(READ, Situation(record=a_record(READ, told=None), causes=(LEAK,)), POLICIES, NOON)
    assert (outcome(decision), decision.own) == (("inhibited", "joined", False), True)


@pytest.mark.parametrize(
    ("cause", "finding"),
    [
        (msgspec.structs.replace(LEAK, status="closed", ended=NOON), READ),
        (msgspec.structs.replace(LEAK, observed=True), READ),
        (msgspec.structs.replace(LEAK, told=None), READ),
        (LEAK, msgspec.structs.replace(READ, facts={"server": ("search",)})),
        (LEAK, a_finding("canary", "critical", facts={"server": ("billing",)})),
        (OUTAGE, a_finding("success_after", "critical", facts={"server": ("idp",)})),
        (OUTAGE, a_finding("brute", "critical", facts={"server": ("idp",)})),
        (msgspec.structs.replace(OUTAGE, active=NOON - 3601), a_finding("brute", facts={"server": ("idp",)})),
    ],
)
def test_nothing_else_is_inhibited(cause: Record, finding: Finding) -> None:
    assert decide(finding, Situation(causes=(cause,)), POLICIES, NOON).page


def test_an_outage_explains_failures_at_its_server() -> None:
    assert decide(
        a_finding("brute", facts={"server": ("idp",)}), Situation(causes=(OUTAGE,)), POLICIES, NOON
    ).reason == ("inhibited")


def test_one_tenants_outage_explains_nothing_of_anothers() -> None:
    outage = a_record(a_finding("outage", "medium", entity={"tenant": "globex"}, tenant="globex"))
    assert decide(a_finding("brute"), Situation(causes=(outage,)), POLICIES, NOON).page
    assert not decide(a_finding("brute", tenant="globex"), Situation(causes=(outage,)), POLICIES, NOON).page


def test_a_client_that_retries_explains_its_own_failures_alone() -> None:
    storm = a_record(a_finding("retry_storm", "notice", entity={"client": "etl"}))
    assert decide(a_finding("brute", entity={"client": "etl"}), Situation(causes=(storm,)), POLICIES, NOON).reason == (
        "inhibited"
    )
    assert decide(a_finding("brute", entity={"client": "other"}), Situation(causes=(storm,)), POLICIES, NOON).page


def test_an_outage_that_hits_several_servers_at_once_is_one_incident() -> None:
    elsewhere = a_finding("outage", "medium", entity={"server": "crm"}, tenant=None)
    decision = decide(elsewhere, Situation(causes=(OUTAGE,)), POLICIES, NOON)
    assert (decision.reason, decision.incident, decision.own) == ("inhibited", OUTAGE.id, False)
    hours_ago = msgspec.structs.replace(OUTAGE, active=NOON - 1801)
    assert decide(elsewhere, Situation(causes=(hours_ago,)), POLICIES, NOON).incident != OUTAGE.id
    anothers = a_finding("outage", "medium", entity={"server": "crm"}, tenant="globex")
    assert decide(anothers, Situation(causes=(OUTAGE,)), POLICIES, NOON).incident != OUTAGE.id


def test_a_spray_explains_the_guesses_of_its_source_at_single_accounts() -> None:
    spray = a_record(a_finding("spray", "medium", entity={"source_ip": "203.0.113.9"}, tenant=None))
    same = a_finding("brute", "high", facts={"source_ip": ("203.0.113.9",)})
    assert decide(same, Situation(causes=(spray,)), POLICIES, NOON).reason == "inhibited"
    other = a_finding("brute", "high", facts={"source_ip": ("198.51.100.1",)})
    assert decide(other, Situation(causes=(spray,)), POLICIES, NOON).page
    got_in = a_finding("success_after", "high", facts={"source_ip": ("203.0.113.9",)})
    assert decide(got_in, Situation(causes=(spray,)), POLICIES, NOON).page
