import random
from collections.abc import Iterable
from typing import Any

import pytest

from detectors.failed_auth import FailedAuth
from stream.finding import Finding
from tests.detectors.streams import DAY, HOUR, MINUTE, START, classes, event, failure, frames, run, told
from tocsin_audit.event import AuditEvent

STRANGER = "203.0.113.66"
HOME = "198.51.100.7"


def found(events: Iterable[AuditEvent], **options: Any) -> list[Finding]:
    return run([FailedAuth()], frames(sorted(events, key=lambda one: one.time), **options))


def severe(findings: Iterable[Finding]) -> set[str]:
    return {one.class_ for one in findings if one.severity in ("medium", "high", "critical")}


def guess(t: float, **fields: Any) -> AuditEvent:
    """A log-in at the token endpoint with a wrong password."""
    return failure(
        t, **({"kind": "auth", "reason": "bad password", "user": "ann", "source_ip": STRANGER, "auth": None} | fields)
    )


def work(start: float, end: float, every: float = 5 * MINUTE, **fields: Any) -> list[AuditEvent]:
    """Somebody working as always."""
    times = [start + step * every for step in range(int((end - start) / every))]
    return [event(t, **({"user": "ann", "source_ip": HOME, "token": "k:ann"} | fields)) for t in times]


# Guessing against one account


@pytest.mark.positive("brute")
def test_ten_wrong_passwords_from_a_strange_place_are_a_brute_force() -> None:
    findings = found([guess(i * 20.0) for i in range(10)])
    assert [(one.class_, one.severity, one.entity) for one in findings] == [("brute", "medium", {"user": "ann"})]
    assert "10 guesses from 1 source" in findings[0].observed


@pytest.mark.positive("brute")
def test_four_times_the_threshold_pages() -> None:
    findings = found([guess(i * 5.0) for i in range(40)])
    assert {"medium", "high"} == {one.severity for one in findings if one.class_ == "brute"}


@pytest.mark.positive("brute")
def test_a_burst_that_straddles_windows_and_sources_is_seen() -> None:
    events = [guess(25 * MINUTE + i * 110.0, source_ip=f"203.0.113.{i}") for i in range(12)]
    assert classes(found(events)) == {"brute"}


@pytest.mark.positive("brute")
def test_slow_guessing_over_a_day_is_seen() -> None:
    events = [guess(i * 30 * MINUTE) for i in range(45)]
    findings = found(events)
    assert {(one.class_, one.severity) for one in findings} == {("brute", "medium")}
    assert "24 hours" in findings[0].observed


@pytest.mark.negative("brute")
def test_a_forgotten_password_is_not_a_brute_force() -> None:
    assert found([guess(i * 30.0, source_ip=HOME) for i in range(9)]) == []


@pytest.mark.negative("brute", "success_after")
def test_a_rotated_secret_retried_from_the_usual_place_and_then_repaired_is_no_attack() -> None:
    events = work(0, 3 * HOUR)
    events += [guess(3 * HOUR + i, source_ip=HOME, reason="invalid client secret") for i in range(600)]
    events += work(3 * HOUR + 700, 5 * HOUR)
    assert severe(found(events)) == set()


@pytest.mark.negative("brute")
def test_the_same_rejected_token_again_and_again_counts_as_one_guess() -> None:
    events = [failure(i * 2.0, user="ann", source_ip=STRANGER, token="k:1", reason=None) for i in range(500)]
    assert severe(found(events)) == set()


@pytest.mark.negative("brute")
def test_guesses_of_unclear_kind_never_go_beyond_the_first_level() -> None:
    events = [failure(i * 1.0, user="ann", source_ip=STRANGER, reason=None) for i in range(800)]
    assert {(one.class_, one.severity) for one in found(events)} == {("brute", "medium")}


@pytest.mark.positive("brute")
def test_different_forged_tokens_are_guesses_whoever_they_name() -> None:
    events = [failure(i * 10.0, user="ann", source_ip=STRANGER, token=f"k:{i}") for i in range(12)]
    assert "brute" in classes(found(events))


