from collections.abc import Iterable
from typing import Any

import pytest

from alerting.incidents.key import incident_key
from detectors.cross_tenant import CrossTenant
from stream.directory import EMPTY
from stream.finding import Finding
from tests.detectors.streams import DAY, HOUR, MINUTE, classes, event, frames, read, run, told
from tocsin_audit.event import AuditEvent

GRANT = {
    "user": "sam",
    "tenant": "globex",
    "from": "2026-11-02T01:00:00Z",
    "until": "2026-11-02T02:00:00Z",
    "ticket": "CASE-17",
}


def found(events: Iterable[AuditEvent], facts: dict[str, Any] | None = None) -> list[Finding]:
    return run([CrossTenant()], frames(sorted(events, key=lambda one: one.time)), facts=facts or EMPTY)


def severities(findings: Iterable[Finding]) -> set[tuple[str, str]]:
    return {(one.class_, one.severity) for one in findings}


def touch(t: float, *owners: str, **fields: Any) -> AuditEvent:
    return event(t, **({"user": "ann", "target": "list_rows", "resource_tenants": owners} | fields))


# Known owners


@pytest.mark.positive("cross_tenant_read")
def test_one_foreign_row_among_thousands_is_critical_at_the_first_event_and_names_its_owner() -> None:
    (one,) = found([touch(0, "acme", "globex", rows=4711, id="e-1")])
    assert (one.class_, one.severity, one.tenant) == ("cross_tenant_read", "critical", "acme")
    assert one.entity == {"user": "ann", "resource_tenants": "globex"}
    assert one.event_ids == ("e-1",)
    assert "4,711 rows" in one.observed
    assert "globex" in one.title


@pytest.mark.positive("cross_tenant_read")
def test_each_foreign_owner_is_a_finding_of_its_own() -> None:
    owners = {one.entity["resource_tenants"] for one in found([touch(0, "globex", "initech", "acme")])}
    assert owners == {"globex", "initech"}


@pytest.mark.positive("cross_tenant_read")
def test_the_directory_reads_the_owner_from_the_uri() -> None:
    rules = {"ownership": [{"server": "crm", "uri": "crm://{tenant}/**"}]}
    assert classes(found([read(0, user="ann", target="crm://globex/1")], rules)) == {"cross_tenant_read"}


@pytest.mark.negative("cross_tenant_read", "cross_tenant_denied", "cross_tenant_leak")
def test_own_and_public_data_are_nobodys_business() -> None:
    assert found([touch(i, "acme", "public") for i in range(50)]) == []


@pytest.mark.negative("cross_tenant_read")
def test_a_grant_silences_exactly_what_it_covers() -> None:
    facts = {"grants": [GRANT]}
    assert found([touch(1.5 * HOUR, "globex", user="sam")], facts) == []
    assert severities(found([touch(1.5 * HOUR, "initech", user="sam")], facts)) == {("cross_tenant_read", "critical")}
    assert severities(found([touch(1.5 * HOUR, "globex", user="ann")], facts)) == {("cross_tenant_read", "critical")}


@pytest.mark.positive("cross_tenant_read")
def test_an_expired_grant_silences_nothing_and_the_finding_says_so() -> None:
    (one,) = found([touch(3 * HOUR, "globex", user="sam")], {"grants": [GRANT]})
    assert one.severity == "high"
    assert "CASE-17" in one.expected


def test_a_grant_that_has_not_begun_is_no_excuse() -> None:
    (one,) = found([touch(0.5 * HOUR, "globex", user="sam")], {"grants": [GRANT]})
    assert one.severity == "critical"


def test_a_role_may_hold_a_grant() -> None:
    facts = {
        "principals": [{"user": "sam", "tenant": "acme", "role": "support"}],
        "grants": [{"role": "support", "tenant": "*"}],
    }
    assert found([touch(0, "globex", user="sam")], facts) == []


def test_the_hour_is_summed_up_when_it_has_closed() -> None:
    findings = found([touch(i * 10.0, "globex", rows=10) for i in range(20)])
    assert max(one.count for one in findings) == 20
    assert any("200 rows" in one.observed for one in findings)


@pytest.mark.positive("cross_tenant_denied")
@pytest.mark.negative("cross_tenant_read", "cross_tenant_leak")
def test_a_denial_is_told_apart_from_a_success() -> None:
    findings = found([touch(0, "globex", outcome="authz_denied")])
    assert severities(findings) == {("cross_tenant_denied", "medium")}


