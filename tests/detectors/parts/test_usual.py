import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.usual import ENOUGH, HOUR, Usual, quantile

START = 1_793_577_600.0


def taught(counts: list[int]) -> Usual:
    usual = Usual()
    for number, count in enumerate(counts, 1):
        usual.settle(START + number * HOUR, count, False)
    return usual


@pytest.mark.parametrize(
    ("mean", "variance", "expected"),
    [(0.0, 0.0, 0), (1.0, 1.0, 5), (10.0, 10.0, 21), (10.0, 60.0, 50)],
)
def test_the_quantile_is_that_of_the_distribution(mean: float, variance: float, expected: int) -> None:
    # Poisson from tables; at size 2 and share 1/6 the tail beyond 50 is (5/6)^51 * 9.5 = 0.00087, beyond 49 0.00103.
    assert quantile(mean, variance) == expected


@given(st.floats(0.01, 2_000), st.floats(1.0, 50.0))
def test_the_quantile_lies_above_the_mean_and_is_bounded(mean: float, factor: float) -> None:
    bound = quantile(mean, mean * factor)
    assert mean * 0.5 <= bound <= 10_000 or bound <= mean + 10 * (mean * factor) ** 0.5 + 5


def test_a_day_of_hours_is_needed() -> None:
    assert taught([20] * (ENOUGH - 1)).at(1e12) == 0
    assert taught([20] * (ENOUGH + 5)).at(1e12) > 20


def test_what_was_flagged_is_not_learned() -> None:
    usual = taught([2, 3] * 20)
    before = usual.at(1e12)
    usual.settle(START + 100 * HOUR, 5_000, True)
    assert usual.at(1e12) == before


def test_hours_in_which_nothing_happened_count_as_zero() -> None:
    busy, rare = taught([20] * 40), Usual()
    for number in range(1, 41):
        rare.settle(START + number * 10 * HOUR, 20, False)
    assert rare.mean < busy.mean / 5


def test_one_that_never_had_anything_to_count_is_nothing() -> None:
    assert taught([0] * 100).pack() is None


def test_it_survives_packing() -> None:
    usual = taught([1, 5, 9, 2] * 10)
    assert Usual.unpack(usual.pack()).pack() == usual.pack()


def test_after_a_long_silence_it_is_as_new() -> None:
    usual = taught([1] * 30)
    usual.settle(START + 5_000 * HOUR, 0, False)
    assert usual.at(1e12) == 0
    assert usual.hours == 0