@pytest.mark.positive("brute")
def test_an_owner_who_mistyped_at_first_leaves_strangers_no_more_guesses() -> None:
    events = [guess(8 * HOUR + i * 9.0, source_ip=HOME) for i in range(8)]
    events += work(8 * HOUR + 2 * MINUTE, 18 * HOUR) + work(DAY + 8 * HOUR, DAY + 18 * HOUR)
    events += [guess(2 * DAY + i * 20.0) for i in range(10)]
    assert "brute" in classes(found(events))


@pytest.mark.positive("brute")
def test_ever_new_tokens_without_a_name_are_told_about_the_source() -> None:
    events = [failure(i * 5.0, source_ip=STRANGER, token=f"k:{i}", tenant=None, reason=None) for i in range(30)]
    assert [(one.class_, one.entity) for one in found(events)] == [("brute", {"source_ip": STRANGER})]


@pytest.mark.negative("brute")
def test_an_attempt_seen_at_the_gateway_and_on_the_request_counts_once() -> None:
    events = [guess(i * 20.0) for i in range(6)]
    events += [guess(i * 20.0 + 0.1, kind="request", method="tools/call", auth="invalid") for i in range(6)]
    assert found(events) == []


# Success after guessing


@pytest.mark.positive("success_after")
def test_a_success_of_the_guesser_pages() -> None:
    findings = found([*(guess(i * 10.0) for i in range(12)), event(300, user="ann", source_ip=STRANGER, id="in")])
    pages = [one for one in findings if one.severity in ("high", "critical")]
    assert [(one.class_, one.entity) for one in pages] == [("success_after", {"user": "ann"})]
    assert "in" in pages[0].event_ids


@pytest.mark.positive("success_after")
def test_a_success_from_a_place_never_used_pages_though_it_did_not_guess() -> None:
    events = work(0, 3 * HOUR) + [guess(3 * HOUR + i * 10.0) for i in range(12)]
    events.append(event(3 * HOUR + 1200, user="ann", source_ip="192.0.2.1"))
    assert "success_after" in classes(found(events))


@pytest.mark.positive("success_after")
def test_the_success_may_arrive_before_the_guesses() -> None:
    guesses = [guess(i * 2.0) for i in range(12)]
    success = event(40, user="ann", source_ip=STRANGER)
    in_order = run([FailedAuth()], frames([*guesses, success]))
    reversed_ = run([FailedAuth()], frames([success, *guesses], [41.0, *(42.0 + i for i in range(12))]))
    assert "success_after" in classes(in_order)
    assert told(in_order) == told(reversed_)


@pytest.mark.negative("success_after")
def test_the_owner_working_on_at_home_while_strangers_guess_is_no_success_of_theirs() -> None:
    events = work(0, 5 * HOUR) + [guess(3 * HOUR + i * 10.0) for i in range(30)]
    assert classes(found(events)) == {"brute"}


@pytest.mark.positive("success_after")
def test_a_spray_that_finds_one_password_pages_about_the_source() -> None:
    events = [guess(i * 10.0, user=f"u{i % 8}") for i in range(24)]
    events.append(guess(250, user="u9", outcome="ok", reason=None))
    pages = [one for one in found(events) if one.severity == "high"]
    assert [(one.class_, one.entity) for one in pages] == [("success_after", {"source_ip": STRANGER})]


@pytest.mark.negative("success_after")
def test_a_success_long_after_the_guesses_does_not_belong_to_them() -> None:
    events = [*(guess(i * 10.0) for i in range(12)), event(2.9 * HOUR, user="ann", source_ip=STRANGER)]
    assert classes(found(events)) == {"brute"}


# Spraying and stuffing


@pytest.mark.positive("spray")
def test_few_guesses_at_many_accounts_from_one_source_are_a_spray() -> None:
    findings = found([guess(i * 60.0, user=f"u{i % 8}") for i in range(16)])
    assert [(one.class_, one.severity, one.entity) for one in findings] == [
        ("spray", "medium", {"source_ip": STRANGER})
    ]


