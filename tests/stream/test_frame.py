"""Frames carry lines unchanged and say so when they cannot."""

import pytest

from stream.errors import DamagedError
from stream.frame import HEADER_DECODER, HEADER_ENCODER, Frame, Header, bit, bitmap, link, pack, unpack


def test_a_frame_gives_back_the_lines_it_was_given() -> None:
    lines = b'{"a":1}\n{"a":2}'
    assert unpack(pack(Header(received=1.0), lines)) == lines


def test_a_damaged_payload_is_named() -> None:
    frame = pack(Header(received=1.0), b"{}")
    with pytest.raises(DamagedError, match="does not decompress"):
        unpack(Frame(frame.header, frame.payload[:-3] + b"xyz"))


def test_a_bitmap_answers_for_every_index() -> None:
    flags = [index in (0, 9, 17) for index in range(20)]
    bits = bitmap(flags)
    assert [bit(bits, index) for index in range(40)] == flags + [False] * 20


def test_the_chain_depends_on_previous_header_and_payload() -> None:
    digests = {link(p, h, d) for p in (b"0", b"1") for h in (b"a", b"b") for d in (b"x", b"y")}
    assert len(digests) == 8


def test_a_header_is_encoded_the_same_again_after_it_was_read() -> None:
    header = Header(received=5, first=1_795_276_800, last=7, count=1)
    stored = HEADER_ENCODER.encode(header)
    assert HEADER_ENCODER.encode(HEADER_DECODER.decode(stored)) == stored
