"""A changed directory is in force within a second; a broken one is told and changes nothing."""

import os
import time
from pathlib import Path

import pytest

from stream.directory import EMPTY
from tests.tocsin.lines import line
from tests.tocsin.program import Program, until
from tocsin.config.directory_file import read_directory
from tocsin.directory_watch import DirectoryWatch

GLOBEX = (
    "grants: [{user: reader, tenant: globex, from: 2020-01-01T00:00:00Z, until: 2999-01-01T00:00:00Z, ticket: C-1}]"
)


class Told:
    """Counts changes; `broken` makes the log refuse them."""

    def __init__(self) -> None:
        self.times = 0
        self.broken = False

    def __call__(self) -> None:
        if self.broken:
            raise RuntimeError("the log is full")
        self.times += 1


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "directory.yaml"
    path.write_text("tenants: {acme: {}}")
    return path


def test_without_a_file_or_a_change_nothing_happens(file: Path) -> None:
    told = Told()
    for watch in (DirectoryWatch(None, EMPTY, told), DirectoryWatch(file, read_directory(file)[0], told)):
        watch.look()
    assert told.times == 0


def test_a_change_is_taken_over_and_one_of_words_alone_is_not_told(file: Path) -> None:
    told = Told()
    watch = DirectoryWatch(file, read_directory(file)[0], told)
    file.write_text("tenants: {acme: {}, globex: {}}")
    watch.look()
    assert set(watch.directory.tenants) == {"acme", "globex"}
    assert watch.digest == read_directory(file)[1]
    file.write_text("# the same, said again\ntenants: {globex: {}, acme: {}}")
    watch.look()
    assert told.times == 1


def test_a_broken_or_missing_file_leaves_the_last_good_one_in_force_and_is_told_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told()
    good = read_directory(file)[0]
    watch = DirectoryWatch(file, good, told)
    file.write_text("tennants: {}")
    watch.look()
    watch.look()
    assert watch.directory is good
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "did you mean 'tenants'" in caplog.text
    file.unlink()
    watch.look()
    assert watch.directory is good
    file.write_text("tenants: {initech: {}}")
    watch.look()
    assert set(watch.directory.tenants) == {"initech"}
    assert told.times == 1


def test_a_change_that_could_not_be_told_is_told_at_the_next_look(file: Path) -> None:
    told = Told()
    watch = DirectoryWatch(file, read_directory(file)[0], told)
    file.write_text("tenants: {globex: {}}")
    told.broken = True
    with pytest.raises(RuntimeError):
        watch.look()
    told.broken = False
    watch.look()
    watch.look()
    assert told.times == 1


def test_a_file_replaced_within_the_same_moment_is_noticed_by_its_size(file: Path) -> None:
    told = Told()
    watch = DirectoryWatch(file, read_directory(file)[0], told)
    before = file.stat().st_mtime_ns
    file.write_text("tenants: {acme: {}, globex: {}}")
    os.utime(file, ns=(before, before))
    watch.look()
    assert told.times == 1


def test_a_grant_takes_effect_while_tocsin_runs_and_its_end_too(tmp_path: Path) -> None:
    file = tmp_path / "directory.yaml"
    file.write_text("tenants: {acme: {}, globex: {}}")
    with Program(tmp_path, {"directory": "directory.yaml"}) as program:
        program.ready()

        def heard() -> list[str]:
            return [entry["level"] for entry in program.told() if "directory" in entry["message"]]

        def taken_over(text: str) -> None:
            before = len(heard())
            part = file.with_name("part")
            part.write_text(text)
            part.replace(file)
            until(lambda: len(heard()) > before, "the directory is taken over")

        def findings(user: str) -> int:
            program.post([line(time.time(), user=user, resource_tenants=["globex"])])
            program.settled()
            return sum(one["findings"] for one in program.get("/incidents", state="all", family="tenant"))

        taken_over(GLOBEX)
        assert findings("reader") == 0
        taken_over("grants: [{user: reader}]")
        assert heard()[-1] == "error"
        assert findings("reader") == 0, "the broken one changed nothing"
        taken_over("tenants: {acme: {}}")
        assert findings("reader") == 1
        taken_over(GLOBEX)
        (incident,) = until(
            lambda: program.get("/incidents", state="resolved", family="tenant"),
            "the grant excepts what came before it",
        )
        reasons = [one["reason"] for one in program.get(f"/incidents/{incident['id']}/why")["decisions"]]
        assert reasons[-1] == "excepted"
        assert incident["verdict"] is None
        assert program.stop() == 0
    with Program(tmp_path) as again:
        assert again.ready().get("/status")["ready"], "the versions in the log are folded again"