@pytest.mark.positive("spray")
def test_a_slow_spray_over_half_a_day_is_seen() -> None:
    events = [guess(i * 20 * MINUTE, user=f"u{i}") for i in range(36)]
    assert {(one.class_, one.severity) for one in found(events)} == {("spray", "medium")}


def company(start: float, end: float, people: int = 60) -> list[AuditEvent]:
    """A company behind one address."""
    return [one for person in range(people) for one in work(start + person, end, 15 * MINUTE, user=f"p{person}")]


@pytest.mark.negative("spray", "success_after", "brute")
def test_a_company_behind_one_address_may_mistype_after_a_change_of_passwords() -> None:
    events = company(0, 4 * HOUR)
    for person in range(40):
        at = 4 * HOUR + person * 40.0
        events += [guess(at + i * 9.0, user=f"p{person}", source_ip=HOME) for i in range(person % 3 + 1)]
        events.append(event(at + 60.0, user=f"p{person}", source_ip=HOME))
    assert severe(found(events)) == set()


@pytest.mark.negative("spray", "success_after")
def test_a_company_behind_one_address_may_mistype_though_nothing_is_known_of_it_yet() -> None:
    events = company(0, HOUR)
    for person in range(40):
        at = 600 + person * 75.0
        events += [guess(at + i * 9.0, user=f"n{person}", source_ip=HOME) for i in range(person % 3 + 1)]
        events.append(event(at + 30.0, user=f"n{person}", source_ip=HOME))
    assert not {one.severity for one in found(events)} & {"high", "critical"}


@pytest.mark.negative("spray")
def test_hundreds_of_first_contacts_without_credentials_are_discovery() -> None:
    events = [
        failure(i * 3.0, outcome="auth_missing", auth="none", reason=None, user=f"u{i}", source_ip=STRANGER)
        for i in range(400)
    ]
    assert found(events) == []


@pytest.mark.positive("stuffing")
def test_many_strange_sources_trying_many_accounts_of_a_tenant_are_stuffing() -> None:
    events = work(0, 3 * HOUR)
    events += [guess(3 * HOUR + i * 10.0, user=f"u{i}", source_ip=f"203.0.113.{i % 20}") for i in range(40)]
    findings = [one for one in found(events) if one.class_ == "stuffing"]
    assert {(one.severity, tuple(one.entity.items())) for one in findings} == {("medium", (("tenant", "acme"),))}


@pytest.mark.positive("stuffing")
def test_stuffing_of_callers_without_a_tenant_is_told_about_the_server() -> None:
    events = [guess(i * 10.0, user=f"u{i}", tenant=None, source_ip=f"203.0.113.{i % 20}") for i in range(40)]
    assert {tuple(one.entity.items()) for one in found(events) if one.class_ == "stuffing"} == {(("server", "crm"),)}


@pytest.mark.negative("stuffing")
def test_two_sources_are_not_stuffing() -> None:
    events = [guess(i * 10.0, user=f"u{i % 4}", source_ip=f"203.0.113.{i % 2}") for i in range(28)]
    assert "stuffing" not in classes(found(events))


# Outages, rotations, lapsed tokens


def staff(start: float, end: float, people: int = 30) -> list[AuditEvent]:
    """People who each work from a place of their own."""
    return [
        one
        for person in range(people)
        for one in work(
            start + person, end, 10 * MINUTE, user=f"p{person}", source_ip=f"10.0.0.{person}", token=f"k:{person}"
        )
    ]