@pytest.mark.positive("cross_tenant_denied")
def test_denials_over_three_tenants_are_a_search() -> None:
    findings = found([touch(i * HOUR, f"t{i}", outcome="authz_denied") for i in range(3)])
    assert ("cross_tenant_denied", "high") in severities(findings)


@pytest.mark.negative("cross_tenant_denied")
def test_denials_on_own_data_are_no_search() -> None:
    assert found([touch(i, "acme", outcome="authz_denied") for i in range(30)]) == []


# Servers that leak


@pytest.mark.positive("cross_tenant_leak")
def test_the_second_caller_makes_it_the_servers_fault() -> None:
    findings = found([touch(0, "acme", "globex"), touch(HOUR, "acme", "globex", user="bob")])
    leak = [one for one in findings if one.class_ == "cross_tenant_leak"]
    assert [(one.severity, one.entity) for one in leak] == [("critical", {"server": "crm"})]
    assert "2 callers" in leak[0].observed
    assert leak[0].facts["tenant"] == ("globex",)


@pytest.mark.positive("cross_tenant_leak")
def test_a_leak_to_a_thousand_callers_is_a_handful_of_findings_about_the_server() -> None:
    findings = found([touch(i, "acme", "globex", user=f"u{i}") for i in range(1000)])
    assert 1 <= sum(one.class_ == "cross_tenant_leak" for one in findings) <= 8


@pytest.mark.negative("cross_tenant_leak")
def test_one_caller_however_often_is_no_leak_of_the_server() -> None:
    assert "cross_tenant_leak" not in classes(found([touch(i, "acme", "globex") for i in range(50)]))


def test_expired_grants_of_two_helpers_do_not_make_a_leak() -> None:
    facts = {"grants": [GRANT, GRANT | {"user": "kim"}]}
    events = [touch(3 * HOUR, "globex", user="sam"), touch(3 * HOUR, "globex", user="kim")]
    assert "cross_tenant_leak" not in classes(found(events, facts))


# Canaries and mix-ups

CANARY = {"canaries": [{"server": "crm", "target": "crm://acme/00000"}]}


@pytest.mark.positive("canary")
def test_one_read_of_a_canary_is_critical_whoever_it_is() -> None:
    findings = found([read(0, user="ann", target="crm://acme/00000")], CANARY)
    assert severities(findings) == {("canary", "critical")}


@pytest.mark.positive("canary")
def test_a_canary_that_was_denied_is_told_too() -> None:
    findings = found([read(0, user="ann", target="crm://acme/00000", outcome="authz_denied")], CANARY)
    assert severities(findings) == {("canary", "high")}


@pytest.mark.positive("canary")
def test_nobody_in_particular_reading_a_canary_is_told_about_the_server() -> None:
    (one,) = found([read(0, target="crm://acme/00000")], CANARY)
    assert (one.class_, one.entity["server"]) == ("canary", "crm")


@pytest.mark.negative("canary")
def test_the_same_name_on_another_server_is_no_canary() -> None:
    assert found([read(0, user="ann", server="docs", target="crm://acme/00000")], CANARY) == []


@pytest.mark.negative("canary")
def test_a_neighbour_of_a_canary_is_no_canary() -> None:
    assert found([read(0, user="ann", target="crm://acme/00001")], CANARY) == []


@pytest.mark.positive("mixup")
def test_an_answer_that_belongs_to_somebody_else_pages() -> None:
    findings = found([event(0, user="ann", signals=("mixup:response_id",))])
    assert severities(findings) == {("mixup", "high")}


@pytest.mark.negative("mixup")
def test_other_signals_are_others_business() -> None:
    assert found([event(i, user="ann", signals=("injection:imperative", "pii:email")) for i in range(9)]) == []


@pytest.mark.negative("mixup")
def test_ordinary_answers_are_no_mixup() -> None:
    assert found([event(i, user="ann") for i in range(100)]) == []


# Handles


def mint(t: float, **fields: Any) -> AuditEvent:
    return event(t, **({"user": "ann", "handles_minted": ("h:1",)} | fields))


def present(t: float, **fields: Any) -> AuditEvent:
    return event(t, **({"user": "ann", "method": "tasks/get", "handles_presented": ("h:1",)} | fields))


@pytest.mark.positive("cross_tenant_handle")
@pytest.mark.parametrize("later", [1.0, 10 * MINUTE, 5 * HOUR, 3 * DAY])
def test_a_handle_in_the_hands_of_another_tenant_is_critical(later: float) -> None:
    findings = found([mint(0), present(later, user="eve", tenant="globex")])
    assert severities(findings) == {("cross_tenant_handle", "critical")}
    assert findings[0].entity == {"user": "eve", "resource_tenants": "acme"}


