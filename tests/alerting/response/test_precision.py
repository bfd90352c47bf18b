"""What verdicts say of a detector."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.response.precision import ENOUGH, GOOD, suggestion


@pytest.mark.parametrize(
    ("counts", "about", "says"),
    [
        ({"true": 1, "false": 3}, {}, ""),
        ({"true": 9, "false": 1}, {"user etl": 1}, ""),
        ({"true": 2, "false": 8}, {"user etl": 6, "user bob": 2}, "6 of 8 were wrong about user etl"),
        ({"true": 2, "benign": 7, "false": 1}, {"user a": 2, "user b": 2}, "tell the directory"),
        ({"true": 1, "false": 9}, {"user a": 2, "user b": 2}, "raise its thresholds"),
        ({"true": 5, "false": 5}, {"user a": 1, "user b": 1}, "tocsin backtest"),
    ],
)
def test_a_suggestion_names_the_next_step(counts: dict[str, int], about: dict[str, int], says: str) -> None:
    told = suggestion(Counter(counts), Counter(about))
    assert says in told
    assert bool(says) == bool(told)


@given(true=st.integers(0, 50), benign=st.integers(0, 50), false=st.integers(0, 50), duplicate=st.integers(0, 50))
def test_nobody_is_told_to_tune_what_is_good_or_hardly_judged(
    true: int, benign: int, false: int, duplicate: int
) -> None:
    counts = Counter({"true": true, "benign": benign, "false": false, "duplicate": duplicate})
    judged = true + benign + false
    if judged < ENOUGH or true / judged >= GOOD:
        assert suggestion(counts, Counter()) == ""
    else:
        assert suggestion(counts, Counter())