@pytest.mark.positive("outage")
@pytest.mark.negative("stuffing", "brute", "spray", "token_replay")
def test_an_outage_is_one_finding_about_the_server_and_nothing_that_pages() -> None:
    events = staff(0, 4 * HOUR)
    for person in range(30):
        for i in range(20):
            events.append(
                failure(
                    4 * HOUR + person + i * 30.0,
                    user=f"p{person}",
                    source_ip=f"10.0.0.{person}",
                    token=f"k:{person}",
                    reason="token introspection failed",
                )
            )
    findings = found(events)
    assert severe(findings) == {"outage"}
    assert {tuple(one.entity.items()) for one in findings if one.class_ == "outage"} == {(("server", "crm"),)}
    assert not any(one.severity in ("high", "critical") for one in findings)


@pytest.mark.negative("outage", "stuffing")
def test_a_rotation_that_most_callers_survive_is_no_outage() -> None:
    events = staff(0, 6 * HOUR)
    for person in range(10):
        events.append(
            failure(
                4 * HOUR + person,
                user=f"p{person}",
                source_ip=f"10.0.0.{person}",
                token=f"k:{person}",
                reason="bad signature: unknown key id",
            )
        )
    assert severe(found(events)) == set()


@pytest.mark.negative("outage")
def test_an_attack_by_night_from_everywhere_is_not_taken_for_an_outage() -> None:
    events = staff(0, 4 * HOUR)
    events += [
        failure(8 * HOUR + i * 5.0, user=f"u{i}", token=f"x:{i}", source_ip=f"203.0.113.{i % 30}") for i in range(60)
    ]
    assert "outage" not in classes(found(events))
    assert "stuffing" in classes(found(events))


@pytest.mark.positive("retry_storm")
@pytest.mark.negative("brute", "spray", "token_replay")
def test_an_agent_that_retries_one_expired_token_is_a_notice() -> None:
    events = [failure(i * 3.0, user="bot", source_ip=HOME, token="k:1", reason="token expired") for i in range(700)]
    assert {(one.class_, one.severity) for one in found(events)} == {("retry_storm", "notice")}


@pytest.mark.positive("retry_storm")
def test_many_accounts_of_one_client_with_lapsed_tokens_are_one_notice_about_the_client() -> None:
    events = [failure(i * 5.0, user=f"u{i}", client="app", token=f"k:{i}", reason="token expired") for i in range(9)]
    assert [(one.class_, one.entity) for one in found(events)] == [("retry_storm", {"client": "app"})]


@pytest.mark.positive("retry_storm")
def test_expired_credentials_without_a_fingerprint_are_a_notice_about_the_account() -> None:
    events = [failure(i * 5.0, user="bot", reason="session expired") for i in range(30)]
    assert {(one.class_, one.severity) for one in found(events)} == {("retry_storm", "notice")}


@pytest.mark.negative("retry_storm")
def test_a_single_refresh_is_nothing() -> None:
    events = work(0, HOUR)
    events.append(failure(HOUR, user="ann", source_ip=HOME, token="k:ann", reason="token expired"))
    assert found(events) == []


@pytest.mark.negative("retry_storm")
def test_expiries_spread_over_hours_are_nothing() -> None:
    events = [failure(i * 2 * MINUTE, user="bot", token="k:1", reason="token expired") for i in range(60)]
    assert found(events) == []


# Tokens in many places


@pytest.mark.positive("token_replay")
def test_one_token_refused_from_many_places_is_replayed() -> None:
    events = [failure(i * 60.0, user="ann", token="k:1", source_ip=f"203.0.113.{i}") for i in range(6)]
    assert "token_replay" in classes(found(events))


@pytest.mark.positive("token_replay")
def test_one_token_accepted_from_many_new_places_is_replayed() -> None:
    events = [event(i * 60.0, user="ann", token="k:1", source_ip=f"203.0.113.{i}") for i in range(8)]
    assert "token_replay" in classes(found(events))


@pytest.mark.positive("token_replay")
def test_a_token_used_at_home_and_in_turn_elsewhere_is_in_two_hands() -> None:
    events = work(0, 6 * HOUR)
    events += [event(4 * HOUR + 130 + i * 300, user="ann", token="k:ann", source_ip=STRANGER) for i in range(6)]
    findings = [one for one in found(events) if one.class_ == "token_replay"]
    assert {(one.severity, tuple(one.entity.items())) for one in findings} == {("medium", (("user", "ann"),))}


