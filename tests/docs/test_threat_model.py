"""Every promise of the threat model has a test, and the tests that it names exist."""

import re

from tests.house import ROOT, tracked

PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"`(test_\w+)`")


def test_every_test_that_is_named_exists() -> None:
    defined = {
        name
        for path in tracked()
        if path.as_posix().startswith("tests/") and path.suffix == ".py"
        for name in re.findall(r"^def (test_\w+)", (ROOT / path).read_text(), re.MULTILINE)
    }
    named = set(NAMED.findall(PAGE))
    assert len(named) > 30
    assert named <= defined, sorted(named - defined)


def test_every_promise_names_a_test() -> None:
    rows = [
        row for section in PAGE.split("| promised |")[1:] for row in section.splitlines()[2:] if row.startswith("|")
    ]
    assert len(rows) > 25
    assert [row for row in rows if not NAMED.search(row)] == []


def test_every_attacker_is_told_what_is_not_promised() -> None:
    for section in PAGE.partition("## From whom")[2].split("\n### ")[1:]:
        assert "Not promised:" in section, section.splitlines()[0]
