"""Receipt is judged once, and history's receipt is rebuilt without being led by a single event."""

from hypothesis import given
from hypothesis import strategies as st

from stream.clock import Judgement, judge, merged, rebuild
from stream.frame import LIMIT, bit


def clocks(times: list[float]) -> list[float]:
    """The rebuilt clock at each line."""
    return [received for received, lines in rebuild((time, time) for time in times) for _ in lines]


def test_an_event_two_minutes_old_is_not_yet_late_and_one_older_is() -> None:
    assert judge([880.0, 1000.0], 1000.0) == Judgement(880.0, 1000.0, b"", b"")
    assert judge([1000.0, 879.9], 1000.0) == Judgement(879.9, 1000.0, b"\x02", b"")


def test_an_event_more_than_a_minute_ahead_is_skewed_and_bounds_do_not_follow_it() -> None:
    assert judge([1060.0], 1000.0) == Judgement(1060.0, 1060.0, b"", b"")
    assert judge([990.0, 1060.1], 1000.0) == Judgement(990.0, 1000.0, b"", b"\x02")


@given(st.lists(st.floats(0, 3000), max_size=40), st.floats(500, 2000))
def test_every_line_is_judged_as_if_it_were_alone(times: list[float], received: float) -> None:
    verdict = judge(times, received)
    for index, time in enumerate(times):
        assert bit(verdict.late, index) == (time < received - 120)
        assert bit(verdict.skewed, index) == (time > received + 60)


def test_histories_merge_by_time_and_each_keeps_its_order() -> None:
    first = [(1.0, "a1"), (5.0, "a2"), (4.0, "a3")]
    second = [(2.0, "b1"), (6.0, "b2")]
    assert [line for _, line in merged(first, second)] == ["a1", "b1", "a2", "a3", "b2"]


def test_the_clock_follows_ordered_history() -> None:
    assert clocks([0.0, 10.0, 20.0, 3600.0, 7200.0, 7210.0]) == [0.0, 10.0, 20.0, 3600.0, 7200.0, 7210.0]


def test_the_clock_never_goes_back() -> None:
    assert clocks([100.0, 101.0, 50.0, 99.0, 102.0]) == [100.0, 101.0, 101.0, 101.0, 102.0]


def test_one_event_from_the_future_leads_nobody_wherever_it_stands() -> None:
    day = 86_400.0
    for place in range(6):
        times = [float(second) * 10 for second in range(5)]
        times.insert(place, times[min(place, 4)] + day)
        assert max(clocks(times)) < day


def test_short_histories_keep_their_times() -> None:
    assert clocks([5.0]) == [5.0]
    assert clocks([5.0, 1805.0]) == [5.0, 1805.0]
    assert clocks([5.0, 4000.0, 7000.0]) == [5.0, 4000.0, 7000.0]


def test_nothing_makes_nothing() -> None:
    assert list(rebuild([])) == []


@given(st.lists(st.floats(0, 10_000), max_size=300))
def test_frames_keep_every_line_in_order_within_a_second_and_the_limit(times: list[float]) -> None:
    frames = list(rebuild((time, index) for index, time in enumerate(times)))
    assert [line for _, lines in frames for line in lines] == list(range(len(times)))
    received = [moment for moment, _ in frames]
    assert received == sorted(received)
    assert all(0 < len(lines) <= LIMIT for _, lines in frames)


def test_a_frame_ends_at_five_hundred_lines_or_one_second() -> None:
    dense = [100.0 + index / 10_000 for index in range(1_200)]
    assert [len(lines) for _, lines in rebuild((time, time) for time in dense)] == [500, 500, 200]
    spread = [0.0, 0.5, 0.9, 1.0, 1.5, 2.5]
    assert [lines for _, lines in rebuild((time, time) for time in spread)] == [[0.0, 0.5, 0.9], [1.0, 1.5], [2.5]]
