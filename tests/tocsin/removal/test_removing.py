"""The hour has come or has not, a job that was interrupted is taken up, and what cannot be removed says so."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from stream.errors import DamagedError, RejectedError
from tocsin.api.removal import Removals
from tocsin.config.retention import Days, Retention
from tocsin.removal.removing import Removing, following

MIDNIGHT = 1_794_960_000.0
HOUR = 3_600.0


class Kept:
    """Counts what it is asked to do."""

    def __init__(self, policy: Retention) -> None:
        self.policy = policy
        self.resumed = 0
        self.ran: list[float] = []
        self.tidied: list[float] = []
        self.busy = self.damaged = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        yield

    def resume(self) -> None:
        self.resumed += 1

    def tidy(self, now: float) -> None:
        self.tidied.append(now)

    def run(self, now: float, by: str) -> list[dict[str, Any]]:
        if self.damaged:
            raise DamagedError("the hold 1f is missing or was changed")
        if self.busy:
            raise RejectedError("something else is being removed just now")
        self.ran.append(now)
        return [{"kind": "events", "what": "2026-08-01", "removed": 7}]

    def done(self) -> list[dict[str, Any]]:
        return [{"job": "j", "time": "t", "why": "retention", "removed": {"events": 7}}] if self.ran else []


class Clock:
    """A wall clock that is set by hand."""

    now = MIDNIGHT

    def __call__(self) -> float:
        return self.now


def a_worker(kept: Kept, clock: Clock, hour: int = 2) -> Removing:
    ending = threading.Event()
    ending.set()
    made: Any = kept
    return Removing(made, hour, clock, ending)


def test_it_removes_once_a_night_at_its_hour() -> None:
    kept, clock = Kept(Retention(events=30)), Clock()
    worker = a_worker(kept, clock)
    for minutes in range(0, 3 * 24 * 60, 30):
        clock.now = MIDNIGHT + minutes * 60
        worker.turn()
        worker.turn()
    nights = [MIDNIGHT + day * 24 * HOUR + 2 * HOUR for day in range(3)]
    assert kept.ran == nights
    assert kept.resumed == 1
    assert worker.status() == {
        "next": "2026-11-21T02:00:00.000000Z",
        "last": {"job": "j", "time": "t", "why": "retention"},
    }


def test_while_something_else_is_removed_it_waits_and_then_does_it() -> None:
    kept, clock = Kept(Retention(tenants={"acme": Days(events=30)})), Clock()
    worker = a_worker(kept, clock)
    worker.turn()
    clock.now += 2 * HOUR
    kept.busy = True
    worker.turn()
    assert kept.ran == []
    kept.busy = False
    worker.turn()
    assert kept.ran == [clock.now]


def test_what_keeps_it_from_removing_is_shown_and_stops_nothing_else() -> None:
    kept, clock = Kept(Retention(events=30)), Clock()
    worker = a_worker(kept, clock)
    clock.now += 2 * HOUR
    kept.damaged = True
    worker.turn()
    assert "the hold 1f" in worker.status()["problem"]
    worker.turn()
    kept.damaged = False
    clock.now += 24 * HOUR
    worker.turn()
    assert kept.ran == [clock.now]
    assert "problem" not in worker.status()


def test_without_a_policy_no_night_is_planned_but_a_crash_is_still_made_good() -> None:
    kept, clock = Kept(Retention()), Clock()
    worker = a_worker(kept, clock)
    clock.now += 100 * HOUR
    worker.turn()
    worker.turn()
    assert (kept.ran, kept.resumed, worker.status()) == ([], 1, {"next": None, "last": None})


@pytest.mark.parametrize(("at", "hour", "expected"), [(0.0, 2, 2.0), (2.0, 2, 26.0), (1.999, 2, 2.0), (23.5, 0, 24.0)])
def test_the_next_hour_is_always_to_come(at: float, hour: int, expected: float) -> None:
    assert following(MIDNIGHT + at * HOUR, hour) == MIDNIGHT + expected * HOUR


def test_each_day_it_is_tidied_up_though_nothing_is_due() -> None:
    kept, clock = Kept(Retention()), Clock()
    worker = a_worker(kept, clock)
    for hours in (0, 1, 22, 1, 24):
        clock.now += hours * HOUR
        worker.turn()
    assert kept.tidied == [clock.now - 48 * HOUR, clock.now - 24 * HOUR, clock.now]


def test_a_process_that_does_not_seal_says_who_removes() -> None:
    """Also on Kafka, where another process may seal."""
    runtime: Any = SimpleNamespace(removal=lambda: None)
    with pytest.raises(RejectedError, match="does not seal") as refused:
        Removals(runtime)._at_work()
    assert "tocsin seal" in refused.value.hint
