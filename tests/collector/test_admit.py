"""Every line has its verdict, by what it says and by what the key may say."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.admit import Admitted, admit
from collector.format import RecordError
from collector.formats.native import FORMAT, parse_lines
from collector.keys import Key
from tocsin_audit.event import AuditEvent

NOW = 1_763_700_000.0
GOOD = b'{"time":1763700000,"server":"s","method":"m"}'
FREE = Key(id="k", hash="", created=0.0)


def line(**fields: Any) -> bytes:
    return msgspec.json.encode({"time": NOW, "server": "s", "method": "m", **fields})


def judged(lines: list[bytes], key: Key = FREE) -> Admitted:
    into = Admitted()
    admit(into, lines, range(1, len(lines) + 1), key, longest=100_000)
    return into


BAD = {
    "no JSON": (b"not json", None, "not one JSON object", "malformed"),
    "a text": (b'"text"', None, "Expected `object`", "field"),
    "an array": (b"[]", None, "Expected `object`", "field"),
    "empty": (b"{}", "time", "time is not there", "missing"),
    "no server": (b'{"time":1763700000,"method":"m"}', "server", "server is not there", "missing"),
    "empty server": (line(server=""), "server", "the server's name is empty", "missing"),
    "server of marks": (line(server="\u202e\x00"), "server", "the server's name is empty", "missing"),
    "neither method nor kind": (b'{"time":1763700000,"server":"s"}', "method", "neither method nor kind", "missing"),
    "no zone": (line(time="2026-01-01T00:00:00"), "time", "timezone", "field"),
    "before 1970": (line(time=-1), "time", "not a moment", "time"),
    "after 9999": (b'{"time":1' + b"0" * 400 + b',"server":"s","method":"m"}', "time", "too large", "time"),
    "wrong type": (line(rows="many"), "rows", "Expected `int | null`, got `str`", "field"),
    "wrong type inside": (line(scopes=["a", 1]), "scopes[1]", "Expected `str`, got `int`", "field"),
    "stamped": (line(received="2026-01-01T00:00:00Z"), "received", "Expected `float`", "field"),
    "deep": (line()[:-1] + b',"x":' + b"[" * 600 + b"]" * 600 + b"}", None, "nested", "too_deep"),
    "very deep": (line()[:-1] + b',"x":' + b"[" * 49_000 + b"]" * 49_000 + b"}", None, "nested", "too_deep"),
    "not UTF-8": (line()[:-1] + b',"x":"\xff"}', None, "utf-8", "malformed"),
    "half a surrogate pair": (b'{"time":1763700000,"server":"\\ud800","method":"m"}', None, "not one", "malformed"),
    "two objects": (GOOD + b" " + GOOD, None, "not one JSON object", "malformed"),
    "long": (line(ext={"x": "y" * 100_000}), None, "longer than", "too_long"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_named_with_its_field_and_the_others_are_taken(name: str) -> None:
    bad, field, error, reason = BAD[name]
    into = judged([GOOD, bad, GOOD])
    assert into.numbers == [1, 3]
    assert into.lines == [GOOD, GOOD]
    (rejected,) = into.rejected
    assert (rejected.line, rejected.field) == (2, field)
    assert error in rejected.error
    assert rejected.hint
    assert into.reasons == [reason]


def test_null_says_what_a_missing_key_says_where_a_list_is_expected_too() -> None:
    said = line(user=None, rows=None, ext=None, scopes=None, signals=None, resource_tenants=None, kind=None)
    into = judged([said, GOOD])
    kept = line(user=None, rows=None, ext=None)
    assert into.rejected == []
    assert into.lines == [kept, GOOD]
    assert into.events == parse_lines(kept + b"\n" + GOOD, [kept, GOOD])
    mixed = judged([said, BAD["wrong type"][0], line(server=None), line(scopes=None, error="null")])
    assert (mixed.numbers, mixed.lines) == ([1, 4], [kept, line(error="null")])
    assert [one.field for one in mixed.rejected] == ["rows", "server"]


def test_brackets_in_texts_and_side_by_side_are_no_depth() -> None:
    wide = line(ext=[[] for _ in range(2_000)], error="[" * 600 + '"' + "{" * 600)
    assert judged([wide]).rejected == []


def test_a_kind_stands_in_for_a_method() -> None:
    lines = [
        b'{"time":1763700000,"server":"s","kind":"heartbeat"}',
        b'{"time":1763700000,"server":"s","kind":"request"}',
    ]
    assert len(judged(lines).events) == 2


@pytest.mark.parametrize(
    ("scope", "outside", "field"),
    [
        ({"tenants": ("acme", "initech")}, {"tenant": "globex"}, "tenant"),
        ({"tenants": ("acme", "initech")}, {}, "tenant"),
        ({"servers": ("other", "s")}, {"server": "hidden"}, "server"),
        ({"producers": ("p",)}, {"producer": "q"}, "producer"),
        ({"producers": ("p",)}, {}, "producer"),
    ],
)
def test_a_line_outside_the_keys_scope_is_rejected_by_name(
    scope: dict[str, Any], outside: dict[str, str], field: str
) -> None:
    key = Key(id="k", hash="", created=0.0, **scope)
    inside = {"tenant": "acme", "producer": "p"}
    into = judged([line(**inside), line(**(inside | outside if outside else {}))], key)
    assert into.numbers == [1]
    assert (into.rejected[0].line, into.rejected[0].field) == (2, field)
    assert "scope" in into.rejected[0].error
    assert into.reasons == ["scope"]


def test_the_keys_own_tenant_is_within_its_scope() -> None:
    key = Key(id="k", hash="", created=0.0, tenants=("acme", "globex"), tenant="acme")
    assert judged([line(), line(tenant="unknown"), line(tenant="globex")], key).rejected == []


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5)
)
near_events = st.dictionaries(
    st.sampled_from(["time", "server", "method", "kind", "user", "rows", "seq", "scopes", "ext", "v", "other"]),
    st.one_of(values, st.lists(values, max_size=2), st.just(NOW), st.just("s")),
    max_size=6,
)


@given(
    st.lists(
        st.one_of(
            near_events.map(msgspec.json.encode),
            near_events.map(lambda fields: msgspec.json.encode({"time": NOW, "server": "s", "method": "m"} | fields)),
            st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"")),
            st.sampled_from([GOOD, GOOD + GOOD, GOOD[:20], GOOD[20:], b"{}", b"}", b"{"]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_lines_together_are_judged_as_each_alone(lines: list[bytes]) -> None:
    alone: list[AuditEvent | None] = []
    for each in lines:
        try:
            alone += FORMAT.parse(each)
        except RecordError:
            alone.append(None)
    together = parse_lines(b"\n".join(lines), lines)
    assert together is None or together == alone
    assert judged(lines).events == [event for event in alone if event is not None]
