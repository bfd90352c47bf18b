"""What receipt adds to events and takes out of them, and that a replay reads the same."""

from typing import Any

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.admit import Admitted, admit
from collector.enrich import Enricher, Options
from collector.formats.native import FORMAT, parse_lines
from collector.identity.caller import Caller
from collector.inspection.inspector import Inspector
from collector.keys import Key
from collector.privacy.keys import Vault
from collector.privacy.policy import Privacy
from collector.vantage import Point
from stream.directory import Directory, Ownership
from tocsin_audit.event import AuditEvent
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.source import networks

PRINTS = Fingerprints(b"fleet", "f1")
INSPECTOR = Inspector()
POINT = Point("native", "k")
DIRECTORY = Directory(
    ownership=(
        Ownership(server="crm", argument="customer_id", match="^(?P<tenant>[a-z]+)-"),
        Ownership(server="crm", result="rows[*].tenant_id"),
        Ownership(server="crm", header="Mcp-Param-TenantId"),
    )
)


def line(**fields: Any) -> bytes:
    said = {"time": 1_795_154_400, "server": "crm", "method": "tools/call", "target": "get", **fields}
    return msgspec.json.encode(said)


def enriched(*lines: bytes, point: Point = POINT, **options: Any) -> tuple[list[AuditEvent], list[bytes]]:
    said = Options(inspector=INSPECTOR, prints=PRINTS, **options)
    enrich = Enricher(said, lambda: DIRECTORY)
    events = [FORMAT.parse(each)[0] for each in lines]
    found = enrich(events, lines, point)
    return (events, list(lines)) if found is None else (found.events, found.lines)


def one(**fields: Any) -> AuditEvent:
    (event,), (stored,) = enriched(line(**fields))
    assert [event] == list(FORMAT.parse(stored)), "a replay reads what is folded now"
    return event


def test_content_leaves_its_meaning_and_goes() -> None:
    content = {"arguments": {"path": "../../x", "to": "eve@evil.io"}, "result": "ok", "a": 1}
    (event,), (stored,) = enriched(line(ext=content))
    assert "path:traversal:arguments" in event.signals
    assert (event.args_keys, event.recipients) == (("path", "to"), (PRINTS.of("eve@evil.io") + "@evil.io",))
    assert msgspec.json.decode(event.ext)["a"] == 1
    assert msgspec.json.decode(event.ext)["seen"]["path:traversal:arguments"] == "path"
    for gone in (b'arguments":{', b"../../x", b'eve@evil.io"', b"result"):
        assert gone not in stored.replace(b"path:traversal:arguments", b"")


def test_content_stays_where_the_operator_asks_for_it() -> None:
    (event,), _ = enriched(line(ext={"arguments": {"q": "x"}, "result": "y"}), keep=frozenset({"arguments"}))
    assert msgspec.json.decode(event.ext) == {"arguments": {"q": "x"}}


def test_an_escaped_name_of_a_member_hides_nothing() -> None:
    (event,), (stored,) = enriched(line(ext={"QQ": {"path": "../x"}}).replace(b"QQ", b"\\u0061rguments"))
    assert event.signals == ("path:traversal:arguments",)
    assert b"../x" not in stored


def test_owners_are_read_from_arguments_results_and_headers() -> None:
    event = one(
        ext={
            "arguments": {"customer_id": "acme-1"},
            "result": {"structuredContent": {"rows": [{"tenant_id": "globex"}, {"tenant_id": "acme"}]}},
            "headers": {"Mcp-Param-TenantId": "initech"},
        }
    )
    assert event.resource_tenants == ("acme", "globex", "initech")
    assert event.rows == 2
    assert event.ext == msgspec.Raw(b"")


def test_definitions_become_a_manifest() -> None:
    event = one(method="tools/list", target=None, ext={"tools": [{"name": "add", "description": "Adds."}]})
    assert msgspec.json.decode(event.manifest)["count"] == 1


def test_a_token_that_came_whole_is_read_and_never_kept() -> None:
    token = jwt.encode({"iss": "https://idp", "sub": "ann", "org_id": "acme", "act": {"sub": "bot"}}, "k" * 32, "HS256")
    (event,), (stored,) = enriched(line(token=token))
    assert event.token == PRINTS.of(token)
    assert (event.user, event.tenant, event.agent, event.identity) == ("https://idp|ann", "acme", "bot", "claimed")
    assert token.encode() not in stored
    (event,), (stored,) = enriched(line(ext={"headers": {"Authorization": "Bearer s3cr3t-opaque"}}))
    assert event.token == PRINTS.of("s3cr3t-opaque")
    assert b"s3cr3t" not in stored


