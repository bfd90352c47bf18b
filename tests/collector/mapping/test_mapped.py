"""A description in YAML reads what it says it reads, and every fault of it is told at once, with its place."""

from typing import Any

import pytest
import yaml

from collector.format import UNTIMED, RecordError
from collector.mapping.mapped import Mapped, MappingError, compile_mapping
from collector.mapping.records import pattern, read_logfmt
from tocsin_audit.event import AuditEvent

LEAST = "{time: t, server: {const: s}, method: {const: m}"


def mapped(text: str) -> Mapped:
    return compile_mapping("mine", yaml.safe_load(text))


def event(fields: str, record: bytes) -> AuditEvent:
    """The one event of a record, whose least fields are there already."""
    tree: dict[str, Any] = {"fields": yaml.safe_load(f"{LEAST}, {fields}}}")}
    (made,) = compile_mapping("mine", tree).parse(b'{"t": 1795154905, ' + record + b"}")
    return made


def test_a_path_finds_nested_keys_and_keys_with_dots() -> None:
    assert event("target: a.b.c", b'"a": {"b": {"c": "x"}}').target == "x"
    assert event("target: a.b.c", b'"a.b.c": "x"').target == "x"
    assert event("target: a.b.c", b'"a": {"b.c": "x"}').target == "x"
    assert event("target: a.1.c", b'"a": [{}, {"c": "x"}]').target == "x"
    assert event("scopes: a.*.c", b'"a": [{"c": "x"}, {}, {"c": "y"}]').scopes == ("x", "y")
    assert event("target: a.@json.c", b'"a": "{\\"c\\": \\"x\\"}"').target == "x"
    assert event("target: a.@json.c", b'"a": "{\\"c\\": \\"x"').target is None


def test_the_first_that_says_something_counts() -> None:
    assert event("user: [a, b, c]", b'"a": "anonymous", "b": "-", "c": "alice"').user == "alice"
    assert event("user: {path: [a, b]}", b'"b": "alice"').user == "alice"


@pytest.mark.parametrize("value", ["anonymous", "Unknown", "-", "", "null", "***REDACTED***", "[redacted]", "****"])
def test_what_only_looks_like_a_name_is_nobody(value: str) -> None:
    assert event("user: a", f'"a": "{value}"'.encode()).user is None


def test_numbers_may_be_texts_and_durations_have_units() -> None:
    assert event("response_bytes: a", b'"a": "4096"').response_bytes == 4096
    assert event("response_bytes: a", b'"a": -1').response_bytes is None
    assert event("duration_ms: {path: a, unit: s}", b'"a": 1.5').duration_ms == 1500.0
    assert event("duration_ms: {path: a, unit: ns}", b'"a": "1500000"').duration_ms == 1.5
    assert event("duration_ms: a", b'"a": "1m2.5s"').duration_ms == 62_500.0
    assert event("duration_ms: a", b'"a": "soon"').duration_ms is None


@pytest.mark.parametrize(
    ("said", "value", "seconds"),
    [
        ("t2", '"2026-11-20T06:10:00.1234567Z"', 1_795_155_000.123456),
        ("t2", '"2026-11-20 08:10:00,5+02:00"', 1_795_155_000.5),
        ("t2", "1795155000500", 1_795_155_000.5),
        ("t2", '"1795155000"', 1_795_155_000.0),
        ("{path: t2, zone: '+02:00'}", '"2026-11-20T08:10:00"', 1_795_155_000.0),
        ("{path: t2, zone: UTC}", '"2026-11-20T06:10:00"', 1_795_155_000.0),
        ("{path: t2, form: '%d/%b/%Y:%H:%M:%S %z'}", '"20/Nov/2026:06:10:00 +0000"', 1_795_155_000.0),
    ],
)
def test_times_come_in_many_forms(said: str, value: str, seconds: float) -> None:
    text = f"fields: {{time: {said}, server: {{const: s}}, method: {{const: m}}}}"
    (made,) = mapped(text).parse(f'{{"t2": {value}}}'.encode())
    assert made.time == seconds


@pytest.mark.parametrize("value", ['"2026-11-20T06:10:00"', '"yesterday"', "-1", "true", "[1]", "1e300"])
def test_what_is_no_moment_is_refused_as_such(value: str) -> None:
    with pytest.raises(RecordError) as caught:
        mapped(f"fields: {LEAST}}}").parse(f'{{"t": {value}}}'.encode())
    assert caught.value.reason == "time"


def test_a_source_without_times_leaves_them_to_the_receiver() -> None:
    (made,) = mapped("fields: {time: received, server: {const: s}, method: {const: m}}").parse(b"{}")
    assert made.time == UNTIMED


