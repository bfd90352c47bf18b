"""Killed at every numbered point from receipt to recorded delivery, the same comes out as without a crash."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from stream.crashpoints import POINTS
from tests.crash.story import Batches, Death, Outcome, Scene, batches

pytestmark = [pytest.mark.crash]

LATER = {
    "log.before_commit": (5,),
    "log.after_commit": (6,),
    "detect.before_output": (2,),
    "detect.after_output": (3,),
    "detect.before_snapshot": (2,),
    "alert.before_commit": (2,),
    "alert.after_commit": (2,),
    "delivery.after_attempt": (3,),
    "delivery.before_record": (2,),
}
"""Points that the start alone reaches, or where the second alert is another matter, are tried later on, too."""


@pytest.fixture(scope="module")
def story() -> Batches:
    return batches(time.time() - 3_600)


@pytest.fixture(scope="module")
def undisturbed(story: Batches, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    with Scene(tmp_path_factory.mktemp("undisturbed")) as scene:
        return scene.play(story)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with Scene(tmp_path) as made:
        yield made


def test_without_a_crash_everything_is_found_and_told(story: Batches, undisturbed: Outcome) -> None:
    assert {family for _, _, family, _ in undisturbed.incidents} == {"auth", "tenant"}
    assert {class_ for _, _, class_, _ in undisturbed.findings} >= {"brute", "success_after", "cross_tenant_read"}
    assert undisturbed.events == {(event["run"], event["seq"]) for batch in story for event in batch}
    assert set(undisturbed.paged.values()) == {1}
    assert set(undisturbed.told) == {id_ for id_, *_ in undisturbed.incidents}


def points() -> list[str]:
    path = [point for point in POINTS if not point.startswith("removal.")]  # these have their own tests
    return [f"{point}:{times}" for point in path for times in (1, *LATER.get(point, ()))]


@pytest.mark.parametrize("point", points())
def test_killed_at_a_point_the_same_comes_out(point: str, scene: Scene, story: Batches, undisturbed: Outcome) -> None:
    assert scene.play(story, Death(at=point)) == undisturbed
    for lines in scene.shown().values():
        assert "opened" in lines[0], "what opens an incident is told first"


@pytest.fixture(scope="module")
def long_story(story: Batches) -> Batches:
    """The same in small bodies, so that a process can end between any two of them, or in one."""
    events = [event for batch in story for event in batch]
    return [events[at : at + 3] for at in range(0, len(events), 3)]


@pytest.mark.parametrize(("seed", "how"), [(1, signal.SIGKILL), (2, signal.SIGKILL), (3, signal.SIGTERM)])
def test_ended_at_any_moment_under_load_the_same_comes_out(
    seed: int, how: signal.Signals, scene: Scene, long_story: Batches, undisturbed: Outcome
) -> None:
    moments = Random(seed)
    deaths = [Death(after=moments.uniform(0, 0.4), by=how) for _ in range(3)]
    assert scene.play(long_story, *deaths) == undisturbed
