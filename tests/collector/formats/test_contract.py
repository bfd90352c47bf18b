"""What every format owes, whoever wrote it: whatever bytes come, bounded clean events or a named reason."""

import json
import tracemalloc
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.discovery import format_names, load_format
from collector.format import UNTIMED, Format, Reason, RecordError, read
from collector.formats.native import FORMAT as NATIVE
from stream.clean import ITEMS, TEXT, clean_text
from tests.collector.formats.cases import cases, protobuf
from tocsin_audit.event import KINDS, OUTCOMES, AuditEvent, items, normalise, to_wire

NAMES = (*format_names(), "auto")
REASONS = set(get_args(Reason))
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
NAUGHTY: list[Any] = [
    *("", " ", "-", "null", "undefined", "NaN", "true", "anonymous", "***REDACTED***", "\u202ecod.exe", "\x00\x1b[31m"),
    *(
        "\ufeff",
        "\u2028",
        "ﷺ" * 500,
        "😀" * 2000,
        "a" * 100_000,
        "' OR 1=1 --",
        "<script>",
        "${jndi:ldap://x}",
        "../" * 40,
    ),
    *(
        "%s%n",
        "{{7*7}}",
        "=cmd|' /C calc'!A0",
        "2026-02-30T00:00:00Z",
        "2026-11-20T06:10:00",
        "9999-12-31T23:59:59-23:59",
    ),
    *("0001-01-01T00:00:00Z", "1e999", "-1", "0x7f", "１２", "1_000", "٣", "10.0.0.1:99999", "[::1", "::ffff:1.2.3.4"),
    *(None, True, False, 0, -1, 1e308, -0.0, 2**63, -(2**63) - 1, 2**200, 1e-320, 10**18),
    *([], {}, [[]], [None], ["x"] * 3000, {"": ""}, {"a" * 5000: 1}, [{}], {"key": "value"}, [[[[["deep"]]]]]),
]
HOSTILE: list[bytes] = [
    *(b"", b" ", b"\n", b"\x00", b"\xff\xfe\x00\x00", b"\xed\xa0\x80", b"{", b"}", b"[]", b"null", b"1", b'""', b"{}"),
    *(b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900, b'{"time":' + b"9" * 5000 + b"}"),
    *(
        b'{"a":1,"a":2}',
        b'{"a":1e999999}',
        b'{"\\ud800":"\\udfff"}',
        b"\x0a" * 5000,
        b"\x0a\xff\xff\xff\xff\x0f",
        b"\x0a\x02\x0a\x00",
    ),
    *(
        b"a=" * 50_000,
        b'="' * 50_000,
        b'a="' + b"\\" * 60_000,
        b"CEF:0|" + b"|" * 50_000,
        b"CEF:0|a|b|c|d|e|5|" + b"a=b " * 20_000,
    ),
    *(b"LEEF:2.0|a|b|c|d|x" + b"f" * 40 + b"|a=b", b"LEEF:2.0|a|b|c|d|0xffffffffff|a=b", b"CEF:" + b"\\|" * 30_000),
    *(b"1.1.1.1 - - [" + b"9" * 30 + b'] "GET /mcp H" 200 -', b"INFO: " + b" " * 60_000, b"a" * 300_000),
]


@pytest.fixture(params=NAMES)
def form(request: pytest.FixtureRequest) -> Format:
    return loaded(request.param)


@cache
def loaded(name: str) -> Format:
    return load_format(name)


@cache
def samples(name: str) -> tuple[bytes, ...]:
    """Good records of a format, OTLP also in protobuf; those of all formats for `auto`."""
    found = [case.record for each in (format_names() if name == "auto" else (name,)) for case in cases(each)]
    return tuple(found + ([protobuf(record) for record in found] if name == "otel" else []))


def check(form: Format, record: bytes) -> None:
    """That a record becomes good events or a named reason, and nothing else."""
    assert form.fits(record) in (True, False)
    made = read(form, record)
    if made.error is not None:
        assert made.error.reason in REASONS
        assert made.error.what
        assert made.error.hint
        assert len(str(made.error)) < 2000
    for event in made.events:
        good(event)


