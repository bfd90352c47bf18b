"""Events as ECS documents."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.events import asked_for
from alerting.matching import parse_all
from alerting.sinks.elasticsearch.events import event_document, identity, kind_of
from tests.alerting.sinks.hostile import CORPUS, ESCAPES, FORMULA, LIVE
from tests.alerting.sinks.place import strings
from tests.alerting.sinks.samples import NOON
from tocsin_audit.event import AuditEvent


def an_event(**said: Any) -> AuditEvent:
    plain: dict[str, Any] = {"time": NOON, "server": "billing", "method": "tools/call", "outcome": "ok", "id": "e-1"}
    return AuditEvent(**(plain | said))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, (["api"], ["access"])),
        ({"action": "delete"}, (["api"], ["access", "deletion"])),
        ({"method": "tools/list"}, (["api"], ["info"])),
        ({"outcome": "authz_denied"}, (["api"], ["access", "denied"])),
        ({"outcome": "auth_missing"}, (["authentication"], ["info"])),
        ({"outcome": "auth_invalid"}, (["authentication"], ["start"])),
        ({"kind": "auth", "method": None}, (["authentication"], ["start"])),
        ({"kind": "permission"}, (["iam"], ["change"])),
        ({"kind": "config"}, (["configuration"], ["change"])),
        ({"method": "initialize"}, (["session"], ["start"])),
        ({"kind": "heartbeat"}, (["process"], ["info"])),
    ],
)
def test_an_event_has_ecs_category_and_types(said: dict[str, Any], expected: tuple[list[str], list[str]]) -> None:
    assert kind_of(an_event(**said)) == expected


def test_a_repeat_is_the_same_document_and_another_event_is_not() -> None:
    numbered = {"id": None, "producer": "p", "run": "r", "seq": 1}
    assert identity(an_event()) == identity(an_event(rows=7))
    assert len({identity(an_event(**said)) for said in ({}, {"id": "e-2"}, {"tenant": "t"}, numbered)}) == 4
    assert len(event_document(an_event(id="x" * 5000), "default").id) <= 512


@given(st.one_of(st.text(max_size=300), st.sampled_from(CORPUS)))
def test_no_words_become_anything_but_words(words: str) -> None:
    names = ("server", "target", "user", "tenant", "reason", "client", "agent", "source_ip", "outcome", "producer")
    event = an_event(**dict.fromkeys(names, words), resource_tenants=(words,) * 100, method=words, trace=words)
    body = event_document(event, "default").body
    assert not any(ESCAPES.search(text) for text in strings(body))
    assert not LIVE.search(body["message"])
    assert not FORMULA.match(body["message"])
    assert "ip" not in body.get("source", {})


def test_conditions_ask_for_an_events_own_fields() -> None:
    event = an_event(tenant="acme", resource_tenants=("acme", "globex"), rows=None)
    for asked, good in {
        (): True,
        ("tenant=acme", "server=bill*"): True,
        ("resource_tenants=globex",): True,
        ("tenant!=acme",): False,
        ("user=alice",): False,
        ("user!=alice",): True,
    }.items():
        assert asked_for(event, parse_all(asked)) is good, asked
