"""Killed at every numbered point from receipt to recorded delivery, the same comes out as without a crash."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.crashpoints import POINTS
from tests.crash.story import Batches, Outcome, Scene, batches

pytestmark = [pytest.mark.crash]

LATER = {
    "log.before_commit": (5,),
    "log.after_commit": (6,),
    "detect.before_output": (2,),
    "detect.after_output": (3,),
    "detect.before_snapshot": (2,),
    "alert.before_commit": (3,),
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


@pytest.mark.parametrize("point", [p for point in POINTS for p in (point, *(f"{point}:{n}" for n in LATER.get(point, ())))])
def test_killed_at_a_point_the_same_comes_out(point: str, scene: Scene, story: Batches, undisturbed: Outcome) -> None:
    assert scene.play(story, crash_at=point) == undisturbed
    for lines in scene.shown().values():
        assert "opened" in lines[0], "what opens an incident is told first"