def test_values_are_looked_up_caught_stripped_split_and_joined() -> None:
    assert event("outcome: {path: a, map: {allow: ok, deny: authz_denied}}", b'"a": "DENY"').outcome == "authz_denied"
    assert event("outcome: {path: a, map: {allow: ok}}", b'"a": "else"').outcome is None
    assert event("outcome: {path: a, map: {allow: ok}, default: tool_error}", b'"a": "else"').outcome == "tool_error"
    assert event("target: {path: a, map: {x: y}, keep: true}", b'"a": "z"').target == "z"
    assert event("trace: {path: a, match: '^00-([0-9a-f]{4})-'}", b'"a": "00-00ff-1"').trace == "00ff"
    assert event("target: {path: a, strip: [aws___, x_]}", b'"a": "aws___call"').target == "call"
    assert event("scopes: {path: a, split: ','}", b'"a": "r, w"').scopes == ("r", "w")
    assert event("user: {join: [a, b]}", b'"a": "https://idp", "b": "alice"').user == "https://idp|alice"
    assert event("user: {join: [a, b]}", b'"a": "https://idp"').user is None
    assert (
        bytes(event("change: {object: a, action: {const: grant}}", b'"a": 7').change)
        == b'{"object":7,"action":"grant"}'
    )


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (b'"s": 200', "ok"),
        (b'"s": "200", "c": -32602, "e": "Unknown tool: x"', "not_found"),
        (b'"s": 200, "c": "-32602", "e": "limit is no number"', "invalid_params"),
        (b'"s": 200, "c": -32020', "protocol_violation"),
        (b'"s": 401', "auth_invalid"),
        (b'"s": 403', "authz_denied"),
        (b'"s": 429', "rate_limited"),
        (b'"s": 504', "timeout"),
        (b'"s": 502', "upstream_error"),
        (b'"s": 200, "f": true', "tool_error"),
        (b'"e": "permission denied"', "authz_denied"),
        (b'"s": 99999', None),
        (b'"x": 1', None),
    ],
)
def test_outcomes_follow_status_code_and_words(record: bytes, outcome: str | None) -> None:
    assert event("outcome: {outcome: {status: s, code: c, error: e, failed: f}}", record).outcome == outcome


def test_without_credentials_a_401_is_discovery() -> None:
    said = "outcome: {outcome: {status: s, credentials: c}}"
    assert event(said, b'"s": 401, "c": false').outcome == "auth_missing"
    assert event(said, b'"s": 401, "c": true').outcome == "auth_invalid"


def test_one_record_may_hold_several_events_of_several_kinds() -> None:
    form = mapped(
        """
        fields: {time: t, server: {const: s}}
        events:
          - each: calls
            when: {item.ok: true}
            fields: {method: item.m}
          - when: {denied: {exists: true}}
            fields: {kind: {const: permission}, target: denied}
        """
    )
    made = form.parse(b'{"t": 1795154905, "calls": [{"m": "a", "ok": true}, {"m": "b", "ok": false}], "denied": "x"}')
    assert [(each.kind, each.method, each.target) for each in made] == [
        ("request", "a", None),
        ("permission", None, "x"),
    ]
    assert form.parse(b'{"t": 1795154905}') == []


def test_what_is_good_beside_what_is_not_is_kept() -> None:
    form = mapped("{fields: {time: item.t, server: {const: s}, method: {const: m}}, events: [{each: a}]}")
    with pytest.raises(RecordError) as caught:
        form.parse(b'{"a": [{"t": 1795154905}, {"t": "x"}]}')
    assert len(caught.value.events) == 1


def test_an_envelope_is_taken_off_where_there_is_one() -> None:
    form = mapped(f"{{within: data, fields: {LEAST}, target: x}}}}")
    for record in (b'{"data": {"t": 1795154905, "x": "y"}}', b'{"t": 1795154905, "x": "y"}'):
        assert form.parse(record)[0].target == "y"


def test_lines_of_text_are_read_by_a_pattern_or_as_pairs() -> None:
    form = mapped(f"{{record: {{pattern: '(?P<t>\\S+) (?P<who>\\S+)'}}, fields: {LEAST}, user: who}}}}")
    assert form.parse(b"1795154905 alice")[0].user == "alice"
    assert form.fits(b"1795154905 alice")
    assert not form.fits(b"nothing")
    tree = read_logfmt(b'info a=1 b="x \\"y\\" z" c= d="open')
    assert tree == {"_0": "info", "a": "1", "b": 'x "y" z', "c": "", "d": '"open'}


def test_a_pattern_takes_linear_time_or_is_none() -> None:
    assert pattern(r"(a+)+$").search("a" * 50_000 + "b") is None
    for bad in (r"(?=x)", r"(a)\1", "("):
        with pytest.raises(ValueError, match=r".+"):
            pattern(bad)


FAULTS = """
title: 7
recrod: json
zone: Mars
detect: [[]]
fields:
  time: {path: t, form: plain}
  server: {pth: s}
  metod: m
  user: {path: a, const: b}
  target: {path: ''}
  trace: {path: a, match: '(?=x)'}
  duration_ms: {path: d, unit: weeks}
  outcome: {path: o, map: {a: fine}}
  client: {join: []}
  session: []
events:
  - when: {}
    fields: {kind: {const: party}}
"""


def test_every_fault_is_told_at_once_with_its_place() -> None:
    with pytest.raises(MappingError) as caught:
        mapped(FAULTS)
    places = {".".join(map(str, fault.place)) for fault in caught.value.faults}
    assert places >= {
        *("title", "recrod", "zone", "detect.0", "fields.time.form", "fields.server.pth", "fields.metod"),
        *("fields.user", "fields.target.path", "fields.trace.match", "fields.duration_ms.unit"),
        *(
            "fields.outcome.map.a",
            "fields.client.join",
            "fields.session",
            "events.0.when",
            "events.0.fields.kind.const",
        ),
    }
    assert all(fault.what for fault in caught.value.faults)
    hints = {".".join(map(str, fault.place)): fault.hint for fault in caught.value.faults}
    assert hints["recrod"] == "did you mean 'record'?"
    assert hints["fields.metod"] == "did you mean 'method'?"


@pytest.mark.parametrize("tree", [None, [], "x", 7, {}, {"fields": []}, {"fields": {"time": None}}, {"events": {}}])
def test_what_is_no_description_is_refused(tree: Any) -> None:
    with pytest.raises(MappingError) as caught:
        compile_mapping("mine", tree)
    assert caught.value.faults
