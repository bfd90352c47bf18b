"""`tocsin formats` says what can be read and what becomes of a sample; histories are read in any format."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from collector.discovery import format_names
from tests.collector.formats.cases import cases, protobuf
from tests.docs.blocks import blocks
from tests.house import ROOT

Call = Callable[..., Result]

MIXED = [next(iter(cases(name))).record for name in ("toolhive", "kong", "kuadrant_router", "native")]
PAGE = ROOT / "docs" / "own-format.md"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    path = tmp_path / "mixed.log"
    path.write_bytes(b"\n".join([*MIXED, b"", b"nonsense"]) + b"\n")
    return path


def test_the_list_names_every_format_and_what_it_tells(tocsin: Call) -> None:
    done = tocsin("formats", "list", "--json")
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert set(rows) == set(format_names())
    assert rows["native"]["told"]["loss"] is True
    assert rows["uvicorn"]["told"]["who"] is False
    assert rows["otel"]["sampled"] is True
    shown = tocsin("formats", "list").stdout.splitlines()
    assert max(map(len, shown)) <= 80, "as wide as the narrowest terminal"
    assert set(rows) <= {line.split(" ")[0] for line in shown}, "no name is broken or cut off"


def test_a_mixed_sample_is_read_line_by_line(tocsin: Call, mixed: Path) -> None:
    done = tocsin("formats", "try", mixed, "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["records"], found["events"], found["refused"]) == (5, 4, 1)
    assert found["formats"] == {"toolhive": 1, "kong": 1, "kuadrant_router": 1, "native": 1}
    assert [shown["line"] for shown in found["shown"]] == [1, 2, 3, 4, 6]
    assert found["shown"][-1]["error"]["reason"] == "format"
    assert found["coverage"]["who"] == 0.75, "Kong logs no user where nobody logged in"
    assert found["coverage"]["loss"] == 0.25


def test_what_no_event_takes_from_a_record_is_named(tocsin: Call, mixed: Path) -> None:
    left = json.loads(tocsin("formats", "try", mixed, "--json").stdout)["left"]
    assert "level" in left
    assert "target.name" not in left


def test_people_see_records_beside_events(tocsin: Call, mixed: Path) -> None:
    shown = tocsin("formats", "try", mixed, "--limit", 1)
    assert shown.exit_code == 0
    text = shown.stdout
    assert "toolhive" in text
    assert "and 4 more records" in text
    assert "coverage: who 75%" in text
    assert "not taken over:" in text


def test_a_record_cannot_paint_the_terminal(tocsin: Call, tmp_path: Path) -> None:
    path = tmp_path / "evil.log"
    path.write_bytes(b"\x1b[31mred [bold]markup[/] \xe2\x80\xae\n")
    done = tocsin("formats", "try", path)
    assert done.exit_code == 1
    assert "\x1b[31m" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "[bold]markup[/]" in done.stdout.replace("\n", "").replace("│", "") or "[bold]" in done.stdout


def test_an_export_may_be_pretty_compressed_or_binary(tocsin: Call, tmp_path: Path) -> None:
    (span, *_) = cases("otel")
    for name, content in (
        ("pretty.json", json.dumps(json.loads(span.record), indent=2).encode()),
        ("array.json", b"[" + span.record + b"," + span.record + b"]"),
        ("traces.pb", protobuf(span.record)),
        ("traces.json.gz", gzip.compress(span.record)),
    ):
        (tmp_path / name).write_bytes(content)
        found = json.loads(tocsin("formats", "try", name, "--json").stdout)
        assert found["formats"] == {"otel": found["records"]}, name


def test_an_empty_file_and_a_missing_one_are_told_apart(tocsin: Call, tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    empty = tocsin("formats", "try", "empty.log")
    assert (empty.exit_code, "has no records" in empty.stdout) == (1, True)
    missing = tocsin("formats", "try", "missing.log")
    assert missing.exit_code == 1
    assert "there is no such file" in missing.stderr
    folder = tocsin("formats", "try", tmp_path)
    assert (folder.exit_code, "this is a folder" in folder.stderr) == (1, True)


def test_a_sample_may_come_from_another_program(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tocsin", "formats", "try", "-", "--json"]
    done = subprocess.run(words, input=MIXED[-1] + b"\n", cwd=tmp_path, capture_output=True, check=True)
    found = json.loads(done.stdout)
    assert (found["file"], found["formats"]) == ("-", {"native": 1})


def test_the_page_about_own_formats_is_true(tocsin: Call, tmp_path: Path) -> None:
    (description,), (sample,) = blocks(PAGE, "yaml"), blocks(PAGE, "json")
    (tmp_path / "gateway.yaml").write_text(description)
    (tmp_path / "sample.log").write_text(sample)
    found = json.loads(tocsin("formats", "try", "sample.log", "--format", "./gateway.yaml", "--json").stdout)
    (event,) = found["shown"][0]["events"]
    assert event["user"] == "https://idp.acme.example|alice"
    assert (event["outcome"], event["duration_ms"], event["source_ip"]) == ("ok", 12.0, "203.0.113.9")
    assert set(found["left"]) == {"gw_version"}


def test_all_faults_of_an_own_format_are_told_with_their_lines(tocsin: Call, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("fields:\n  time: t\n  servr: s\n  user: {path: a, match: '('}\n")
    (tmp_path / "sample.log").write_text("{}\n")
    done = tocsin("formats", "try", "sample.log", "--format", "bad.yaml")
    assert done.exit_code == 2
    for said in ("bad.yaml:3: fields.servr: unknown key", "did you mean 'server'?", "bad.yaml:4: fields.user.match"):
        assert said in done.stderr
    assert "neither method nor kind" in done.stderr


def test_an_unknown_format_is_refused_with_those_there_are(tocsin: Call, mixed: Path) -> None:
    done = tocsin("formats", "try", mixed, "--format", "nonesuch")
    assert done.exit_code == 2
    assert "auto, access_log" in done.stderr


def test_a_backtest_reads_any_format(tocsin: Call, tmp_path: Path) -> None:
    refused = '203.0.113.9 - - [20/Nov/2026:23:{:02d}:{:02d} +0000] "POST /mcp HTTP/1.1" 401 12 "-" "x"\n'
    path = tmp_path / "access.log"
    path.write_text("".join(refused.format(45 + at // 60, at % 60) for at in range(600)))
    summary = json.loads(tocsin("backtest", path, "--findings", "found.ndjson", "--json").stdout)
    assert (summary["events"], summary["bad_lines"]) == (600, 0)
    assert summary["findings"] > 0
    found = [json.loads(text) for text in (tmp_path / "found.ndjson").read_text().splitlines()]
    assert {one["class"] for one in found} <= {"brute", "spray", "stuffing", "outage", "retry_storm"}


def test_history_of_another_format_is_kept_as_events(tocsin: Call, tmp_path: Path) -> None:
    path = tmp_path / "mixed.log"
    path.write_bytes(b"\n".join(case.record for case in cases("kong")) + b"\n")
    done = tocsin("import", path, "--data", "data", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["events"] == 4
    assert tocsin("verify", "--data", "data").exit_code == 0


def test_lines_without_a_time_take_that_of_the_line_before(tocsin: Call, tmp_path: Path) -> None:
    untimed = b'INFO:     127.0.0.1:46612 - "POST /mcp HTTP/1.1" 401 Unauthorized'
    (tmp_path / "alone.log").write_bytes(untimed + b"\n")
    (tmp_path / "after.log").write_bytes(MIXED[0] + b"\n" + untimed + b"\n")
    alone, after = (json.loads(tocsin("backtest", name, "--json").stdout) for name in ("alone.log", "after.log"))
    assert (alone["events"], alone["bad_lines"]) == (0, 1)
    assert (after["events"], after["bad_lines"]) == (2, 0)