def test_a_claim_never_stands_above_what_the_producer_says() -> None:
    token = jwt.encode({"sub": "mallory", "tenant": "globex"}, "k" * 32, "HS256")
    event = one(token=token, user="ann", tenant="acme", identity="verified")
    assert (event.user, event.tenant, event.identity) == ("ann", "acme", "verified")


def test_claims_that_a_source_wrote_down_name_who_called() -> None:
    event = one(ext={"claims": {"iss": "https://idp", "sub": "ann", "azp": "desk", "scope": "read write"}})
    assert (event.user, event.client, event.scopes, event.identity) == (
        "https://idp|ann",
        "desk",
        ("read", "write"),
        "claimed",
    )


def test_the_address_is_the_last_that_no_trusted_proxy_wrote() -> None:
    caller = Caller(PRINTS, trusted=networks(["10.0.0.0/8"]))
    ext = {"headers": {"X-Forwarded-For": "1.1.1.1, 203.0.113.9, 10.0.0.7"}}
    (event,), _ = enriched(line(source_ip="10.0.0.1", ip_trust="peer", ext=ext), caller=caller)
    assert (event.source_ip, event.ip_trust) == ("203.0.113.9", "trusted_xff")
    (event,), _ = enriched(line(source_ip="192.0.2.1", ip_trust="peer", ext=ext), caller=caller)
    assert (event.source_ip, event.ip_trust) == ("192.0.2.1", "peer")


def test_errors_are_cleaned_and_people_hidden_after_they_were_read() -> None:
    vault = Vault(["k:" + "s" * 40])
    token = jwt.encode({"sub": "ann"}, "k" * 32, "HS256")
    event, _ = enriched(line(token=token, error="no mail for ann@firma.de"), privacy=Privacy({"user": "alias"}, vault))
    assert event[0].error == "no mail for [email]"
    assert vault.reveal("user", event[0].user or "") == "ann"


def test_a_call_that_another_vantage_point_counts_is_marked() -> None:
    options = Options()
    enrich = Enricher(options)
    raw = line(trace="t", outcome="ok")
    events = list(FORMAT.parse(raw))
    assert enrich(events, [raw], Point("native", "k")) is None
    # From here on the server is known by two formats.
    assert enrich(events, [raw], Point("otlp", "k")) is None
    found = enrich(events, [raw], Point("native", "k"))
    assert found is not None
    assert found.events[0].echo == "otlp"


def test_lines_without_any_of_it_stay_the_very_bytes() -> None:
    lines = [line(token="f1:00ff00ff", user="ann", ext={"a": 1}), line(kind="heartbeat")]
    assert Enricher(Options(inspector=INSPECTOR))(parse_lines(b"\n".join(lines), lines) or [], lines, POINT) is None


def test_the_keys_scope_is_judged_by_what_was_read() -> None:
    key = Key(id="k", hash="", created=0.0, tenants=("acme",), tenant=None)
    into = Admitted()
    lines = [line(ext={"claims": {"sub": "a", "tenant": each}}) for each in ("acme", "globex")]
    admit(into, lines, (1, 2), key, 100_000, enrich=Enricher(Options()))
    assert [event.tenant for event in into.events] == ["acme"]
    assert [each.field for each in into.rejected] == ["tenant"]


@pytest.mark.parametrize(
    "ext", [b"7", b'"x"', b"[]", b'{"arguments":1e999}', b'{"tools":{"a":[]},"claims":7,"headers":[]}']
)
def test_odd_content_is_taken_as_it_is(ext: bytes) -> None:
    raw = line(ext=0).replace(b'"ext":0', b'"ext":' + ext)
    (event,), _ = enriched(raw)
    assert event.server == "crm"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("arguments", "result", "tools", "headers", "claims"), JSON)))
def test_whatever_content_there_is_a_replay_reads_the_same(ext: dict[str, Any]) -> None:
    raw = line(ext=ext)
    (event,), (stored,) = enriched(raw)
    assert parse_lines(stored, [stored]) == [event]
    if ext:
        assert not set(msgspec.json.decode(event.ext) if event.ext else {}) & {"arguments", "result", "tools", "claims"}
