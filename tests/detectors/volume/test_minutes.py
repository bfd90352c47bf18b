"""Open minutes: the same whatever order events came in, and whatever was packed between."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.volume.minutes import MOST, Minutes

events = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9), st.integers(0, 1 << 45), st.integers(0, 99)))


def filled(added: list[tuple[int, int, int, int]]) -> Minutes:
    minutes = Minutes()
    for one in added:
        minutes.add(*one)
    return minutes


@given(events, st.randoms())
def test_any_order_gives_the_same_sums(added: list[tuple[int, int, int, int]], chance: object) -> None:
    shuffled = sorted(added, key=lambda _: chance.random())  # type: ignore[attr-defined]  # hypothesis gives a Random
    assert filled(added).cells == filled(shuffled).cells


@given(events, st.integers(0, 45), st.integers(1, 60))
def test_a_window_is_the_sum_of_its_minutes(added: list[tuple[int, int, int, int]], last: int, width: int) -> None:
    inside = [one for one in added if last - width < one[0] <= last]
    sums = [sum(one[place] for one in inside) for place in (1, 2, 3)]
    assert filled(added).window(last, width) == (*sums, len({one[0] for one in inside}))


@given(events, st.integers(0, 45))
def test_windows_end_where_there_are_events(added: list[tuple[int, int, int, int]], minute: int) -> None:
    minutes = filled(added)
    assert minutes.ends(minute) == sorted({one[0] for one in added if minute <= one[0] < minute + 5})
    assert (minute in minutes) == any(one[0] == minute for one in added)


@given(events, st.integers(0, 45))
def test_it_packs_and_forgets(added: list[tuple[int, int, int, int]], oldest: int) -> None:
    minutes = filled(added)
    assert Minutes.unpack(minutes.pack()).cells == minutes.cells
    minutes.forget(oldest)
    assert minutes.cells == filled([one for one in added if one[0] >= oldest]).cells


def test_sums_stop_growing_before_they_overflow() -> None:
    minutes = filled([(1, 1, 1 << 61, 0)] * 5)
    assert minutes.window(1, 5) == (5, MOST, 0, 1)
