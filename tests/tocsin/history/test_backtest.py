"""A backtest says what `run` would have found and told, whatever way the files come."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from typer.testing import Result

from tests.tocsin.lines import NOON, guesses, line, ndjson, written

Call = Callable[..., Result]
FIELDS = {
    *("id", "detector", "class", "entity", "tenant", "severity", "mode", "confidence", "score", "title"),
    *("observed", "expected", "why", "start", "end", "time", "event_ids", "count", "runbook"),
}
SUMMARY = ["events", "bad_lines", "findings", "incidents", "pages", "seconds", "events_per_second"]

OFFICE = [line(NOON + 10 * second, user=f"user{second % 5}") for second in range(60)]
BRUTE = [*guesses(NOON + 200), line(NOON + 241, user="victim", source_ip="203.0.113.9")]
LEAK = [line(NOON + 300, user="user1", resource_tenants=["globex"], id="the-leak")]
STORY = sorted([*OFFICE, *BRUTE, *LEAK], key=lambda one: str(one["time"]))


def findings(path: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in path.read_text().splitlines()]


def same(path: Path) -> set[tuple[str, str, str, str]]:
    return {(one["id"], one["class"], one["severity"], one["incident"]) for one in findings(path)}


@pytest.fixture
def story(tmp_path: Path) -> Path:
    return written(tmp_path / "story.ndjson", STORY)


def test_a_known_attack_gives_findings_with_all_fields_their_incident_and_page(tocsin: Call, story: Path) -> None:
    done = tocsin("backtest", story, "--findings", "found.ndjson")
    assert done.exit_code == 0, done.output
    found = findings(Path("found.ndjson"))
    assert {one["class"] for one in found} >= {"brute", "success_after", "cross_tenant_read"}
    for one in found:
        assert one.keys() >= FIELDS | {"incident", "paged"}
        assert ("page_id" in one) == one["paged"]
        assert one["start"] <= one["time"] <= one["end"]
        assert 0 <= one["confidence"] <= 1
        assert 0 <= one["score"] <= 100
        assert 0 < len(one["event_ids"]) <= 20
    (leak,) = [one for one in found if one["class"] == "cross_tenant_read"]
    assert leak["entity"] == {"user": "user1", "resource_tenants": "globex"}
    assert (leak["event_ids"], leak["count"], leak["tenant"], leak["paged"]) == (["the-leak"], 1, "acme", True)
    auth = [one for one in found if one["class"] in ("brute", "success_after")]
    assert len({one["incident"] for one in auth}) == 1, "brute force and success after are one incident"
    assert len({one["page_id"] for one in found if one["paged"]}) >= 2


def test_ordinary_work_finds_nothing_and_is_fine(tocsin: Call, tmp_path: Path) -> None:
    done = tocsin("backtest", written(tmp_path / "office.ndjson", OFFICE), "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["findings"], told["incidents"], told["pages"]) == (0, 0, 0, 0)


def test_json_is_one_object_with_exactly_these_keys_and_findings_only_where_asked(tocsin: Call, story: Path) -> None:
    done = tocsin("backtest", story, "--json")
    told = json.loads(done.stdout)
    assert list(told) == SUMMARY
    assert (told["events"], told["bad_lines"]) == (len(STORY), 0)
    assert (told["incidents"], told["pages"]) == (2, 3), "a brute force, its success, and the leak"
    assert [path.name for path in Path().iterdir()] == ["story.ndjson"], "nothing else is stored"


def test_findings_on_standard_output_stand_there_alone(tocsin: Call, story: Path) -> None:
    done = tocsin("backtest", story, "--findings", "-")
    assert done.exit_code == 0
    assert all("incident" in json.loads(text) for text in done.stdout.splitlines())


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstandard.ZstdCompressor().compress)])
def test_compressed_files_are_read_as_what_is_in_them(
    tocsin: Call, story: Path, tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    packed = tmp_path / f"story.ndjson{suffix}"
    content = story.read_bytes()
    packed.write_bytes(pack(content[:5000]) + pack(content[5000:]))  # several parts in one file are one stream
    assert tocsin("backtest", story, "--findings", "plain").exit_code == 0
    assert tocsin("backtest", packed, "--findings", "packed").exit_code == 0
    assert same(Path("plain")) == same(Path("packed")) != set()


def test_several_files_are_merged_by_time(tocsin: Call, story: Path, tmp_path: Path) -> None:
    parts = [written(tmp_path / name, part) for name, part in (("c", LEAK), ("a", BRUTE), ("b", OFFICE))]
    told = json.loads(tocsin("backtest", *parts, "--json", "--findings", "parts").stdout)
    assert told["events"] == len(STORY)
    assert tocsin("backtest", story, "--findings", "whole").exit_code == 0
    assert same(Path("parts")) == same(Path("whole"))


def test_bad_lines_are_named_counted_and_passed_over(tocsin: Call, tmp_path: Path) -> None:
    bad = ["{", '{"server":"crm"}', "[]", '{"time":"yesterday","server":"crm","method":"x"}', "", "\x00\xff"]
    path = written(tmp_path / "mixed.ndjson", [*STORY[:50], *bad, *STORY[50:]])
    done = tocsin("backtest", path, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["events"], told["bad_lines"]) == (0, len(STORY), 5)
    for number in (51, 52, 53, 54, 56):
        assert f"mixed.ndjson:{number}: " in done.stderr


def test_of_many_bad_lines_the_first_are_named(tocsin: Call, tmp_path: Path) -> None:
    done = tocsin("backtest", written(tmp_path / "bad", [*["{"] * 50, *STORY]), "--json")
    assert json.loads(done.stdout)["bad_lines"] == 50
    assert "and 30 more bad lines" in done.stderr
    assert "bad:21:" not in done.stderr


def test_the_last_line_needs_no_end_and_windows_ends_are_taken(tocsin: Call, tmp_path: Path) -> None:
    path = tmp_path / "windows.ndjson"
    path.write_bytes(ndjson(STORY).replace("\n", "\r\n").encode().removesuffix(b"\r\n"))
    told = json.loads(tocsin("backtest", path, "--json").stdout)
    assert (told["events"], told["bad_lines"]) == (len(STORY), 0)


@pytest.mark.parametrize("content", ["", "\n\n", "{\n" * 3])
def test_where_no_line_is_usable_something_is_wrong(tocsin: Call, tmp_path: Path, content: str) -> None:
    path = tmp_path / "useless"
    path.write_text(content)
    done = tocsin("backtest", path, "--json")
    assert (done.exit_code, json.loads(done.stdout)["events"]) == (1, 0)


def test_a_file_that_cannot_be_read_is_named_with_a_hint(tocsin: Call, story: Path, tmp_path: Path) -> None:
    missing = tocsin("backtest", story, tmp_path / "nowhere")
    assert missing.exit_code == 1
    assert "nowhere" in missing.stderr
    assert "there is no such file" in missing.stderr
    for name, content in (("cut.gz", gzip.compress(story.read_bytes())[:-20]), ("wrong.zst", b"{}\n" * 100)):
        path = tmp_path / name
        path.write_bytes(content)
        broken = tocsin("backtest", path)
        assert broken.exit_code == 1
        assert f"{name}" in broken.stderr
        assert "is it whole" in broken.stderr


def test_a_line_without_end_is_bounded(tocsin: Call, tmp_path: Path) -> None:
    path = tmp_path / "long.ndjson"
    endless = '{"a": "' + "x" * 5_000_000 + '"}'
    path.write_text(f"{endless}\n{{\n{ndjson(STORY)}{endless}")
    done = tocsin("backtest", path, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["bad_lines"] == 3
    assert json.loads(done.stdout)["events"] == len(STORY)
    assert [text.partition(": ")[0] for text in done.stderr.splitlines()] == [
        f"long.ndjson:{number}" for number in (1, 2, len(STORY) + 3)
    ]


def test_a_directory_that_grants_access_silences_the_leak(tocsin: Call, story: Path, tmp_path: Path) -> None:
    directory = tmp_path / "who.yaml"
    directory.write_text(
        "grants: [{user: user1, tenant: globex, from: 2026-11-01T00:00:00Z, until: 2026-12-01T00:00:00Z, ticket: C-1}]"
    )
    assert tocsin("backtest", story, "--directory", directory, "--findings", "found").exit_code == 0
    assert "cross_tenant_read" not in {one["class"] for one in findings(Path("found"))}


def test_a_configuration_in_the_working_folder_is_not_taken_unless_named(tocsin: Call, story: Path) -> None:
    Path("tocsin.yaml").write_text("detectors: {cross_tenant: {enabled: false}, failed_auth: {mode: observe}}")
    assert json.loads(tocsin("backtest", story, "--json").stdout)["pages"] == 3
    named = json.loads(tocsin("backtest", story, "--json", "--config", "tocsin.yaml", "--findings", "f").stdout)
    assert named["pages"] == 0
    assert {one["reason"] for one in findings(Path("f"))} == {"observed_only"}


def test_a_wrong_configuration_or_format_is_a_wrong_use(tocsin: Call, story: Path) -> None:
    Path("wrong.yaml").write_text("detectors: {cross_tennant: {}}")
    wrong = tocsin("backtest", story, "--config", "wrong.yaml")
    assert (wrong.exit_code, "did you mean 'cross_tenant'?" in wrong.stderr) == (2, True)
    unknown = tocsin("backtest", story, "--format", "nativ")
    assert unknown.exit_code == 2
    assert "native" in unknown.stderr


@pytest.mark.parametrize("order", ["attack last", "reversed"])
def test_a_file_in_no_order_of_arrival_finds_what_the_same_lines_find_in_order(
    tocsin: Call, tmp_path: Path, order: str
) -> None:
    evening = [line(NOON + 6 * 3600 + 10 * second, user=f"user{second % 5}") for second in range(60)]
    whole = [*STORY, *evening]
    mixed = [*OFFICE, *evening, *BRUTE, *LEAK] if order == "attack last" else whole[::-1]
    tocsin("backtest", written(tmp_path / "whole.ndjson", whole), "--findings", "whole.out")
    done = tocsin("backtest", written(tmp_path / "mixed.ndjson", mixed), "--findings", "mixed.out")
    assert done.exit_code == 0, done.output
    assert same(Path("mixed.out")) == same(Path("whole.out"))
    assert "mixed.ndjson: not in the order of arrival; read in order of time" in " ".join(done.stderr.split())


def test_the_mark_of_utf_8_that_some_programs_write_first_is_no_part_of_the_first_line(
    tocsin: Call, tmp_path: Path
) -> None:
    file = tmp_path / "marked.ndjson"
    file.write_bytes(b"\xef\xbb\xbf" + ndjson(OFFICE).encode())
    told = json.loads(tocsin("backtest", file, "--json").stdout)
    assert (told["events"], told["bad_lines"]) == (len(OFFICE), 0)


def test_lines_that_name_every_field_and_say_null_are_read_as_those_that_leave_them_out(
    tocsin: Call, tmp_path: Path, story: Path
) -> None:
    unsaid = dict.fromkeys(("scopes", "signals", "resource_tenants", "handles_presented", "session", "rows", "change"))
    full = written(tmp_path / "full.ndjson", [{**unsaid, **one} for one in STORY])
    tocsin("backtest", story, "--findings", "story.out")
    done = tocsin("backtest", full, "--findings", "full.out", "--json")
    assert json.loads(done.stdout)["bad_lines"] == 0, done.output
    assert same(Path("full.out")) == same(Path("story.out"))
