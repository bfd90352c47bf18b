"""Messages come out of a stream as they were put in, however the stream is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.syslogging.framing import Framer

MESSAGE = st.binary(min_size=1, max_size=40).map(lambda data: b"<1>" + data.translate(None, b"\n\0\r"))
FRAME = st.sampled_from(["count", "line", "null"])


def framed(message: bytes, how: str) -> bytes:
    return {"count": b"%d %s" % (len(message), message), "line": message + b"\n", "null": message + b"\0"}[how]


@given(st.lists(st.tuples(MESSAGE, FRAME), max_size=10), st.integers(1, 17))
def test_what_was_framed_comes_back(sent: list[tuple[bytes, str]], step: int) -> None:
    stream = b"".join(framed(message, how) for message, how in sent)
    framer = Framer(100)
    found = [each for at in range(0, len(stream), step) for each in framer.feed(stream[at : at + step])]
    assert found + framer.end() == [message for message, _ in sent]
    assert (framer.too_long, framer.malformed) == (0, 0)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_nothing_makes_it_hold_more_than_a_message(parts: list[bytes]) -> None:
    framer = Framer(64)
    for part in parts:
        assert all(len(message) <= 64 for message in framer.feed(part))
        assert framer.held <= 64 + 11
    assert all(len(message) <= 64 + 11 for message in framer.end())


@pytest.mark.parametrize(
    ("stream", "found", "too_long", "malformed"),
    [
        (b"<1>" + b"x" * 500 + b"\n<1>b\n", [b"<1>b"], 1, 0),
        (b"500 " + b"x" * 500 + b"4 <1>b", [b"<1>b"], 1, 0),
        (b"12x4 nonsense\n<1>b\n", [b"<1>b"], 0, 1),
        (b"99999999999 x\n<1>b\n", [b"<1>b"], 0, 1),
        (b"\n\0\r\n<1>b\n", [b"<1>b"], 0, 0),
        (b"<1>b", [b"<1>b"], 0, 0),
        (b"20 <1>b", [], 0, 1),
    ],
)
def test_a_bad_frame_costs_itself_alone(stream: bytes, found: list[bytes], too_long: int, malformed: int) -> None:
    framer = Framer(64)
    assert framer.feed(stream) + framer.end() == found
    assert (framer.too_long, framer.malformed) == (too_long, malformed)
