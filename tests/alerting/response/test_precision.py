"""What verdicts say of a detector."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.response.precision import ENOUGH, GOOD, most_within, precision, suggestion
from alerting.routing.budget import Budget
from alerting.task import AlertTask
from stream.sqlite import SqliteLog
from tests.alerting.world import NOON, a_finding, findings_frame, put


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


@given(times=st.lists(st.integers(0, 500), max_size=30), window=st.integers(1, 200))
def test_the_most_within_a_stretch_is_counted_as_one_would_by_hand(times: list[int], window: int) -> None:
    ordered = sorted(map(float, times))
    by_hand = max((sum(end - window < one <= end for one in ordered) for end in ordered), default=0)
    assert most_within(ordered, float(window)) == by_hand


def test_a_detector_that_wakes_people_beyond_the_budget_is_named(log: SqliteLog, store: Store) -> None:
    task = AlertTask(log, store, Policies())
    pages = [a_finding("canary", "critical", entity={"user": f"u{number}"}, detector="loud") for number in range(3)]
    quiet = a_finding(entity={"user": "x"}, detector="quiet")
    put(log, *(findings_frame([one], NOON + number, number) for number, one in enumerate([*pages, quiet])))
    while task.advance(wait=0):
        pass
    told = precision(store, 0.0, NOON + 9, Budget(pages=2))
    assert told["over_budget"] == [{"name": "loud", "pages": 3, "hours": 12.0, "budget": 2}]
    assert precision(store, NOON + 60, NOON + 99, Budget(pages=2))["over_budget"] == []