def good(event: AuditEvent) -> None:
    """That an event is bounded, clean and normal, and the same when its line is read again."""
    assert event.kind in KINDS | {"other"}
    assert event.outcome is None or event.outcome in OUTCOMES | {"other"}
    assert event.server
    for _, value in items(event):
        for text in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
            assert clean_text(text) == text
            assert len(text) <= TEXT
        assert not isinstance(value, tuple) or len(value) <= ITEMS
    assert len(to_wire(event)) < 256 * 1024
    if event.time == UNTIMED:
        event.time = 1_800_000_000.0
    (again,) = NATIVE.parse(to_wire(event))
    assert to_wire(again) == to_wire(event)
    assert normalise(event) == event


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_bytes_are_refused_by_name(form: Format, number: int) -> None:
    check(form, HOSTILE[number])


def test_good_records_are_read(form: Format) -> None:
    for record in samples(form.name):
        check(form, record)
        assert form.fits(record) or not read(form, record).events


def test_a_record_cut_anywhere_is_no_accident(form: Format) -> None:
    for record in samples(form.name):
        for at in range(0, len(record), max(1, len(record) // 25)):
            check(form, record[:at])


def test_any_value_may_stand_anywhere(form: Format) -> None:
    for record in samples(form.name):
        if not record.startswith(b"{") or form.name == "auto":
            continue
        tree = json.loads(record)
        for number, path in enumerate(list(leaves(tree))):
            for shift in range(4):
                value = NAUGHTY[(7 * number + 13 * shift) % len(NAUGHTY)]
                check(form, json.dumps(put(tree, path, value)).encode("utf-8", "surrogatepass"))


def test_a_key_may_be_missing(form: Format) -> None:
    for record in samples(form.name):
        if record.startswith(b"{") and form.name != "auto":
            tree = json.loads(record)
            for path in leaves(tree):
                check(form, json.dumps(put(tree, path[:1], None)).encode())


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@FEW
def test_a_record_with_bytes_changed_is_no_accident(name: str, data: st.DataObject) -> None:
    record = bytearray(data.draw(st.sampled_from(samples(name))))
    for _ in range(data.draw(st.integers(1, 6))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    check(loaded(name), bytes(record))


@pytest.mark.parametrize("name", NAMES)
@given(record=st.binary(max_size=400))
@FEW
def test_noise_is_no_accident(name: str, record: bytes) -> None:
    check(loaded(name), record)


def test_memory_stays_near_the_record(form: Format) -> None:
    record = b'{"a":[' + b'{"b":"' + b"x" * 50 + b'"},' * 20_000 + b'{}],"eventName":"x","eventSource":"y"}'
    check(form, record)
    tracemalloc.start()
    try:
        read(form, record)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60 * len(record)


def test_a_refusal_keeps_what_was_good_beside_it() -> None:
    good_one = {
        "eventType": "AwsMcpEvent",
        "eventTime": "2026-11-20T06:10:00Z",
        "eventSource": "s",
        "eventName": "CallTool",
    }
    export = json.dumps({"Records": [good_one, {**good_one, "eventTime": "yesterday"}, good_one]}).encode()
    made = read(load_format("cloudtrail"), export)
    assert len(made.events) == 2
    assert made.error is not None
    assert made.error.reason == "time"


def test_nothing_known_is_refused_as_such() -> None:
    with pytest.raises(RecordError, match="no known format") as caught:
        load_format("auto").parse(b'{"hello": "world"}')
    assert caught.value.reason == "format"


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from leaves(value, (*path, key))
    elif isinstance(node, list) and node:
        for at, item in enumerate(node):
            yield from leaves(item, (*path, at))
    else:
        yield path


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copied = tree.copy()
    copied[path[0]] = put(tree[path[0]], path[1:], value)
    return copied
