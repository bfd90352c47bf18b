"""Files whose lines stand in no order of arrival are recognised and read in order of time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.history.arrival import Order, by_time

HOUR = 3600.0
DAY = 24 * HOUR


def jumbled(times: list[float]) -> bool:
    order = Order()
    for time in times:
        order.see(time)
    return order.jumbled()


MONTH = [60.0 * minute for minute in range(30 * 24 * 60)]


def test_what_arrives_within_the_lateness_is_in_order() -> None:
    shaken = random.Random(1)
    assert not jumbled(sorted(MONTH, key=lambda time: time + shaken.random() * 120))


def test_what_an_outage_held_back_is_in_order_whether_it_comes_at_once_or_between_other_lines() -> None:
    held = MONTH[1000:1480]
    assert not jumbled([*MONTH[:1000], *MONTH[1480:2000], *held, *MONTH[2000:]])
    later = [time for pair in zip(MONTH[1480:1960], held, strict=True) for time in pair]
    assert not jumbled([*MONTH[:1000], *later, *MONTH[1960:]])


@pytest.mark.parametrize("clock", [-400 * DAY, 400 * DAY])
def test_one_wrong_clock_does_not_make_a_file_look_jumbled(clock: float) -> None:
    assert not jumbled([*MONTH[:500], clock, *MONTH[500:]])
    assert not jumbled([*MONTH, clock])


def test_shuffled_reversed_and_grouped_lines_are_jumbled() -> None:
    assert jumbled(random.Random(1).sample(MONTH, len(MONTH)))
    assert jumbled(MONTH[::-1])
    assert jumbled([time for first in range(30) for time in MONTH[first::30]])


def test_an_hour_whose_lines_are_shuffled_is_jumbled() -> None:
    hour = [2.0 * number for number in range(1800)]
    assert jumbled(random.Random(1).sample(hour, len(hour)))
    assert jumbled(hour[::-1])
    # A third of them come half an hour late, between the others.
    assert not jumbled(sorted(hour, key=lambda time: time + (1800 if time % 3 == 0 else 0)))


def test_few_lines_put_behind_the_end_of_a_month_or_a_day_are_jumbled() -> None:
    assert jumbled([*MONTH, *MONTH[9000:9050]])
    day = MONTH[: 24 * 60]
    assert jumbled([*day, *day[600:605]])


@given(
    st.lists(st.tuples(st.floats(0, 1e10), st.binary(max_size=20)), max_size=40), st.integers(min_value=1, max_value=7)
)
def test_lines_come_in_order_of_time_and_those_of_one_time_as_they_stood(
    lines: list[tuple[float, bytes]], held: int
) -> None:
    numbered = [(time, number, line) for number, (time, line) in enumerate(lines, 1)]
    assert list(by_time(numbered, held)) == sorted(numbered, key=lambda line: line[0])
