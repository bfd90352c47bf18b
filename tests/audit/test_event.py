import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.event import DECODER, AuditEvent, normalise, rfc3339, seconds, to_wire


@pytest.mark.parametrize("number", [1.8e9, 1.8e12, 1.8e15, 1.8e18])
def test_a_number_is_read_by_its_size(number: float) -> None:
    assert seconds(number) == pytest.approx(1.8e9)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(b'{"time":"2026-11-20T06:10:00","server":"s"}')


@given(st.floats(0, 4e9))
def test_a_time_survives_the_wire(moment: float) -> None:
    event = AuditEvent(time=moment, server="s", method="m")
    assert normalise(DECODER.decode(to_wire(event))).time == pytest.approx(moment, abs=1e-6)


def test_unknown_words_become_other_and_null_likes_null() -> None:
    event = normalise(DECODER.decode(b'{"time":1,"server":"s","kind":"new","outcome":"odd","user":"anonymous","x":1}'))
    assert (event.kind, event.outcome, event.user) == ("other", "other", None)


def test_what_tocsin_stamps_never_leaves_a_producer() -> None:
    event = AuditEvent(time=1.0, server="s", method="m", received=5.0, late=True, skewed=True)
    assert set(msgspec.json.decode(to_wire(event))) == {"time", "server", "v", "kind", "method"}


def test_times_are_written_in_utc() -> None:
    moment = datetime.datetime(2026, 11, 20, 6, 10, tzinfo=datetime.UTC).timestamp()
    assert rfc3339(moment) == "2026-11-20T06:10:00.000000Z"