def taking_turns(first: float, *sources: str, uses: int = 6) -> list[AuditEvent]:
    return [
        event(first + i * 2.5 * MINUTE, user="ann", token="k:ann", source_ip=sources[i % len(sources)])
        for i in range(uses)
    ]


@pytest.mark.positive("token_replay")
def test_a_token_that_two_far_places_take_in_turn_soon_after_its_owner_is_in_other_hands() -> None:
    events = work(0, 4 * HOUR) + taking_turns(4 * HOUR + 130, "192.0.2.9", "203.0.113.9")
    findings = [one for one in found(events) if one.class_ == "token_replay"]
    assert {(one.severity, tuple(one.entity.items())) for one in findings} == {("medium", (("user", "ann"),))}
    assert "2 networks where it never did" in findings[0].observed


@pytest.mark.positive("token_replay")
def test_who_replays_a_token_arrives_in_any_order() -> None:
    events = work(0, 4 * HOUR) + taking_turns(4 * HOUR + 130, "192.0.2.9", "203.0.113.9", "198.18.0.9", uses=8)
    late = random.Random(7)
    shaken = frames(sorted(events, key=lambda one: one.time), lambda one: one.time - START + late.random() * 100)
    assert told(run([FailedAuth()], shaken)) == told(found(events))


@pytest.mark.negative("token_replay")
@pytest.mark.parametrize(
    "places",
    [
        ("203.0.113.9", "203.0.7.9"),
        ("203.0.113.9", "2001:db8:7:1::9"),
        ("2001:db8:7:1::9", "2001:db8:8:1::9"),
    ],
    ids=["two exits of one provider", "one place with addresses of both families", "exits of one provider by IPv6"],
)
def test_a_caller_who_moved_on_is_at_one_place_whatever_its_addresses(places: tuple[str, ...]) -> None:
    events = work(0, 4 * HOUR) + taking_turns(4 * HOUR + 130, *places, uses=12)
    assert "token_replay" not in classes(found(events))


@pytest.mark.negative("token_replay")
def test_a_company_whose_exits_moved_takes_no_turns_with_where_it_was() -> None:
    moved = taking_turns(6 * HOUR, "192.0.2.9", "203.0.113.9", uses=40)
    assert "token_replay" not in classes(found(work(0, 4 * HOUR) + moved))


@pytest.mark.negative("token_replay")
def test_a_telephone_on_its_way_is_in_one_hand() -> None:
    events = work(0, 4 * HOUR)
    for part, source in enumerate(("192.0.2.9", "203.0.113.9", "198.18.0.9")):
        events += taking_turns(4 * HOUR + 130 + part * 15 * MINUTE, source)
    assert "token_replay" not in classes(found(events))


@pytest.mark.negative("token_replay")
def test_one_more_exit_of_a_familiar_network_is_no_other_hand() -> None:
    events = work(0, 6 * HOUR)
    events += [event(4 * HOUR + 130 + i * 300, user="ann", token="k:ann", source_ip="198.51.100.99") for i in range(9)]
    assert "token_replay" not in classes(found(events))


@pytest.mark.negative("token_replay")
def test_a_traveller_who_goes_and_comes_back_is_no_replay() -> None:
    events = work(0, 4 * HOUR) + work(4 * HOUR, 4.5 * HOUR, MINUTE, source_ip=STRANGER) + work(4.5 * HOUR, 6 * HOUR)
    assert "token_replay" not in classes(found(events))


@pytest.mark.negative("token_replay")
def test_a_caller_that_moves_from_place_to_place_is_no_replay() -> None:
    events = [event(i * 600.0, user="ann", token="k:1", source_ip=f"203.0.113.{i // 6}") for i in range(18)]
    assert "token_replay" not in classes(found(events))


# Answers without credentials


