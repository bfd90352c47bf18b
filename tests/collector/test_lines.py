"""A body is taken apart into lines, each with the number that an editor would show."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.encoding import TooLargeError
from collector.lines import JSON, split
from stream.errors import RejectedError


def parts(body: bytes, content_type: str = "", most: int = 100) -> list[tuple[int, bytes]]:
    lines = split(body, content_type, most)
    return list(zip(lines.numbers, lines.lines, strict=True))


def test_blank_lines_and_carriage_returns_are_no_lines_but_count() -> None:
    assert parts(b"\n{1}\r\n  \r\n{2}\n\n") == [(2, b"{1}"), (4, b"{2}")]


def test_an_array_is_its_elements_each_on_one_line() -> None:
    assert parts(b' [{"a":\n 1}, {"b":"x,y"} ,\n3]', JSON) == [(1, b'{"a":1}'), (2, b'{"b":"x,y"}'), (3, b"3")]
    assert parts(b"[]", JSON) == []


def test_a_line_that_is_an_array_stays_one_where_lines_were_announced() -> None:
    assert parts(b"[1]\n[2]", "application/x-ndjson") == [(1, b"[1]"), (2, b"[2]")]


def test_a_broken_array_is_refused() -> None:
    for body in (b"[1,", b"[1] 2", b"[" * 100_000):
        with pytest.raises(RejectedError, match="array"):
            split(body, JSON, 100)


def test_too_many_lines_are_refused_before_they_are_made() -> None:
    for body in (b"1\n" * 101, b"1" + b"\n" * 100 + b"1", b"[" + b"1," * 100 + b"1]", b"[" + b"1," * 100_000 + b"1]"):
        with pytest.raises(TooLargeError, match="more than 100 lines"):
            split(body, "", 100)
    assert len(parts(b"1\n" * 100)) == 100


@given(st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=6), max_size=3), max_size=8), st.integers(0, 3))
def test_every_way_to_write_the_same_objects_gives_them_back(objects: list[dict[str, str]], indent: int) -> None:
    lines = [msgspec.json.encode(each) for each in objects]
    assert [line for _, line in parts(b"\n".join(lines))] == lines
    pretty = msgspec.json.format(msgspec.json.encode(objects), indent=indent)
    assert [msgspec.json.decode(line) for _, line in parts(pretty, JSON)] == objects
    assert all(b"\n" not in line for _, line in parts(pretty, JSON))