@pytest.mark.positive("cross_tenant_handle")
def test_a_handle_in_the_hands_of_a_colleague_is_told_but_wakes_nobody() -> None:
    assert severities(found([mint(0), present(60, user="bob")])) == {("cross_tenant_handle", "medium")}


@pytest.mark.negative("cross_tenant_handle")
def test_whoever_minted_a_handle_may_present_it() -> None:
    assert found([mint(0), *(present(i * MINUTE) for i in range(200))]) == []


@pytest.mark.negative("cross_tenant_handle")
def test_a_handle_that_many_are_given_is_no_secret() -> None:
    events = [
        one
        for i in range(20)
        for one in (mint(i * 10.0, user=f"u{i}", tenant=f"t{i}"), present(i * 10.0 + 1, user=f"u{i}", tenant=f"t{i}"))
    ]
    assert found(events) == []


@pytest.mark.negative("cross_tenant_handle")
def test_an_agent_may_go_on_with_what_was_begun_in_its_name() -> None:
    events = [mint(0, user="ann", agent="helper"), present(60, user=None, agent="helper", on_behalf_of=("ann",))]
    assert found(events) == []


def test_the_handle_of_a_presenter_who_arrives_first_is_judged_all_the_same() -> None:
    events = [mint(0), present(30, user="eve", tenant="globex")]
    assert told(run([CrossTenant()], frames(events, [50.0, 40.0]))) == told(run([CrossTenant()], frames(events)))


def test_whoever_minted_is_heard_of_late_and_whoever_presents_is_judged_all_the_same() -> None:
    events = [mint(0), present(15 * MINUTE, user="eve", tenant="globex"), event(40 * MINUTE)]
    for arrival in ([40 * MINUTE, 15 * MINUTE, 30 * MINUTE], [0.0, 40 * MINUTE, 30 * MINUTE], [40 * MINUTE] * 3):
        assert told(run([CrossTenant()], frames(events, arrival))) == told(run([CrossTenant()], frames(events)))


@pytest.mark.negative("cross_tenant_handle")
def test_a_second_minter_who_is_heard_of_late_makes_it_no_secret() -> None:
    events = [mint(0), mint(60, user="eve", tenant="globex"), present(15 * MINUTE, user="zoe", tenant="initech")]
    assert run([CrossTenant()], frames(events, [0.0, 14 * MINUTE, 15 * MINUTE])) == []


@pytest.mark.negative("cross_tenant_handle")
def test_what_callers_of_many_tenants_present_at_a_time_wakes_nobody() -> None:
    offsets = [present(60.0 + i, user=f"u{i}", tenant=f"t{i}") for i in range(5)]
    assert severities(found([mint(0), *offsets])) == {("cross_tenant_handle", "medium")}
    assert severities(found([mint(0), *offsets[:2]])) == {("cross_tenant_handle", "critical")}


# Learned owners


def customers(days: int, tenants: tuple[str, ...] = ("acme", "globex", "initech")) -> list[AuditEvent]:
    return [
        read(day * DAY + number * HOUR, tenant=tenant, user=f"u@{tenant}", target=f"crm://{tenant}/c/{number}")
        for day in range(days)
        for number in range(8)
        for tenant in tenants
    ]


def intrusion(t: float, target: str = "crm://globex/c/3") -> AuditEvent:
    return read(t, tenant="acme", user="u@acme", target=target)


@pytest.mark.positive("cross_tenant_read")
def test_what_one_tenant_alone_has_used_for_a_fortnight_belongs_to_it() -> None:
    findings = found([*customers(18), intrusion(17.5 * DAY)])
    assert severities(findings) == {("cross_tenant_read", "high"), ("cross_tenant_read", "medium")}
    assert {one.entity["resource_tenants"] for one in findings} == {"globex"}
    assert all(0.5 < one.confidence < 1.0 for one in findings)


def test_all_who_are_given_what_moved_are_one_matter_on_each_server_and_day() -> None:
    guests = [read(17.5 * DAY + i * 60, tenant="acme", user=f"g{i}", target="crm://globex/c/3") for i in range(9)]
    findings = found([*customers(18), *guests])
    assert len({one.entity["user"] for one in findings if one.severity == "high"}) == 9
    assert len({incident_key(one).id for one in findings}) == 1
    elsewhere = found([*customers(18), intrusion(17.5 * DAY), intrusion(17.5 * DAY, "crm://initech/c/3")])
    assert len({incident_key(one).id for one in elsewhere}) == 2