def guarded(end: float) -> list[AuditEvent]:
    return work(0, end, MINUTE)


@pytest.mark.positive("unauthenticated")
def test_one_answer_without_credentials_from_a_server_that_demands_them_pages() -> None:
    findings = found([*guarded(3 * HOUR), event(3 * HOUR, auth="none", source_ip=STRANGER, target="export")])
    assert [(one.class_, one.severity) for one in findings] == [("unauthenticated", "high")]
    assert findings[0].entity == {"server": "crm", "source_ip": STRANGER}


@pytest.mark.negative("unauthenticated")
def test_a_server_that_never_asks_is_open_to_all() -> None:
    assert found([event(i * MINUTE, auth="none", source_ip=f"203.0.113.{i % 50}") for i in range(400)]) == []


@pytest.mark.negative("unauthenticated")
def test_listing_and_greeting_without_credentials_is_allowed() -> None:
    events = guarded(3 * HOUR)
    for method in ("initialize", "tools/list", "server/discover", "ping", "resources/list"):
        events.append(event(3 * HOUR, auth="none", method=method, source_ip=STRANGER))
    assert found(events) == []


@pytest.mark.negative("unauthenticated")
def test_a_tool_that_was_always_open_stays_so() -> None:
    events = guarded(3 * HOUR) + [event(i * 3 * MINUTE, auth="none", target="status") for i in range(60)]
    assert found(events) == []


# Searching


@pytest.mark.positive("scope_probing")
def test_denials_over_ever_new_targets_are_probing() -> None:
    events = [event(i * 30.0, user="ann", outcome="authz_denied", target=f"tool-{i}") for i in range(9)]
    assert {(one.class_, one.severity) for one in found(events)} == {("scope_probing", "medium")}


@pytest.mark.positive("scope_probing")
def test_denials_are_probing_when_they_take_their_time() -> None:
    events = [event(i * 20 * 60.0, user="ann", outcome="authz_denied", target=f"tool-{i}") for i in range(8)]
    assert {(one.class_, one.severity) for one in found(events)} == {("scope_probing", "medium")}


@pytest.mark.negative("scope_probing")
def test_one_denied_tool_called_over_and_over_is_not_probing() -> None:
    assert found([event(i * 3.0, user="ann", outcome="authz_denied", target="export") for i in range(300)]) == []


@pytest.mark.negative("scope_probing")
def test_a_handful_of_denials_a_day_is_not_probing() -> None:
    events = [event(i * 2 * HOUR, user="ann", outcome="authz_denied", target=f"tool-{i}") for i in range(10)]
    assert found(events) == []


@pytest.mark.positive("enumeration")
def test_asking_for_ever_new_objects_that_are_not_there_is_enumeration() -> None:
    events = [
        event(i * 20.0, user="ann", method="resources/read", outcome="not_found", target=f"crm://acme/{i}")
        for i in range(25)
    ]
    assert {one.class_ for one in found(events)} == {"enumeration"}


@pytest.mark.positive("enumeration")
def test_enumeration_through_the_arguments_of_one_tool_is_seen() -> None:
    events = [
        event(i * 20.0, user="ann", outcome="not_found", target="get_customer", args_hash=f"h{i}") for i in range(25)
    ]
    assert {one.class_ for one in found(events)} == {"enumeration"}


@pytest.mark.negative("enumeration")
def test_an_agent_that_keeps_using_a_wrong_name_is_not_enumerating() -> None:
    assert found([event(i * 3.0, user="ann", outcome="not_found", target="get_custmer") for i in range(300)]) == []


@pytest.mark.negative("enumeration")
def test_an_agent_that_gets_its_parameters_wrong_now_and_then_is_not_enumerating() -> None:
    events = [
        event(i * 3 * MINUTE, user="ann", outcome="invalid_params", target="search", args_hash=f"h{i}")
        for i in range(60)
    ]
    assert found(events) == []


# What producers leave out, and what a short past tells


