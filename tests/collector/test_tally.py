"""Each input's counts add up, and a problem is told once an hour, not once a record."""

import logging

import pytest

from collector.admit import Rejected
from collector.intake import Kept
from collector.tally import QUIET, Tallies


def test_counts_add_up() -> None:
    tally = Tallies()["gateway"]
    rejected = [Rejected(line=1, field="time", error="is not there", hint="every event has one")]
    for _ in range(2):
        tally.took(5, Kept(3, 1), rejected, ["missing"])
    tally.refuse("too_long", "longer than 9 bytes", "leave it out")
    tally.refuse("unreadable", "x: denied", "let it be read", received=False)
    assert tally.summary() == {
        "received": 11,
        "accepted": 6,
        "duplicates": 2,
        "refused": {"missing": 2, "too_long": 1, "unreadable": 1},
    }


def test_a_problem_is_told_once_and_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    tally = Tallies(lambda: now)["gateway"]
    with caplog.at_level(logging.WARNING):
        for _ in range(1000):
            tally.refuse("malformed", "no JSON", "send JSON")
        tally.refuse("missing", "no time", "send one")
        now = QUIET
        tally.refuse("malformed", "no JSON", "send JSON")
    told = [(vars(record)["reason"], vars(record)["so_far"]) for record in caplog.records]
    assert told == [("malformed", 1), ("missing", 1), ("malformed", 1001)]
