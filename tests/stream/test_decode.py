"""Every reader gets the same events from a frame, whoever decoded it first."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.decode import decode, prepare
from stream.errors import DamagedError
from stream.frame import Frame, Header, pack
from stream.receipt import receive
from tocsin_audit.event import DECODER, AuditEvent

NOW = 1_700_000_000.0


def received(*lines: dict[str, object], tenant: str | None = None, numbers: list[int] | None = None) -> Frame:
    text = b"\n".join(msgspec.json.encode({"time": NOW, "server": "s", "method": "m", **line}) for line in lines)
    events = DECODER.decode_lines(text)
    prepare(events, text)
    return receive(events, text, NOW, source="key", digest="d" * 64, tenant=tenant, numbers=numbers)


def fresh(frame: Frame) -> list[AuditEvent]:
    """What a reader makes of the stored bytes alone."""
    return decode(Frame(frame.header, frame.payload))


def test_receipt_is_stamped_and_beats_what_a_line_says() -> None:
    event = fresh(received({"received": 5.0, "late": True, "skewed": True}))[0]
    assert (event.received, event.late, event.skewed) == (NOW, False, False)


def test_a_late_event_keeps_its_time_and_a_skewed_one_gets_that_of_receipt() -> None:
    late, skewed, fine = fresh(received({"time": NOW - 121}, {"time": NOW + 61}, {"time": NOW + 60}))
    assert (late.time, late.late, late.skewed) == (NOW - 121, True, False)
    assert (skewed.time, skewed.late, skewed.skewed) == (NOW, False, True)
    assert (fine.time, fine.late, fine.skewed) == (NOW + 60, False, False)


def test_the_keys_tenant_stands_in_where_a_line_names_none() -> None:
    events = fresh(received({"tenant": "globex"}, {}, {"tenant": "unknown"}, tenant="acme"))
    assert [event.tenant for event in events] == ["globex", "acme", "acme"]


def test_an_id_comes_from_the_place_and_only_where_nothing_else_identifies() -> None:
    numbered = {"producer": "p", "run": "r", "seq": 1}
    events = fresh(received({}, {}, {"id": "own"}, numbered, {"producer": "p", "seq": 1}, numbers=[2, 3, 5, 8, 9]))
    assert [event.id for event in events] == [f"{'d' * 32}.2", f"{'d' * 32}.3", "own", None, f"{'d' * 32}.9"]


def test_what_becomes_null_like_by_cleaning_is_null() -> None:
    assert fresh(received({"user": "\u202eunknown\x00"}))[0].user is None


def test_decoding_is_done_once_for_all_readers() -> None:
    frame = received({})
    assert decode(frame) is frame.decoded
    again = Frame(frame.header, frame.payload)
    assert decode(again) is decode(again)


def test_frames_of_other_content_have_no_events() -> None:
    assert decode(pack(Header(received=NOW, content="control"), b'{"control":"x"}')) == []
    assert decode(Frame(Header(received=NOW, content="tick", codec="none"), b"")) == []


def test_lines_that_are_no_events_are_damage_with_their_source() -> None:
    with pytest.raises(DamagedError, match="not the events that were accepted") as caught:
        decode(pack(Header(received=NOW, source="key"), b'{"server":"s"}'))
    assert "source key" in caught.value.where


@given(
    st.lists(
        st.fixed_dictionaries(
            {"time": st.one_of(st.floats(NOW - 300, NOW + 300), st.just("2023-11-14T22:13:20Z"))},
            optional={
                "user": st.text(max_size=8),
                "tenant": st.sampled_from(["a", "-", ""]),
                "id": st.text(max_size=4),
                "seq": st.integers(0, 9),
                "run": st.just("r"),
                "producer": st.just("p"),
                "kind": st.sampled_from(["auth", "strange"]),
                "outcome": st.text(max_size=4),
            },
        ),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([None, "acme"]),
)
def test_the_receivers_events_are_the_readers_events(lines: list[dict[str, object]], tenant: str | None) -> None:
    frame = received(*lines, tenant=tenant)
    assert decode(frame) == fresh(frame)
