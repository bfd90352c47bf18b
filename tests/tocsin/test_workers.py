"""A stage goes on after what an operator can mend, and ends the program after a bug."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from stream.errors import StorageError
from tests.tocsin.program import until
from tocsin import workers
from tocsin.workers import Worker


class Stage:
    """Does what it is told to do in its next turns."""

    def __init__(self) -> None:
        self.turns = 0
        self.raises: BaseException | None = None
        self.problems: list[tuple[str, bool]] = []
        self.failures = 0
        self._go = threading.Event()

    def __call__(self) -> None:
        self.turns += 1
        self._go.wait(0.01)
        if self.raises is not None:
            raise self.raises

    def failed(self) -> None:
        self.failures += 1

    def problem(self, name: str, there: bool) -> None:
        self.problems.append((name, there))


@contextmanager
def working(stage: Stage) -> Iterator[Worker]:
    worker = Worker("stage", stage, on_failure=stage.failed, on_problem=stage.problem)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
        assert worker.join(20)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PAUSE", 0.01)


def more(stage: Stage) -> None:
    turns = stage.turns
    until(lambda: stage.turns > turns + 2, "the stage takes turns")


def test_a_problem_is_told_once_shown_and_tried_again_until_it_passes(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    with caplog.at_level("INFO"), working(stage) as worker:
        more(stage)
        assert (worker.problem, stage.problems) == (None, [])
        stage.raises = StorageError("the disk is full", where="/data", hint="free some room")
        until(lambda: worker.problem, "the problem is shown")
        more(stage)
        assert "the disk is full" in (worker.problem or "")
        assert "free some room" in (worker.problem or "")
        stage.raises = None
        until(lambda: worker.problem is None, "the problem has passed")
    assert stage.failures == 0
    assert worker.failed is None
    assert (stage.problems[0], stage.problems[-1]) == (("stage", True), ("stage", False))
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


@pytest.mark.parametrize("bug", [ValueError("bug"), KeyboardInterrupt(), SystemExit(3), MemoryError()])
def test_a_bug_ends_the_stage_and_calls_for_the_end(caplog: pytest.LogCaptureFixture, bug: BaseException) -> None:
    stage = Stage()
    stage.raises = bug
    with working(stage) as worker:
        assert worker.join(20)
        assert worker.failed is bug
        assert (stage.turns, stage.failures) == (1, 1)
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


def test_a_stage_that_is_asked_to_end_finishes_its_turn() -> None:
    stage = Stage()
    with working(stage) as worker:
        more(stage)
        worker.stop()
        assert worker.join(20)
        turns = stage.turns
    assert stage.turns == turns


def test_a_stage_that_never_began_has_ended() -> None:
    turn: Callable[[], None] = Stage()
    worker = Worker("stage", turn, on_failure=lambda: None, on_problem=lambda _name, _there: None)
    worker.stop()
    assert worker.join(0)