@pytest.mark.positive("cross_tenant_read")
def test_a_new_object_on_a_branch_of_another_tenant_is_seen() -> None:
    findings = found([*customers(18), intrusion(17.5 * DAY, "crm://globex/c/99999")])
    assert severities(findings) == {("cross_tenant_read", "high")}


@pytest.mark.negative("cross_tenant_read")
def test_an_object_that_one_tenant_used_by_chance_wakes_nobody() -> None:
    events = [
        read(day * DAY + n * HOUR, tenant=f"t{(day + n) % 4}", user="u", target=f"shop://products/{(day + n) % 97}")
        for day in range(20)
        for n in range(20)
    ]
    events += [read(day * DAY + 60, tenant="t0", user="u", target="shop://products/rare") for day in range(18)]
    events.append(read(19 * DAY, tenant="t1", user="u", target="shop://products/rare"))
    assert not {one.severity for one in found(events)} & {"high", "critical"}


@pytest.mark.negative("cross_tenant_read")
def test_a_page_that_a_partner_reads_every_week_day_is_known_to_be_shared() -> None:
    events = customers(18)
    events += [
        read(day * DAY + 5000, tenant="initech", user="i", target="crm://globex/c/shared") for day in range(4, 18)
    ]
    findings = found(events)
    assert not {one.severity for one in findings} & {"medium", "high"}
    assert len(findings) <= 4


@pytest.mark.negative("cross_tenant_read")
def test_what_is_used_under_a_grant_does_not_take_a_branch_from_its_owner() -> None:
    facts = {"grants": [{"user": "i", "tenant": "globex"}]}
    events = customers(18)
    events += [
        read(day * DAY + n * 60, tenant="initech", user="i", target=f"crm://globex/c/{n}")
        for day in range(18)
        for n in range(40)
    ]
    assert found(events, facts) == []
    assert severities(found([*events, intrusion(17.5 * DAY)], facts)) >= {("cross_tenant_read", "high")}


@pytest.mark.negative("cross_tenant_read")
def test_learned_ownership_wakes_nobody_in_the_first_fortnight() -> None:
    assert severities(found([*customers(9), intrusion(8.5 * DAY)])) == {("cross_tenant_read", "notice")}


@pytest.mark.negative("cross_tenant_read")
def test_whoever_comes_first_does_not_own_a_shared_thing() -> None:
    events = [read(number * HOUR, tenant="acme", user="a", target="docs://manual/1") for number in range(10)]
    events += [
        read(DAY + day * DAY + i, tenant=f"t{i}", user="u", target="docs://manual/1")
        for day in range(20)
        for i in range(3)
    ]
    assert found(events) == []


@pytest.mark.negative("cross_tenant_read")
def test_a_feature_used_by_one_tenant_alone_owns_no_branch_without_siblings_of_others() -> None:
    events = [
        read(day * DAY + n * HOUR, tenant="acme", user="a", target=f"beta://reports/{n}/{day}")
        for day in range(20)
        for n in range(8)
    ]
    events.append(read(19.5 * DAY, tenant="globex", user="g", target="beta://reports/new/x"))
    assert found(events) == []


@pytest.mark.negative("cross_tenant_read")
def test_ownership_that_moves_is_learned_anew() -> None:
    events = [
        read(day * DAY + n * HOUR, tenant="acme" if day < 18 else "globex", user="u", target="crm://x")
        for day in range(30)
        for n in range(6)
    ]
    late = [one for one in found(events) if one.start > events[0].time + 22 * DAY]
    assert late == []


def test_a_public_object_is_never_learned_as_owned() -> None:
    events = [
        read(day * DAY, tenant="acme", user="a", target="crm://p", resource_tenants=("public",)) for day in range(20)
    ]
    events.append(read(20 * DAY, tenant="globex", user="g", target="crm://p", resource_tenants=("public",)))
    assert found(events) == []


# Callers without a tenant


@pytest.mark.positive("audit_gap")
def test_calls_without_a_tenant_are_reported_once_a_day() -> None:
    findings = found([touch(i * HOUR, "globex", tenant=None) for i in range(48)])
    assert severities(findings) == {("audit_gap", "notice")}
    assert len(findings) == 2


@pytest.mark.negative("audit_gap")
def test_calls_with_a_tenant_are_covered() -> None:
    assert found([touch(i * HOUR, "acme") for i in range(48)]) == []


@pytest.mark.negative("audit_gap")
def test_refusals_without_a_tenant_are_no_gap() -> None:
    assert found([event(i * HOUR, tenant=None, outcome="auth_missing", auth="none") for i in range(48)]) == []
