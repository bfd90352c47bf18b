"""Whom Tocsin may refuse: decisions alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.matching import parse
from alerting.response.automatic import choose, verified
from alerting.response.containment import PRINCIPAL, SUBJECTS, Approval, Containment, check, check_action
from alerting.response.outside import Template, used
from stream.control import Deny
from stream.errors import RejectedError
from tests.alerting.world import NOON, a_finding
from tocsin_audit.event import AuditEvent

RULES = Containment(
    never=(parse("user=https://idp.example|ceo"), parse("client=etl-*"), parse("tenant=globex")),
    networks=("10.0.0.0/8", "::1/128"),
    most=3,
    longest=3600.0,
    approvals=(Approval(("brute",), ("token", "source_ip"), 600.0, most=2),),
)


def a_denial(subject: dict[str, str], **more: Any) -> Deny:
    made: dict[str, Any] = {
        "id": "d",
        "until": NOON + 600,
        "incident": "i",
        "by": "ann",
        "at": NOON,
        "identity": "verified",
    }
    return Deny(subject=tuple(subject.items()), **(made | more))


@pytest.mark.parametrize(
    ("deny", "standing", "says"),
    [
        (a_denial({"user": "https://idp.example|ceo"}, forced=True), 0, "never refused"),
        (a_denial({"client": "etl-nightly"}), 0, "never refused"),
        (a_denial({"tenant": "globex", "server": "crm"}), 0, "never refused"),
        (a_denial({"source_ip": "10.2.3.4"}, forced=True), 0, "never refused"),
        (a_denial({"source_ip": "::1"}), 0, "never refused"),
        (a_denial({"user": "alice"}, identity="claimed"), 0, "identity is claimed"),
        (a_denial({"user": "alice"}, identity=""), 0, "not known to be verified"),
        (a_denial({"token": "k:1"}, until=NOON), 0, "end before it begins"),
        (a_denial({"token": "k:1"}, until=NOON + 3601), 0, "1 hours at most"),
        (a_denial({"token": "k:1"}), 3, "3 denials hold already"),
        (a_denial({"server": "crm"}), 0, "everybody"),
        (a_denial({"token": " "}), 0, "empty"),
        (a_denial({"token": "k:1"}, automatic="spray"), 0, "nobody approved"),
    ],
)
def test_what_must_not_be_refused_is_not(deny: Deny, standing: int, says: str) -> None:
    with pytest.raises(RejectedError) as caught:
        check(deny, RULES, tenant="acme", standing=standing)
    assert says in str(caught.value)


def test_an_approval_ends_at_its_number_and_a_person_goes_on() -> None:
    automatic = a_denial({"source_ip": "203.0.113.9"}, automatic="brute", by="tocsin")
    check(automatic, RULES, tenant="acme", standing=0, automatic=1)
    with pytest.raises(RejectedError):
        check(automatic, RULES, tenant="acme", standing=0, automatic=2)
    check(a_denial({"source_ip": "203.0.113.9"}), RULES, tenant="acme", standing=2)


def test_a_principal_of_a_listed_tenant_is_never_refused_but_who_attacks_it_is() -> None:
    with pytest.raises(RejectedError):
        check(a_denial({"user": "alice"}), RULES, tenant="globex", standing=0)
    check(a_denial({"source_ip": "203.0.113.9"}), RULES, tenant="globex", standing=0)


values = st.sampled_from(
    ["alice", "https://idp.example|ceo", "etl-nightly", "203.0.113.9", "10.1.1.1", "globex", "crm"]
)


@given(
    subject=st.dictionaries(st.sampled_from(SUBJECTS), values, max_size=3),
    identity=st.sampled_from(["verified", "claimed", ""]),
    forced=st.booleans(),
    standing=st.integers(0, 5),
)
def test_whatever_is_allowed_keeps_every_promise(
    subject: dict[str, str], identity: str, forced: bool, standing: int
) -> None:
    try:
        check(a_denial(subject, identity=identity, forced=forced), RULES, tenant="acme", standing=standing)
    except RejectedError:
        return
    assert subject
    assert standing < RULES.most
    assert subject.get("user") != "https://idp.example|ceo"
    assert subject.get("client") != "etl-nightly"
    assert subject.get("tenant") != "globex"
    assert subject.get("source_ip") != "10.1.1.1"
    named = subject.keys() & PRINCIPAL
    narrowed = named == {"tenant"} and bool(subject.keys() & {"token", "source_ip"})
    assert forced or identity == "verified" or not named or narrowed


def an_event(**said: Any) -> AuditEvent:
    return AuditEvent(time=NOON, server="crm", **said)


events = st.lists(
    st.builds(
        an_event,
        user=st.sampled_from([None, "alice", "mallory"]),
        token=st.sampled_from([None, "k:1", "k:2"]),
        source_ip=st.sampled_from([None, "203.0.113.9", "203.0.113.10"]),
        identity=st.sampled_from([None, "verified", "claimed"]),
    ),
    max_size=5,
)


@given(events=events, deny=st.permutations(["token", "source_ip", "user"]))
def test_nobody_is_cut_off_by_being_named(events: list[AuditEvent], deny: list[str]) -> None:
    chosen = choose(a_finding(entity={"user": "alice"}), events, Approval(("brute",), tuple(deny)))
    if chosen is None:
        return
    (key, value), _ = chosen
    seen = {getattr(event, key) for event in events} - {None}
    assert seen in ({value}, set()), "all evidence agrees"
    if key in PRINCIPAL:
        assert events
        assert all(event.identity == "verified" for event in events)


def test_one_claim_among_the_evidence_makes_an_identity_claimed() -> None:
    sure, said = an_event(user="alice", identity="verified"), an_event(user="alice", identity="claimed")
    assert verified([sure], {"user": "alice"}) == "verified"
    assert verified([sure, said], {"user": "alice"}) == "claimed"
    assert verified([sure], {"user": "bob"}) == ""


@pytest.mark.parametrize(
    ("url", "facts", "allowed"),
    [
        ("https://g.example/{{ source_ip }}", {"source_ip": "203.0.113.9", "user": "https://idp.example|ceo"}, True),
        ("https://g.example/{{ user | urlencode }}", {"user": "https://idp.example|ceo"}, False),
        ("https://g.example/{{ user }}", {"user": "alice", "tenant": "globex"}, True),
        ("https://g.example/{{ user }}/{{ tenant }}", {"user": "alice", "tenant": "globex"}, False),
        ("https://g.example/{{ value }}", {"value": "etl-nightly"}, False),
        ("https://g.example/{{ value }}", {"value": "rita"}, True),
        ("https://g.example/{{ source_ip }}", {"source_ip": "10.1.2.3"}, False),
    ],
)
def test_what_is_never_refused_here_is_not_cut_off_elsewhere(url: str, facts: dict[str, str], allowed: bool) -> None:
    try:
        check_action(used(Template(url), facts), RULES)
    except RejectedError:
        assert not allowed
    else:
        assert allowed
