"""Hostile text is made harmless, and harmless text is left alone."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clean import ITEMS, TEXT, clean_events, clean_text
from tocsin_audit.event import DECODER, AuditEvent


def cleaned(**fields: object) -> AuditEvent:
    line = msgspec.json.encode({"time": 1, "server": "s", **fields})
    event = DECODER.decode(line)
    clean_events([event], line)
    return event


def test_control_characters_go_and_line_ends_become_spaces() -> None:
    assert cleaned(error="a\x00b\x1b[31mc\nd\te").error == "ab[31mc d e"
    assert cleaned(user="al\x7fice\x85").user == "alice"


def test_bidirectional_marks_and_tags_go() -> None:
    assert cleaned(target="invoice\u202efdp.exe").target == "invoicefdp.exe"
    assert cleaned(agent="a\u2066b\u200fc\ufeffd\U000e0041").agent == "abcd"
    assert cleaned(scopes=["re\u202aad", "x"]).scopes == ("read", "x")


def test_an_escaped_mark_is_found_like_a_plain_one() -> None:
    line = b'{"time":1,"server":"s","user":"a\\u202eb"}'
    event = DECODER.decode(line)
    clean_events([event], line)
    assert event.user == "ab"


def test_ordinary_text_of_any_language_stays() -> None:
    for text in ("José Müller", "山田太郎", "می‌خواهم", 'quoted "so"', "a\\b", "👩‍💻"):
        assert cleaned(user=text).user == text


def test_names_that_are_too_long_stay_different() -> None:
    first, second = cleaned(user="x" * 5000 + "1").user, cleaned(user="x" * 5000 + "2").user
    assert first is not None
    assert second is not None
    assert len(first) == len(second) == TEXT
    assert first != second


def test_lists_are_bounded() -> None:
    assert len(cleaned(args_keys=["k"] * 5000).args_keys) == ITEMS


def test_as_many_lines_as_events_are_needed() -> None:
    with pytest.raises(ValueError, match="zip"):
        clean_events([DECODER.decode(b'{"time":1,"server":"s"}')], b'{"time":1,\n"server":"s"}')


@given(st.text(max_size=200))
def test_every_text_is_cleaned_through_its_line_as_it_would_be_alone(text: str) -> None:
    assert cleaned(reason=text).reason == clean_text(text)


@given(st.text(max_size=80))
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    assert clean_text(clean_text(text, 40), 40) == clean_text(text, 40)
