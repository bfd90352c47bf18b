import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.evaluation.interval import bootstrap, mean, median, quantile, share


def test_wilsons_interval_has_the_published_values() -> None:
    # Newcombe (1998), Statistics in Medicine 17:857, table I: 81 of 263 and 0 of 20, score method.
    eighty_one = share(81, 263)
    assert (eighty_one.low, eighty_one.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    none = share(0, 20)
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_a_share_of_nothing_is_unknown() -> None:
    nothing = share(0, 0)
    assert nothing.value is None
    assert (nothing.low, nothing.high) == (0.0, 1.0)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_share_lies_in_its_interval(hits: int, misses: int) -> None:
    result = share(hits, hits + misses)
    assert 0 <= result.low <= result.high <= 1
    if result.value is not None:
        assert result.low <= result.value <= result.high


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40))
def test_a_bootstrap_interval_lies_within_the_values_and_repeats_itself(values: list[float]) -> None:
    first, second = bootstrap(values, median, 7), bootstrap(values, median, 7)
    assert first == second
    assert first.low is not None
    assert first.high is not None
    assert min(values) <= first.low <= first.high <= max(values)


def test_a_bootstrap_does_not_depend_on_the_order_of_the_values() -> None:
    assert bootstrap([3.0, 1.0, 2.0], mean, 1) == bootstrap([1.0, 2.0, 3.0], mean, 1)


def test_quantiles_interpolate_between_values() -> None:
    assert quantile([1, 2, 3, 4], 0.5) == 2.5
    assert quantile([5], 0.95) == 5
    assert quantile([0, 10], 0.95) == pytest.approx(9.5)
