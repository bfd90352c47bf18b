from random import Random

from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.moments import CROWD, HELD, Minutes, Sightings

BASE = 29_000_000
minutes = st.lists(st.integers(BASE, BASE + HELD), max_size=40)
seen = st.lists(st.tuples(st.integers(1, 400), st.integers(BASE, BASE + HELD)), max_size=400)


def made(values: list[int]) -> Minutes:
    one = Minutes()
    for value in values:
        one.add(value)
    return one


@given(minutes, st.randoms())
def test_minutes_do_not_depend_on_order(values: list[int], chance: Random) -> None:
    shuffled = list(values)
    chance.shuffle(shuffled)
    assert made(values).pack() == made(shuffled).pack()
    assert made(values).listed() == sorted(set(values))


@given(minutes, minutes)
def test_minutes_merge_as_they_are_added(first: list[int], second: list[int]) -> None:
    merged = made(first)
    merged.update(made(second))
    assert merged.pack() == made(first + second).pack()


@given(minutes, st.integers(BASE - 10, BASE + HELD), st.integers(0, HELD))
def test_a_span_is_the_first_and_last_minute_within(values: list[int], first: int, width: int) -> None:
    inside = sorted({value for value in values if first <= value <= first + width})
    expected = (inside[0], inside[-1]) if inside else None
    assert made(values).span(first, first + width) == expected
    assert made(values).within(first, first + width) == bool(inside)


@given(minutes, st.integers(BASE - 10, BASE + HELD + 10))
def test_forgetting_leaves_what_is_not_older(values: list[int], before: int) -> None:
    one = made(values)
    one.forget(before)
    assert one.listed() == sorted({value for value in values if value >= before})


def test_three_hours_are_kept_however_far_time_jumps() -> None:
    one = made([BASE, BASE + 10, BASE + HELD + 5, BASE + 100_000])
    assert one.listed() == [BASE + 100_000]
    assert not one.add(BASE)


@given(seen, st.randoms())
def test_sightings_do_not_depend_on_order_or_on_how_they_were_merged(
    values: list[tuple[int, int]], chance: Random
) -> None:
    whole, shuffled = Sightings(), Sightings()
    for key, minute in values:
        whole.add(key, minute)
    order = list(values)
    chance.shuffle(order)
    for key, minute in order:
        shuffled.add(key, minute)
    parts = [Sightings(), Sightings()]
    for key, minute in values:
        chance.choice(parts).add(key, minute)
    parts[0].update(parts[1])
    assert whole.pack() == shuffled.pack() == parts[0].pack()
    assert Sightings.unpack(whole.pack()).pack() == whole.pack()


def test_too_many_keys_become_a_crowd() -> None:
    one = Sightings()
    for key in range(1, Sightings.LIMIT + 50):
        one.add(key, BASE)
    assert list(one.keys) == [CROWD]
    assert one.within(BASE, BASE) == [CROWD]


def test_sightings_are_forgotten() -> None:
    one = Sightings()
    one.add(1, BASE)
    one.add(2, BASE + 50)
    one.forget(BASE + 10)
    assert list(one.keys) == [2]
