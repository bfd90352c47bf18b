"""JSON with comments and the places of its values."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.wrap.spans import parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 2, "\t"]), st.booleans())
def test_any_json_is_read_as_it_is(value: object, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    spot = parse(f" {text}\n")
    assert spot.value == value
    assert json.loads(f" {text}\n"[spot.start : spot.end]) == value


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse(text)


def test_comments_and_last_commas_are_allowed() -> None:
    text = '\ufeff// mine\n{ /* a "b" */ "a": [1, 2,], // "c": 3\n "d": {"e": "//no",}, }\n'
    spot = parse(text)
    assert spot.value == {"a": [1, 2], "d": {"e": "//no"}}
    assert spot.items is not None
    assert text[spot.items["d"].start : spot.items["d"].end] == '{"e": "//no",}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 1: no key in quotes"),
        ('{"a" 1}', "line 1: no colon"),
        ('{\n"a": 1 "b": 2}', "line 2: neither a comma"),
        ('{"a": 1, "a": 2}', "said twice"),
        ("[1]]", "something follows"),
        ('{"a": tru}', "no value"),
        ("", "no value"),
        ("[" * 5000, "too deeply nested"),
        ("--1", "no value"),
    ],
)
def test_what_is_no_json_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)
