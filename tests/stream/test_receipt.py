"""What receipt knows already goes with the frame, as long as it is no burden, and says what the frame itself would."""

import pytest

from stream.decode import decode, prepare
from stream.frame import Frame, Record
from stream.ledger.seal import frame_entry
from stream.receipt import KEPT, receive
from stream.salt import salted
from stream.stretch import stretch_of
from stream.tail import DECODED, Tail
from tocsin_audit.event import DECODER

NOON = 1_795_000_000.0


def body(count: int, text: str = "x") -> bytes:
    return b"\n".join(
        b'{"time":%d,"server":"s","method":"tools/call","target":"%b","producer":"p","run":"r","seq":%d}'
        % (NOON - 1, text.encode(), number)
        for number in range(1, count + 1)
    )


def a_frame(lines: bytes) -> Frame:
    events = DECODER.decode_lines(lines)
    prepare(events, lines)
    frame = receive(
        events, lines, NOON, source="k", digest="d", each=lines.split(b"\n"), stretch=stretch_of(events), named=True
    )
    return salted(frame, bytes(range(16)))


def read_back(frame: Frame) -> Frame:
    """The same frame as it comes from the disk."""
    return Frame(frame.header, frame.payload)


@pytest.mark.parametrize("text", ["x", "ü", "a\\\\b"])
def test_a_frame_is_sealed_alike_from_memory_and_from_the_disk(text: str) -> None:
    frame = a_frame(body(5, text))
    assert frame.lines is not None
    assert frame_entry("events", 0, 7, frame) == frame_entry("events", 0, 7, read_back(frame))


def test_who_decodes_a_frame_finds_what_receipt_found() -> None:
    frame = a_frame(body(5))
    again = read_back(frame)
    assert decode(again) == frame.decoded
    assert again.stretch == frame.stretch
    assert frame.stretch is not None


def test_lines_that_take_much_memory_are_not_kept() -> None:
    large = body(3, "x" * (KEPT // 2))
    assert a_frame(large).lines is None
    assert a_frame(body(3)).lines is not None


def test_what_is_kept_beside_a_frame_goes_with_the_frames_that_follow() -> None:
    tail = Tail()
    frames = [a_frame(body(1)) for _ in range(DECODED + 1)]
    tail.extend([Record(offset, frame) for offset, frame in enumerate(frames)])
    assert (frames[0].lines, frames[0].decoded) == (None, None)
    assert None not in (frames[1].lines, frames[1].decoded)
