"""Quantised levels: small steps are not lost, and nothing leaves its range."""

from hypothesis import given
from hypothesis import strategies as st

from detectors.parts.quantised import OCTAVE, TOP, dither, follow, nudge


def test_a_share_smaller_than_a_step_arrives_on_average() -> None:
    value = 1000
    for key in range(4000):
        value = nudge(value, 0.001, 0.1, OCTAVE, dither(key))
    assert abs(value - 1000 - 4000 * 0.001 * 0.1 * OCTAVE) < 25


@given(st.integers(0, TOP), st.floats(-10, 200), st.integers(1, 24), st.integers(0, 500), st.floats(-0.5, 0.49))
def test_a_level_stays_in_range_and_moves_towards_what_it_follows(
    level: int, value: float, samples: int, seen: int, salt: float
) -> None:
    after = follow(level, value, samples, seen, 120, salt)
    assert 1 <= after <= TOP
    if seen and level:
        assert abs(after - level) <= 3 * OCTAVE + 1


@given(st.lists(st.integers(0, 1 << 40), max_size=4))
def test_dither_is_a_function_of_its_keys(keys: list[int]) -> None:
    assert -0.5 <= dither(*keys) < 0.5
    assert dither(*keys) == dither(*keys)
