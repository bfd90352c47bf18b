"""A stretch is told from everything that only looks like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.stretch import Stretch, stretch_of
from tocsin_audit.event import AuditEvent


def an_event(seq: int | None, *, producer: str | None = "p", run: str | None = "r") -> AuditEvent:
    return AuditEvent(time=1.0, server="s", producer=producer, run=run, seq=seq)


@given(st.integers(-(2**62), 2**62), st.integers(1, 40))
def test_consecutive_numbers_of_one_run_are_a_stretch(first: int, count: int) -> None:
    events = [an_event(first + index) for index in range(count)]
    assert stretch_of(events) == Stretch("p", "r", first, first + count - 1)


@pytest.mark.parametrize(
    "odd",
    [
        an_event(9),
        an_event(None),
        an_event(6, producer="q"),
        an_event(6, producer=None),
        an_event(6, run="q"),
        an_event(6, run=None),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_event_that_does_not_follow_ends_that(odd: AuditEvent, at: int) -> None:
    events = [an_event(number) for number in (5, 6, 7)]
    events[at] = (
        odd
        if odd.seq is None or odd.seq == 9
        else AuditEvent(time=1.0, server="s", producer=odd.producer, run=odd.run, seq=5 + at)
    )
    assert stretch_of(events) is None


def test_nothing_is_no_stretch() -> None:
    assert stretch_of([]) is None
    assert stretch_of([an_event(1), an_event(1)]) is None
    assert stretch_of([an_event(2), an_event(1), an_event(3)]) is None
