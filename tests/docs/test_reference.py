"""The reference pages say what the code says today."""

from pathlib import Path

import pytest

from detectors.discovery import detector_names
from scripts.docs import DOCS, pages, write
from scripts.markdown import meanings
from tests.house import tracked
from tocsin.cli import COMMANDS

HINT = "run `make docs` and commit what it writes"


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_is_what_its_source_makes_of_it(name: str) -> None:
    path = DOCS / name
    assert path.exists(), f"docs/{name} is not there: {HINT}"
    assert path.read_text() == pages()[name], f"docs/{name} is out of date: {HINT}"


def test_no_page_outlives_its_detector() -> None:
    shipped = {path.relative_to("docs").as_posix() for path in tracked() if path.parts[:2] == ("docs", "detectors")}
    assert shipped <= set(pages()), HINT


def test_pages_are_written_and_stale_ones_removed(tmp_path: Path) -> None:
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "gone.md").write_text("old")
    (tmp_path / "architecture.md").write_text("by hand")
    write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.md")}
    assert written == {*pages(), "architecture.md"}


def test_every_page_begins_by_saying_how_it_is_made() -> None:
    assert all(text.startswith("<!-- Made by `make docs` from ") for text in pages().values())


def test_every_detector_and_command_has_its_place() -> None:
    made = pages()
    assert {f"detectors/{name}.md" for name in detector_names()} <= set(made)
    assert all(f"## tocsin {name}\n" in made["commands.md"] for name in COMMANDS)


def test_a_field_without_a_meaning_ends_the_making_by_name() -> None:
    with pytest.raises(SystemExit, match=r"Bare\.name has no meaning"):
        meanings(Bare)


class Bare:
    """A class whose field says nothing."""

    name: str
    other: int = 0
