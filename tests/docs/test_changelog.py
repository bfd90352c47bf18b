"""The changelog keeps the form of Keep a Changelog 1.1.0."""

import re
import tomllib

from tests.house import ROOT

SECTIONS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
TEXT = (ROOT / "CHANGELOG.md").read_text()
RELEASE = re.compile(r"^## \[(Unreleased|\d+\.\d+\.\d+)\](?: - (\d{4}-\d{2}-\d{2}))?$", re.MULTILINE)


def test_it_begins_with_its_title() -> None:
    assert TEXT.startswith("# Changelog\n")


def test_a_release_has_its_version_and_day() -> None:
    assert len(re.findall(r"^## ", TEXT, re.MULTILINE)) == len(RELEASE.findall(TEXT)) > 0
    assert all((name == "Unreleased") != bool(day) for name, day in RELEASE.findall(TEXT))


def test_releases_stand_newest_first() -> None:
    names = [name for name, _ in RELEASE.findall(TEXT)]
    versions = [tuple(map(int, name.split("."))) for name in names if name != "Unreleased"]
    assert versions == sorted(set(versions), reverse=True)
    assert "Unreleased" not in names[1:]


def test_the_version_of_the_project_is_told_or_not_yet_released() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {version, "Unreleased"} & {name for name, _ in RELEASE.findall(TEXT)}


def test_changes_stand_under_the_six_headings_and_none_is_empty() -> None:
    for release in RELEASE.split(TEXT)[3::3]:
        parts = re.split(r"^### (.+)$", release, flags=re.MULTILINE)
        assert not parts[0].strip()
        assert set(parts[1::2]) <= SECTIONS
        assert all(part.strip().startswith("- ") for part in parts[2::2])