@pytest.mark.positive("spray")
def test_accounts_tried_together_from_unrecorded_sources_are_told_as_either() -> None:
    events = work(0, 3 * HOUR, source_ip=None)
    events += [guess(3 * HOUR + i * 10.0, user=f"u{i % 9}", source_ip=None) for i in range(27)]
    findings = found(events)
    assert {(one.class_, one.severity, one.entity["tenant"]) for one in findings} == {
        ("spray", "medium", "acme"),
        ("stuffing", "medium", "acme"),
    }


@pytest.mark.negative("spray", "stuffing")
def test_a_few_wrong_passwords_from_unrecorded_sources_are_nothing() -> None:
    assert found([guess(i * 60.0, user=f"u{i % 7}", source_ip=None) for i in range(14)]) == []


@pytest.mark.positive("success_after")
def test_a_log_in_after_guesses_from_unrecorded_sources_pages() -> None:
    events = work(0, 3 * HOUR, source_ip=None)
    events += [guess(3 * HOUR + i * 10.0, source_ip=None) for i in range(14)]
    events.append(guess(3 * HOUR + 200, source_ip=None, outcome="ok", reason=None))
    assert "success_after" in classes(found(events))


@pytest.mark.negative("success_after")
def test_the_owner_working_on_while_guesses_come_from_unrecorded_sources_is_no_success_of_theirs() -> None:
    events = work(0, 5 * HOUR, source_ip=None) + [guess(3 * HOUR + i * 5.0, source_ip=None) for i in range(200)]
    assert {(one.class_, one.severity) for one in found(events)} == {("brute", "medium")}


@pytest.mark.positive("brute")
@pytest.mark.parametrize("outcome", ["auth_invalid", None])
@pytest.mark.parametrize("auth", ["invalid", None])
def test_a_refused_log_in_counts_whichever_of_its_fields_says_so(outcome: str | None, auth: str | None) -> None:
    findings = found([guess(i * 20.0, outcome=outcome, auth=auth) for i in range(12)])
    assert classes(findings) == {"brute"}


@pytest.mark.negative("brute")
def test_a_log_in_of_which_nothing_is_said_is_no_guess() -> None:
    assert found([guess(i * 20.0, outcome=None, reason=None) for i in range(12)]) == []


@pytest.mark.positive("brute", "spray")
@pytest.mark.parametrize(
    "reason", ["mot de passe incorrect", "401 Unauthorized", "access denied", "Bad credentials", "user not found", None]
)
def test_wrong_passwords_are_guesses_in_whichever_words(reason: str | None) -> None:
    assert "brute" in classes(found([guess(i * 20.0, reason=reason) for i in range(12)]))
    assert "spray" in classes(found([guess(i * 20.0, user=f"u{i % 8}", reason=reason) for i in range(18)]))


@pytest.mark.positive("brute")
def test_an_account_known_by_its_client_alone_is_guessed_at_too() -> None:
    (one,) = found([guess(i * 20.0, user=None, client="etl") for i in range(12)])
    assert (one.class_, one.entity) == ("brute", {"client": "etl"})


@pytest.mark.positive("success_after")
def test_a_success_names_who_got_in_whichever_arrived_first() -> None:
    guesses = [guess(i * 2.0, user=f"u{i % 8}") for i in range(24)]
    success = guess(55.0, user="zoe", outcome="ok", reason=None, id="in")
    for arrival in (None, [float(60 + i) for i in range(24)] + [58.0]):
        pages = [
            one
            for one in run([FailedAuth()], frames([*guesses, success], arrival))
            if one.class_ == "success_after" and "source_ip" in one.entity
        ]
        assert pages
        assert all(one.facts["user"][0] == "zoe" and "zoe" in one.why and one.event_ids[0] == "in" for one in pages)


@pytest.mark.positive("unauthenticated")
def test_one_answer_without_credentials_is_told_though_the_server_was_seen_for_minutes_only() -> None:
    events = work(0, 20 * MINUTE, MINUTE)
    events.append(event(12 * MINUTE, auth="none", user=None, source_ip=STRANGER, target="export", id="odd"))
    findings = found(events)
    assert [(one.class_, one.severity, one.event_ids) for one in findings] == [("unauthenticated", "medium", ("odd",))]


