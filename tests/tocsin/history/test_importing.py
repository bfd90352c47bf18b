"""Imported history is known but not told, and cannot be pushed under what was received since."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from stream.frame import Frame, Header
from stream.log import EVENTS
from stream.sqlite import open_log
from tests.tocsin.lines import NOON, guesses, line, written
from tests.tocsin.program import Program
from tocsin.history.importing import clock_of

Call = Callable[..., Result]
WORK = [line(NOON + 30 * number, user=f"user{number % 5}") for number in range(100)]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return written(tmp_path / "work.ndjson", WORK)


def test_history_is_in_the_log_as_if_received_when_it_happened(tocsin: Call, work: Path) -> None:
    done = tocsin("import", work, "--data", "data", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert list(told) == ["events", "bad_lines", "frames", "first", "last"]
    assert (told["events"], told["bad_lines"]) == (100, 0)
    assert told["first"] == "2026-11-02T12:00:00.000000Z"
    with open_log(Path("data")) as log:
        records = list(log.within(EVENTS, 0, 1e12))
        assert sum(record.frame.header.count for record in records) == 100
        for record in records:
            header = record.frame.header
            assert header.imported
            assert header.first <= header.received <= header.last + 1
            assert (header.late, header.skewed) == (b"", b"")
        assert clock_of(log) == records[-1].frame.header.received


def test_the_next_month_can_follow_but_nothing_goes_under_what_is_there(tocsin: Call, work: Path) -> None:
    later = written(Path("later"), [line(NOON + 10_000)])
    assert tocsin("import", work, "--data", "data").exit_code == 0
    assert tocsin("import", later, "--data", "data").exit_code == 0
    again = tocsin("import", work, "--data", "data")
    assert again.exit_code == 1
    assert "the log's clock (2026-11-02T14:46:40" in again.stderr
    assert "import history into a new data directory" in again.stderr


def test_a_log_that_has_run_takes_no_history(tocsin: Call, work: Path) -> None:
    with open_log(Path("data"), reserve_bytes=0) as log:
        log.append(EVENTS, Frame(Header(received=time.time(), content="tick", codec="none"), b"")).result(10)
    refused = tocsin("import", work, "--data", "data")
    assert refused.exit_code == 1
    assert "is past the start of this history" in refused.stderr
    with open_log(Path("data")) as log:
        assert log.end(EVENTS) == 1, "nothing of it was taken"


def test_a_directory_in_use_is_left_alone(tocsin: Call, work: Path) -> None:
    with open_log(Path("data")):
        refused = tocsin("import", work, "--data", "data")
    assert refused.exit_code == 1
    assert "another process owns this data directory" in refused.stderr


def test_a_file_without_a_usable_line_is_something_wrong(tocsin: Call) -> None:
    done = tocsin("import", written(Path("bad"), ["{", "[]"]), "--data", "data")
    assert done.exit_code == 1
    assert "bad:2: " in done.stderr


def test_what_history_shows_is_observed_only_and_the_same_today_is_told(tocsin: Call, tmp_path: Path) -> None:
    yesterday = time.time() - 2 * 86_400
    attack = [*guesses(yesterday), line(yesterday + 50, user="user1", resource_tenants=["globex"])]
    history = written(tmp_path / "history", attack)
    assert tocsin("import", history, "--data", tmp_path / "data").exit_code == 0
    with Program(tmp_path, {"sinks": {"screen": {"type": "terminal"}}}) as program:
        program.ready()
        program.settled()
        known = program.get("/incidents", state="all")
        assert {incident["family"] for incident in known} == {"auth", "tenant"}
        for incident in known:
            decisions = program.get(f"/incidents/{incident['id']}/why")["decisions"]
            assert {decision["reason"] for decision in decisions} == {"observed_only"}
        now = time.time()
        program.post([line(now, user="user1", resource_tenants=["globex"])])
        program.settled()
        (opened, *_) = program.get("/incidents", since="1h", family="tenant")
        assert program.get(f"/incidents/{opened['id']}/why")["decisions"][-1]["page"]
        assert program.stop() == 0
    (page,) = [shown for shown in program.screen.read_text().splitlines() if " PAGE " in shown]
    assert opened["id"] in page
