"""Whatever is sent, the parsers of bodies answer in bounded time with events or a reason."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.door import Refused
from collector.formats.native import deep
from collector.push.hec import split
from collector.tailing.unwrap import unwrap

PIECES = [
    b'{"event":',
    b"{}",
    b"}",
    b'"a"',
    b"1",
    b"[",
    b"]",
    b",",
    b'"time":',
    b"null",
    b"\\u0000",
    b"\xff",
    b" ",
    b"\n",
]
JSONISH = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


@given(JSONISH)
@example(b'{"event":1}' * 5)
@example(b'{"event":' + b"9" * 5000 + b"}")
@example(b'{"event":NaN}')
def test_envelopes_or_the_number_of_the_first_that_is_wrong(body: bytes) -> None:
    with suppress(Refused):  # more than 4
        envelopes, wrong = split(body, 4)
        assert len(envelopes) <= 4
        assert wrong is None or wrong.number == len(envelopes)


@given(st.binary(max_size=200), st.sampled_from([b"", b'{"log":"', b"2025-11-21T04:40:00Z stdout P ", b"2025-11-21T"]))
def test_a_line_of_a_container_or_none(line: bytes, begin: bytes) -> None:
    piece = unwrap(begin + line, "auto")
    assert piece is None or len(piece.text) <= 3 * len(begin + line)


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'[{"a":['])
def test_depth_is_seen_whatever_makes_it(unit: bytes) -> None:
    assert deep(unit * 2000)
