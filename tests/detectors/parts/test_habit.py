from random import Random

from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.distinct import Distinct
from detectors.parts.frozen import AHEAD
from detectors.parts.habit import HOUR, TERM, Habit

START = 1_793_577_600.0


def test_a_key_is_known_from_ten_minutes_after_its_hour() -> None:
    habit = Habit()
    assert not habit.meet(7, START + 100, False)
    habit.settle(START + HOUR)
    assert not habit.knows(7, START + HOUR + AHEAD - 1)
    assert habit.knows(7, START + HOUR + AHEAD)
    assert habit.formed(START + HOUR + AHEAD)
    assert 7 in habit.known(START + HOUR + AHEAD)


def test_what_came_late_or_was_barred_is_not_learned() -> None:
    habit = Habit()
    habit.meet(7, START + 100, True)
    habit.meet(8, START + 100, False)
    habit.settle(START + HOUR, Distinct([8]))
    assert not habit.knows(7, START + 2 * HOUR)
    assert not habit.knows(8, START + 2 * HOUR)


def test_a_key_that_is_not_renewed_is_forgotten_after_two_terms() -> None:
    habit = Habit()
    habit.meet(7, START, False)
    for end in range(1, 6):
        habit.settle(START + end * HOUR)
    assert habit.knows(7, START + TERM)
    assert not habit.knows(7, START + 3 * TERM)


def test_a_known_key_is_renewed_by_being_seen() -> None:
    habit = Habit()
    for week in range(6):
        at = START + week * TERM
        habit.meet(7, at, False)
        habit.settle(at + HOUR)
        habit.settle(at + 2 * HOUR)
    assert habit.knows(7, START + 6 * TERM)


@given(st.lists(st.tuples(st.integers(1, 200), st.floats(0, 3 * HOUR)), max_size=150), st.randoms())
def test_a_habit_does_not_depend_on_order_or_on_how_it_was_merged(
    seen: list[tuple[int, float]], chance: Random
) -> None:
    whole, shuffled = Habit(), Habit()
    order = list(seen)
    chance.shuffle(order)
    for key, after in seen:
        whole.see(key, START + after)
    for key, after in order:
        shuffled.see(key, START + after)
    parts = [Habit(), Habit()]
    for key, after in seen:
        chance.choice(parts).see(key, START + after)
    parts[0].update(parts[1])
    for one in (whole, shuffled, parts[0]):
        one.settle(START + HOUR)
    assert whole.pack() == shuffled.pack() == parts[0].pack()
    assert Habit.unpack(whole.pack()).pack() == whole.pack()


def test_an_empty_habit_is_nothing() -> None:
    assert Habit().pack() is None
    assert not Habit.unpack(None)


def test_what_is_trusted_is_exactly_what_stays_known() -> None:
    habit = Habit()
    habit.meet(7, START + 100, False)
    habit.settle(START + HOUR)
    effective = START + HOUR + AHEAD
    habit.trust("seven", 7, effective - 1)
    assert "seven" not in habit.sure
    habit.trust("seven", 7, effective + 60)
    assert "seven" in habit.sure
    assert habit.begin == effective
    assert habit.end == (START // TERM + 1) * TERM
    habit.settle(START + 2 * HOUR)
    assert not habit.sure
    habit.trust("seven", 7, START + 3 * HOUR)
    habit.settle(START + 4 * HOUR)
    assert "seven" in habit.sure
    assert habit.begin == START // TERM * TERM
