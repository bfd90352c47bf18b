"""The rules of the house that no tool checks by itself."""

import io
import os
import re
import stat
import statistics
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from tokenize import COMMENT, generate_tokens

import pytest

from tests.house import AUDIT, PACKAGES, ROOT, sources, tracked

LONGEST = 400
USUAL = 120

WAIVER = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b")
REASONED = re.compile(
    r"#\s*(?:noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|type:\s*ignore\[[\w-]+(?:,\s*[\w-]+)*\])\s+(?:#|-)\s*\w\S*\s+\S.*"
)
PINNED = re.compile(r"[a-z0-9][a-z0-9._-]*==\S+( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def test_no_source_file_is_long() -> None:
    long = {path.as_posix(): lines for path in sources() if (lines := _lines(path)) > LONGEST}
    assert not long, f"a file is one idea; more than {LONGEST} lines are several"


def test_the_usual_source_file_is_short() -> None:
    assert statistics.median(_lines(path) for path in sources()) <= USUAL


def test_what_is_waived_is_named_and_has_a_reason() -> None:
    bad = []
    for path in tracked():
        if path.suffix == ".py" and WAIVER.search(text := (ROOT / path).read_text()):
            comments = [token for token in generate_tokens(io.StringIO(text).readline) if token.type == COMMENT]
            waivers = [token for token in comments if WAIVER.match(token.string)]
            bad += [f"{path}:{token.start[0]}" for token in waivers if not REASONED.match(token.string)]
    assert not bad, "write `# noqa: CODE  # the reason` or `# type: ignore[code]  # the reason`"


@pytest.mark.parametrize(
    ("comment", "good"),
    [
        ("# noqa: S105  # the name of a file", True),
        ("# noqa: S105, S106 - names of files", True),
        ("# type: ignore[misc]  # known at run time only", True),
        ("# noqa: S105", False),
        ("# noqa: S105  # play", False),
        ("# noqa  # whatever it may be", False),
        ("# type: ignore", False),
        ("# type: ignore  # whatever it may be", False),
    ],
)
def test_a_waiver_is_told_from_one_without_a_reason(comment: str, good: bool) -> None:
    assert WAIVER.match(comment)
    assert bool(REASONED.match(comment)) is good


def test_packages_import_only_what_stands_below_them() -> None:
    lint = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(lint, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_holds_names_versions_and_hashes_alone() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert [line for line in lines if not (PINNED.fullmatch(line) or HASH.fullmatch(line))] == []
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        assert not PINNED.fullmatch(line) or HASH.fullmatch(after), f"{line} has no hash"


def test_the_lock_covers_what_the_projects_ask_for() -> None:
    locked = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    audit = tomllib.loads((ROOT / "audit" / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"], *audit["dependencies"]]
    names = {re.split(r"[^\w.-]", text)[0].lower() for text in asked}
    assert names - locked == {"tocsin-audit"}, "run `make lock`"


def test_the_versions_of_the_two_distributions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    audit = tomllib.loads((ROOT / "audit" / "pyproject.toml").read_text())["project"]
    assert f"tocsin-audit=={audit['version']}" in project["dependencies"]


def test_the_machine_runs_the_test_command_of_the_readme() -> None:
    section = (ROOT / "README.md").read_text().partition("## Test it")[2]
    block = re.search(r"```sh\n(.+?)\n```", section, re.DOTALL)
    assert block is not None
    script = ROOT / ".ci" / "run"
    assert script.read_text().splitlines()[-1] == f"exec {block[1]}"
    assert script.stat().st_mode & stat.S_IXUSR


def test_scripts_can_be_started() -> None:
    assert all(os.access(ROOT / path, os.X_OK) for path in tracked() if path.suffix == ".sh")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The files of both wheels by distribution, built as they are released, without a network."""
    folder = tmp_path_factory.mktemp("wheels")
    found = {}
    for name, project in (("tocsin", ROOT), ("tocsin-audit", ROOT / "audit")):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / name)]
        done = subprocess.run(build, cwd=project, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (wheel,) = (folder / name).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            found[name] = set(archive.namelist())
    return found


def test_a_wheel_has_everything_that_its_packages_have(wheels: dict[str, set[str]]) -> None:
    ours = {path.as_posix() for path in tracked() if path.parts[0] in PACKAGES}
    assert ours <= wheels["tocsin"]
    inside = {path.relative_to("audit").as_posix() for path in tracked() if path.as_posix().startswith(f"{AUDIT}/")}
    assert inside <= wheels["tocsin-audit"]


def test_a_wheel_brings_what_the_program_reads_beside_its_code(wheels: dict[str, set[str]]) -> None:
    wanted = {
        "alerting/migrations/versions/0001_incidents.py",
        "alerting/runbooks/brute.yaml",
        "alerting/sinks/elasticsearch/templates/index-logs-tocsin.alert.json",
        *(f"{package}/py.typed" for package in PACKAGES),
    }
    assert wanted <= wheels["tocsin"]
    assert "tocsin_audit/py.typed" in wheels["tocsin-audit"]


def test_a_wheel_has_nothing_else(wheels: dict[str, set[str]]) -> None:
    assert {name.partition("/")[0] for name in wheels["tocsin"]} == {*PACKAGES, "tocsin-0.1.0.dist-info"}
    assert {name.partition("/")[0] for name in wheels["tocsin-audit"]} == {
        "tocsin_audit",
        "tocsin_audit-0.1.0.dist-info",
    }
    assert any(name.endswith("licenses/LICENSE") for name in wheels["tocsin"])
    assert any(name.endswith("licenses/LICENSE") for name in wheels["tocsin-audit"])


def _lines(path: Path) -> int:
    return (ROOT / path).read_text().count("\n")
