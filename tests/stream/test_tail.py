"""The newest frames stay at hand within bounds."""

from collections.abc import Callable

from stream.decode import decode
from stream.frame import Frame, Header, Record
from stream.tail import BYTES, DECODED, FRAMES, Tail

FrameOf = Callable[..., Frame]


def records(first: int, count: int, payload: bytes = b"") -> list[Record]:
    return [Record(offset, Frame(Header(received=0.0), payload)) for offset in range(first, first + count)]


def offsets(found: list[Record] | None) -> list[int] | None:
    return None if found is None else [record.offset for record in found]


def test_it_answers_from_any_position_it_keeps_and_says_so_where_it_does_not() -> None:
    kept = Tail()
    assert kept.since(0, 5) is None
    kept.extend(records(0, FRAMES + 10))
    assert kept.since(9, 5) is None
    assert offsets(kept.since(10, 3)) == [10, 11, 12]
    assert offsets(kept.since(FRAMES + 8, 5)) == [FRAMES + 8, FRAMES + 9]
    assert offsets(kept.since(FRAMES + 10, 5)) == []


def test_records_that_do_not_follow_start_anew() -> None:
    kept = Tail()
    kept.extend(records(0, 5))
    kept.extend(records(7, 2))
    assert kept.since(4, 5) is None
    assert offsets(kept.since(7, 5)) == [7, 8]


def test_bytes_are_bounded() -> None:
    kept = Tail()
    kept.extend(records(0, 5, bytes(BYTES // 4)))
    assert kept.since(0, 1) is None
    assert offsets(kept.since(1, 9)) == [1, 2, 3, 4]


def test_decoded_events_are_kept_for_the_newest_alone_whoever_decoded_them(frame_of: FrameOf) -> None:
    kept = Tail()
    kept.extend([Record(offset, frame_of(offset)) for offset in range(DECODED * 2)])
    everything = kept.since(0, FRAMES)
    assert everything is not None
    for record in everything:
        assert len(decode(record.frame)) == 1
    kept.extend([Record(DECODED * 2, frame_of(1))])
    assert [record.frame.decoded is not None for record in everything] == [False] * (DECODED + 1) + [True] * (
        DECODED - 1
    )
