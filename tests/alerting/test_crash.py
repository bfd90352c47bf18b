"""Killed at every numbered point of alerting, the same incidents and alerts come out as without a crash."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from alerting.schema import DECISIONS, FINDINGS, HELD, INCIDENTS, MARKS, OUTBOX, PAGES, POSITIONS, TIMELINE
from alerting.store import Store
from alerting.task import act_frame
from stream.control import IncidentChange
from stream.crashpoints import POINTS, STATUS, VARIABLE
from stream.sqlite import open_log
from tests.alerting.crash_program import run
from tests.alerting.world import NOON, a_finding, findings_frame, put, tick

pytestmark = pytest.mark.crash
ROOT = Path(__file__).parents[2]
MINE = [point for point in POINTS if point.startswith(("alert.", "delivery."))]


def fill(folder: Path) -> None:
    """Brute force with a success, three more bursts beyond the budget, an act, and the bundle's time."""
    others = [a_finding(entity={"user": f"u{number}"}) for number in range(3)]
    with open_log(folder / "data", reserve_bytes=0) as log:
        put(log, findings_frame([a_finding()], NOON, 0), tick(NOON + 1, 1))
        put(log, findings_frame([a_finding(level=1), a_finding("success_after", "critical")], NOON + 2, 2))
        put(log, findings_frame(others, NOON + 3, 3), findings_frame([a_finding(level=2)], NOON + 4, 4))
        put(log, findings_frame(others, NOON + 3, 3), tick(NOON + 1800, 5))
        put(log, findings_frame([a_finding("spray", entity={"source_ip": "192.0.2.1"})], NOON + 1801, 6))


def close_one(folder: Path, incident: str) -> None:
    with open_log(folder / "data", reserve_bytes=0) as log:
        act = IncidentChange(incident=incident, act="close", by="eve", at=NOON, verdict="true", cause="a key")
        put(log, act_frame(act, NOON + 1802))


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


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """The run without a crash: where it delivered, what came out, and the incident that was closed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    database = f"sqlite:///{folder / 'alerts.sqlite'}"
    fill(folder)
    run(folder, database)
    incident: str = outcome(database)["findings"][0][1]
    close_one(folder, incident)
    run(folder, database)
    return folder, outcome(database), incident


def same_as(undisturbed: tuple[Path, dict[str, Any], str], folder: Path, database_url: str) -> None:
    quiet, expected, _ = undisturbed
    assert outcome(database_url) == expected
    for sink in ("siem", "pager"):
        lines, wanted = delivered(folder, sink), delivered(quiet, sink)
        assert sorted(first_time(lines)) == sorted(first_time(wanted))
        assert by_incident(lines) == by_incident(wanted)
        seen: set[str] = set()
        for line in lines:
            assert line["doubt"] or line["id"] not in seen, "a repeat is always in doubt"
            seen.add(line["id"])


def test_the_undisturbed_run_delivers_everything_once(undisturbed: tuple[Path, dict[str, Any], str]) -> None:
    folder, expected, _ = undisturbed
    assert all(state == "done" for _, _, state, _ in expected["outbox"])
    assert [alert.endswith(".bundle") for _, alert, _, _ in expected["outbox"]].count(True) == 2
    for sink in ("siem", "pager"):
        lines = delivered(folder, sink)
        assert len({line["id"] for line in lines}) == len(lines)
        assert not any(line["doubt"] for line in lines)


@pytest.mark.parametrize("point", MINE)
def test_killed_at_any_point_the_same_comes_out(
    point: str, undisturbed: tuple[Path, dict[str, Any], str], tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'alerts.sqlite'}"
    fill(tmp_path)
    assert killed_at(f"{point}:2", tmp_path, database)
    run(tmp_path, database)
    close_one(tmp_path, undisturbed[2])
    run(tmp_path, database)
    same_as(undisturbed, tmp_path, database)


@pytest.mark.postgres
def test_killed_at_one_point_after_the_other_the_same_comes_out(
    undisturbed: tuple[Path, dict[str, Any], str], postgres_url: str, tmp_path: Path
) -> None:
    fill(tmp_path)
    for point in ("alert.before_commit", "delivery.after_attempt", "delivery.before_record"):
        assert killed_at(point, tmp_path, postgres_url)
    run(tmp_path, postgres_url)
    close_one(tmp_path, undisturbed[2])
    run(tmp_path, postgres_url)
    same_as(undisturbed, tmp_path, postgres_url)
