import re
from pathlib import Path

import pytest

from stream.crashpoints import POINTS, STATUS, armed
from stream.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_nothing_happens_where_no_point_was_chosen() -> None:
    left: list[int] = []
    reach = armed(None, left.append)
    for point in POINTS:
        reach(point)
    assert left == []


def test_the_process_leaves_at_the_chosen_point_alone() -> None:
    left: list[int] = []
    reach = armed(POINTS[3], left.append)
    for point in POINTS:
        reach(point)
    assert left == [STATUS]


def test_the_process_leaves_when_the_point_is_reached_for_the_nth_time() -> None:
    left: list[int] = []
    reach = armed(f"{POINTS[0]}:3", left.append)
    reach(POINTS[0])
    reach(POINTS[0])
    assert left == []
    reach(POINTS[0])
    assert left == [STATUS]


def test_a_point_that_is_passed_with_nothing_at_stake_does_not_count() -> None:
    left: list[int] = []
    reach = armed(POINTS[0], left.append)
    reach(POINTS[0], acting=False)
    assert left == []
    reach(POINTS[0], acting=True)
    assert left == [STATUS]


def test_an_unknown_point_is_a_clear_error() -> None:
    left: list[int] = []
    with pytest.raises(ConfigError, match="is not a crash point"):
        armed("nowhere", left.append)


def test_the_list_has_every_point_of_the_code_and_no_other() -> None:
    used = {
        name
        for folder in ("stream", "collector", "detectors", "alerting", "tocsin")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"crash_point\(\"([^\"]+)\"[,)]", path.read_text(encoding="utf-8"))
    }
    assert used == set(POINTS)