@pytest.mark.positive("unauthenticated")
def test_in_the_first_minutes_too_an_answer_that_others_were_refused_pages() -> None:
    events = work(0, 20 * MINUTE, MINUTE)
    events.append(event(3 * MINUTE, outcome="auth_missing", auth="none", user=None, target="export"))
    events.append(event(12 * MINUTE, auth="none", user=None, source_ip=STRANGER, target="export", id="odd"))
    assert {(one.class_, one.severity) for one in found(events)} == {("unauthenticated", "high")}


@pytest.mark.positive("unauthenticated")
def test_one_answer_without_credentials_pages_on_a_server_that_is_hardly_used() -> None:
    events = work(0, 30 * HOUR, 2 * HOUR)
    events.append(event(29 * HOUR, auth="none", user=None, source_ip=STRANGER, target="export"))
    assert [(one.class_, one.severity) for one in found(events)] == [("unauthenticated", "high")]


@pytest.mark.negative("unauthenticated")
def test_a_tool_that_is_open_from_the_first_minute_on_is_not_told() -> None:
    events = work(0, 3 * HOUR, 20.0)
    events += [event(i * MINUTE, auth="none", user=None, target="status", source_ip=f"192.0.2.{i}") for i in range(180)]
    assert severe(found(events)) == set()


@pytest.mark.negative("unauthenticated")
def test_a_watcher_that_cannot_tell_what_was_checked_accuses_nobody() -> None:
    events = [
        one
        for i in range(200)
        for one in (
            failure(i * 40.0, outcome="auth_missing", auth="none", reason=None, source_ip=f"10.0.0.{i % 9}"),
            event(i * 40.0 + 1, auth="presented", user=f"u{i % 9}", source_ip=f"10.0.0.{i % 9}", target=f"t{i % 50}"),
        )
    ]
    assert found(events) == []


@pytest.mark.positive("outage")
def test_an_outage_of_five_minutes_is_told_though_many_got_through_before() -> None:
    events = staff(0, 4 * HOUR)
    events += [
        failure(
            4 * HOUR + person + i * MINUTE,
            user=f"p{person}",
            source_ip=f"10.0.0.{person}",
            token=f"k:{person}",
            reason="invalid token",
        )
        for person in range(30)
        for i in range(5)
    ]
    events += staff(4 * HOUR + 5 * MINUTE, 5 * HOUR)
    assert severe(found(events)) == {"outage"}


@pytest.mark.negative("outage")
def test_one_agent_that_hammers_at_night_is_no_outage_for_those_who_work() -> None:
    events = staff(0, 5 * HOUR)
    events += [
        failure(4 * HOUR + i * 0.5, user="p1", source_ip="10.0.0.1", token="k:1", reason="token expired")
        for i in range(1500)
    ]
    assert severe(found(events)) == set()


# What holds for all


def test_every_text_names_numbers_that_a_person_can_check() -> None:
    events = [guess(i * 10.0, user=f"u{i % 8}", source_ip=f"203.0.113.{i % 9}") for i in range(90)]
    for one in found(events):
        assert any(character.isdigit() for character in one.observed), one.class_
        assert one.expected, one.class_
        assert one.why, one.class_
        assert one.runbook == one.class_
        assert one.techniques, one.class_


def test_a_finding_names_the_sources_and_accounts_that_inhibition_needs() -> None:
    (one,) = found([guess(i * 60.0, user=f"u{i % 8}") for i in range(15)])
    assert set(one.facts["user"]) <= {f"u{i}" for i in range(8)}
    assert one.facts["server"] == ("crm",)


def test_guesses_a_day_apart_never_add_up() -> None:
    assert found([guess(day * DAY + i * 60.0) for day in range(4) for i in range(4)]) == []
