"""A salt goes with its payload, and whoever reads the payload does not notice it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.frame import Frame, Header, pack, unpack
from stream.ledger.seal import event_leaves, event_salts
from stream.salt import SIZE, fresh_salt, salt_of, salted


@given(st.binary(max_size=300), st.binary(min_size=SIZE, max_size=SIZE), st.sampled_from(["zstd", "none"]))
def test_the_lines_are_what_they_were(lines: bytes, salt: bytes, codec: str) -> None:
    frame = pack(Header(received=1.0, count=1, codec=codec), lines)  # type: ignore[arg-type]  # either of the codecs
    made = salted(frame, salt)
    assert unpack(made) == lines
    assert salt_of(made.payload) == (salt if frame.payload else b"")
    assert made.header.received == 1.0


def test_decoded_events_stay_with_the_frame() -> None:
    frame = Frame(Header(received=1.0), pack(Header(received=1.0), b"{}").payload, [])
    assert salted(frame, fresh_salt()).decoded is frame.decoded


def test_a_payload_without_salt_has_none() -> None:
    assert salt_of(b"") == salt_of(b"short") == salt_of(pack(Header(received=1.0), b"{}" * 50).payload) == b""
    with pytest.raises(ValueError, match="16 bytes"):
        salted(Frame(Header(received=1.0), b"x"), b"short")


def test_equal_lines_have_hashes_that_tell_nothing_of_each_other() -> None:
    lines = [b"the same"] * 50
    first, second = event_leaves(lines, fresh_salt()), event_leaves(lines, fresh_salt())
    assert len({*first, *second}) == 100
    assert len(set(event_salts(bytes(16), 50))) == 50
