"""An event's marks follow from its outcome, its kind and what it carries."""

import pytest

from detectors.base import (
    AUTH_FAILED,
    AUTH_MISSING,
    CANARY,
    CHANGE,
    DATA,
    DENIED,
    HANDLES,
    HEARTBEAT,
    MANIFEST,
    NOT_FOUND,
    OWNED,
    SIGNALS,
    SUCCEEDED,
    TENANTLESS,
    UNOWNED,
)
from detectors.engine.marks import marks_of, own_denial
from stream.directory import from_builtins
from stream.facts import Facts
from tests.detectors.streams import event
from tocsin_audit.event import DECODER


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, SUCCEEDED | DATA),
        ({"method": "tools/list"}, SUCCEEDED),
        ({"outcome": "tool_error"}, SUCCEEDED),
        ({"outcome": "auth_invalid"}, AUTH_FAILED),
        ({"kind": "auth", "outcome": "auth_invalid"}, AUTH_FAILED),
        ({"kind": "auth", "outcome": "ok"}, SUCCEEDED),
        ({"outcome": "auth_missing"}, AUTH_MISSING),
        ({"outcome": "authz_denied"}, DENIED),
        ({"outcome": "not_found"}, NOT_FOUND),
        ({"outcome": "invalid_params"}, NOT_FOUND),
        ({"outcome": "rate_limited"}, 0),
        ({"outcome": None, "auth": "valid"}, SUCCEEDED | DATA),
        ({"outcome": None, "auth": "invalid"}, AUTH_FAILED),
        ({"outcome": None, "auth": "insufficient_scope"}, DENIED),
        ({"outcome": None, "auth": None}, 0),
        ({"outcome": None, "error_code": -32000}, 0),
        ({"tenant": None}, SUCCEEDED | DATA | TENANTLESS),
        ({"target": "crm://acme/1"}, SUCCEEDED | DATA | UNOWNED),
        ({"method": "resources/read", "target": "notes"}, SUCCEEDED | DATA | UNOWNED),
        ({"target": "crm://acme/1", "outcome": "input_required"}, SUCCEEDED | DATA | UNOWNED),
        ({"target": "crm://acme/1", "outcome": "tool_error"}, SUCCEEDED),
        ({"target": "crm://acme/1", "outcome": "authz_denied"}, DENIED),
        ({"target": "crm://acme/1", "tenant": None}, SUCCEEDED | DATA | TENANTLESS),
        ({"target": "crm://acme/1", "resource_tenants": ("acme",)}, SUCCEEDED | DATA),
        ({"resource_tenants": ("globex",)}, SUCCEEDED | DATA | OWNED),
        ({"handles_minted": ("h",)}, SUCCEEDED | DATA | HANDLES),
        ({"signals": ("mixup:id",)}, SUCCEEDED | DATA | SIGNALS),
        ({"kind": "permission", "outcome": None}, CHANGE),
        ({"kind": "config", "outcome": None, "tenant": None}, CHANGE),
        ({"kind": "heartbeat", "outcome": None}, HEARTBEAT),
    ],
)
def test_marks(fields: dict[str, object], expected: int) -> None:
    assert marks_of(event(0, **fields), Facts()) == expected


def test_a_uri_that_the_directory_knows_the_owner_of_is_owned() -> None:
    facts = Facts(from_builtins({"ownership": [{"server": "crm", "uri": "crm://{tenant}/**"}]}))
    assert marks_of(event(0, target="crm://globex/7"), facts) & OWNED
    assert not marks_of(event(0, target="crm://globex/7"), facts) & UNOWNED
    assert not marks_of(event(0, target="crm://globex/7", server="billing"), facts) & OWNED


def test_a_canary_is_marked_whatever_became_of_the_request() -> None:
    facts = Facts(from_builtins({"canaries": [{"server": "crm", "target": "ledger"}]}))
    assert marks_of(event(0, target="ledger", outcome="authz_denied"), facts) & CANARY
    assert not marks_of(event(0, target="ledger 2"), facts) & CANARY


def test_a_list_of_tools_is_a_manifest() -> None:
    line = b'{"time":1,"server":"s","method":"tools/list","outcome":"ok","manifest":{"count":1,"tools":{}}}'
    assert marks_of(DECODER.decode(line), Facts()) & MANIFEST


def test_only_a_refusal_can_be_one_of_our_own() -> None:
    refused = event(0, outcome="authz_denied", reason="tocsin.denied:i1")
    claimed = event(0, outcome="ok", reason="tocsin.denied:i1")
    assert own_denial(refused, marks_of(refused, Facts()))
    assert not own_denial(claimed, marks_of(claimed, Facts()))
