"""Killed at every numbered point of alerting, the same incidents and alerts come out as without a crash."""

import json
import os
import subprocess
import sys
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from alerting.database.schema import DECISIONS, FINDINGS, HELD, INCIDENTS, MARKS, OUTBOX, PAGES, POSITIONS, TIMELINE
from alerting.database.store import Store
from alerting.incidents.key import incident_key
from alerting.task import act_frame
from stream.control import IncidentChange
from stream.crashpoints import POINTS, STATUS, VARIABLE, armed
from stream.sqlite import open_log
from tests.alerting.crash_program import run
from tests.alerting.in_the_act import died_in_the_act
from tests.alerting.world import NOON, a_finding, findings_frame, put, tick

pytestmark = pytest.mark.crash
ROOT = Path(__file__).parents[2]
CLOSED = incident_key(a_finding()).id
MINE = [point for point in POINTS if point.startswith(("alert.", "delivery."))]


def fill(folder: Path) -> None:
    """Brute force with a success, three more bursts beyond the budget, the bundle's time, and a close."""
    others = [a_finding(entity={"user": f"u{number}"}) for number in range(3)]
    closing_ = IncidentChange(incident=CLOSED, act="close", by="eve", at=NOON, verdict="true", cause="a key")
    with open_log(folder / "data", reserve_bytes=0) as log:
        put(log, findings_frame([a_finding()], NOON, 0), tick(NOON + 1, 1))
        put(log, findings_frame([a_finding(level=1), a_finding("success_after", "critical")], NOON + 2, 2))
        put(log, findings_frame(others, NOON + 3, 3), findings_frame([a_finding(level=2)], NOON + 4, 4))
        put(log, findings_frame(others, NOON + 3, 3), tick(NOON + 1800, 5))
        put(log, findings_frame([a_finding("spray", entity={"source_ip": "192.0.2.1"})], NOON + 1801, 6))
        put(log, act_frame(closing_, NOON + 1802), tick(NOON + 1803, 7))


def outcome(database_url: str) -> dict[str, Any]:
    """Everything that alerting decided, without what only deliveries may repeat."""
    with closing(Store(database_url)) as store, store.reading() as connection:

        def rows(*columns: Any) -> list[tuple[Any, ...]]:
            return sorted(tuple(row) for row in connection.execute(select(*columns)))

        return {
            "incidents": rows(INCIDENTS.c.id, INCIDENTS.c.body),
            "findings": rows(FINDINGS.c.finding, FINDINGS.c.incident),
            "decisions": rows(*(DECISIONS.c[n] for n in ("incident", "finding", "reason", "page", "page_id"))),
            "timeline": rows(TIMELINE.c.incident, TIMELINE.c.revision, TIMELINE.c.change, TIMELINE.c.by),
            "outbox": rows(OUTBOX.c.sink, OUTBOX.c.alert, OUTBOX.c.state, OUTBOX.c.body),
            "pages": rows(PAGES.c.receiver, PAGES.c.at, PAGES.c.alert),
            "held": rows(HELD.c.incident),
            "marks": rows(*MARKS.c),
            "positions": rows(*POSITIONS.c),
        }


def delivered(folder: Path, sink: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / sink).read_text().splitlines()]


def first_time(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((line["id"], line["text"]) for line in lines))


def by_incident(lines: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line["incident"], []).append(line["id"])
    return {incident: list(dict.fromkeys(ids)) for incident, ids in found.items()}


def killed_at(point: str, folder: Path, database_url: str) -> bool:
    """Run the program in a process of its own; whether it died at the point."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.alerting.crash_program", str(folder), database_url],
        cwd=ROOT,
        env={**os.environ, VARIABLE: point},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode in (0, STATUS), done.stderr
    return done.returncode == STATUS


class Killed(BaseException):
    """Stands for the end of the process where the test itself would end with it."""


def leave(_: int) -> None:
    raise Killed


def in_the_act(point: str, folder: Path, database_url: str) -> bool:
    """Whether the process died amid what the point is about, going by what it left behind."""
    arrived = {
        (sink, line["id"]) for sink in ("siem", "pager") if (folder / sink).exists() for line in delivered(folder, sink)
    }
    return died_in_the_act(point, folder / "data", database_url, arrived)


Undisturbed = tuple[Path, dict[str, Any]]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The run without a crash: where it delivered, and what came out."""
    folder = tmp_path_factory.mktemp("undisturbed")
    database = f"sqlite:///{folder / 'alerts.sqlite'}"
    fill(folder)
    run(folder, database)
    return folder, outcome(database)


def same_as(undisturbed: Undisturbed, folder: Path, database_url: str) -> None:
    quiet, expected = undisturbed
    assert outcome(database_url) == expected
    for sink in ("siem", "pager"):
        lines, wanted = delivered(folder, sink), delivered(quiet, sink)
        assert sorted(first_time(lines)) == sorted(first_time(wanted))
        assert by_incident(lines) == by_incident(wanted)
        seen: set[str] = set()
        for line in lines:
            assert line["doubt"] or line["id"] not in seen, "a repeat is always in doubt"
            seen.add(line["id"])


def test_the_undisturbed_run_delivers_everything_once(undisturbed: Undisturbed) -> None:
    folder, expected = undisturbed
    assert all(state == "done" for _, _, state, _ in expected["outbox"])
    assert [alert.endswith(".bundle") for _, alert, _, _ in expected["outbox"]].count(True) == 2
    assert (CLOSED, "closed") in [(incident, change) for incident, _, change, _ in expected["timeline"]]
    for sink in ("siem", "pager"):
        lines = delivered(folder, sink)
        assert len({line["id"] for line in lines}) == len(lines)
        assert not any(line["doubt"] for line in lines)


@pytest.mark.parametrize(
    ("point", "times"), [*((point, 2) for point in MINE), ("alert.before_commit", 5), ("alert.after_commit", 5)]
)
def test_killed_at_any_point_the_same_comes_out(
    point: str, times: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'alerts.sqlite'}"
    fill(tmp_path)
    assert killed_at(f"{point}:{times}", tmp_path, database)
    assert in_the_act(point, tmp_path, database)
    run(tmp_path, database)
    same_as(undisturbed, tmp_path, database)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("point", MINE)
def test_ended_each_time_that_a_point_is_reached_the_same_comes_out(
    point: str, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"alerting.{'task' if point.startswith('alert.') else 'delivering.delivery'}.crash_point"
    for times in count(1):
        folder = tmp_path / str(times)
        folder.mkdir()
        database = f"sqlite:///{folder / 'alerts.sqlite'}"
        fill(folder)
        try:
            with monkeypatch.context() as patched:
                patched.setattr(module, armed(f"{point}:{times}", leave))
                run(folder, database)
            break
        except Killed:
            pass
        assert in_the_act(point, folder, database), f"at {point} for the {times}. time nothing was at stake"
        run(folder, database)
        same_as(undisturbed, folder, database)
    assert times > 4, "findings, repeated findings, a bundle and a close each pass here"


@pytest.mark.postgres
def test_killed_at_one_point_after_the_other_the_same_comes_out(
    undisturbed: Undisturbed, postgres_url: str, tmp_path: Path
) -> None:
    fill(tmp_path)
    for point in ("alert.before_commit", "delivery.after_attempt", "delivery.before_record"):
        assert killed_at(point, tmp_path, postgres_url)
        assert in_the_act(point, tmp_path, postgres_url)
    run(tmp_path, postgres_url)
    same_as(undisturbed, tmp_path, postgres_url)
