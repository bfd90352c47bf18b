from typing import Any

import pytest

from tocsin_audit.asgi import targets_in
from tocsin_audit.denials import Denials


def one(subject: Any, **changes: Any) -> dict[str, Any]:
    return {"id": "d", "subject": subject, "until": 100.0, "incident": "i", **changes}


def test_all_of_a_subject_must_match() -> None:
    listed = Denials([one({"user": "alice", "source_ip": "1.1.1.1"})])
    assert listed.find({"user": "alice", "source_ip": "1.1.1.1"}, 1.0) is not None
    assert listed.find({"user": "alice", "source_ip": "2.2.2.2"}, 1.0) is None
    assert listed.find({"user": "alice"}, 1.0) is None
    assert listed.find({"source_ip": "1.1.1.1", "user": None}, 1.0) is None


def test_a_denial_ends_at_its_moment() -> None:
    listed = Denials([one({"user": "alice"}, until="1970-01-01T00:01:40Z")])
    assert listed.find({"user": "alice"}, 99.9) is not None
    assert listed.find({"user": "alice"}, 100.0) is None


def test_only_mode_deny_denies() -> None:
    assert not Denials([one({"user": "alice"}, mode="observe")])


@pytest.mark.parametrize("bad", [one({}), one({"shoe": "42"}), one("alice"), {"id": 1}, None])
def test_a_bad_denial_is_named_and_the_others_stand(bad: Any) -> None:
    listed = Denials([bad, one({"token": "k:1"})])
    assert len(listed.faults) == 1
    assert listed.find({"token": "k:1"}, 1.0) is not None


def test_a_tenant_beside_other_facts_stands_against_only_a_known_other_tenant() -> None:
    listed = Denials([one({"user": "alice", "tenant": "acme"})])
    assert listed.find({"user": "alice", "tenant": "acme"}, 1.0) is not None
    assert listed.find({"user": "alice", "tenant": None}, 1.0) is not None
    assert listed.find({"user": "alice", "tenant": "globex"}, 1.0) is None
    assert listed.find({"user": "alice"}, 1.0) is None
    assert Denials([one({"tenant": "acme"})]).find({"tenant": None}, 1.0) is None


CALL = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows"}}'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (CALL, ["rows"]),
        (CALL.replace(b"rows", b"other"), []),
        (b"[" + CALL.replace(b"rows", b"other") + b"," + CALL + b"]", ["rows"]),
        (b'{"method": "resources/read", "params": {"uri": "crm://1"}}', ["crm://1"]),
        (b'{"method": "ping"}', []),
        (b'{"method": "tools/call", "params": {"name": ["rows"]}}', []),
        (b"no json", ["crm://1", "rows"]),
    ],
)
def test_a_refused_tool_is_found_in_what_is_asked_for(body: bytes, found: list[str]) -> None:
    assert sorted(targets_in(body, frozenset({"rows", "crm://1"}))) == found


def test_a_denial_of_a_tool_covers_whoever_asks_for_it() -> None:
    listed = Denials([one({"target": "rows", "source_ip": "1.1.1.1"}), one({"target": "export"}, id="e")])
    assert listed.targets == {"rows", "export"}
    assert listed.find_among({"source_ip": "1.1.1.1"}, ["rows"], 1.0) is not None
    assert listed.find_among({"source_ip": "2.2.2.2"}, ["rows"], 1.0) is None
    assert listed.find_among({}, ["other", "export"], 1.0) is not None
    assert listed.find_among({"source_ip": "1.1.1.1"}, [], 1.0) is None
