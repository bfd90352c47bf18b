"""What the documentation speaks of exists (links, paths, commands, targets), and it speaks of this project alone."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.docs.blocks import blocks, prose, spans
from tests.house import ROOT, tracked
from tocsin.cli import app

PAGES = [path for path in tracked() if path.suffix == ".md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PLACE = re.compile(
    r"(?:audit|stream|collector|detectors|alerting|tocsin|deploy|tests|docs|scripts|benchmarks)/[\w./*<>-]*"
)
COMMAND = re.compile(r"(?:^|(?<=[$(] ))tocsin ([a-z][^|;&#)]*)")
ELSEWHERE = (
    *("/work/", "/root/", "/home/"),
    *("pythonhosted.org", "pypi.org", "npmjs.org", "repo.maven", "repo1.maven", "proxy.golang.org", "static.crates.io"),
)
"""Paths of machines, and hosts of package registries."""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(ROOT / page)):
        if re.match(r"https?:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in _anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_paths_in_code_type_exist(page: Path) -> None:
    for span in spans(ROOT / page):
        if PLACE.fullmatch(span):
            assert any(ROOT.glob(re.sub(r"<\w+>", "*", span.rstrip("/")))), span


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_and_their_options_exist(page: Path) -> None:
    said = spans(ROOT / page)
    for block in (*blocks(ROOT / page, "sh"), *blocks(ROOT / page, "text")):
        said += [line.strip().removeprefix("Example: ") for line in block.splitlines()]
    for line in said:
        for words in COMMAND.findall(line):
            assert _known(words.split()), line


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    lines = [*spans(ROOT / page), *(line for block in blocks(ROOT / page, "sh") for line in block.splitlines())]
    for line in lines:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE), line


def test_nothing_speaks_of_the_machines_it_was_made_on() -> None:
    found = []
    for path in tracked():
        if ROOT / path != Path(__file__):
            text = (ROOT / path).read_bytes().decode(errors="replace")
            found += [f"{path}: {word}" for word in ELSEWHERE if word in text]
    assert found == []


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("incident list, show, why", True),
        ("incident close 3f9a --verdict true", True),
        ("import FILE…", True),
        ("incident forget", False),
        ("keys signing export --to FILE", True),
        ("keys signing forget", False),
        ("contain 3f9a --deny source_ip=203.0.113.9", True),
        ("contain 3f9a --who", False),
        ("forget", False),
        ("search --who alice", False),
        ("wrap --server files -- npx -y --who", True),
        ("wrap --who -- npx", False),
    ],
)
def test_a_command_is_told_from_one_that_does_not_exist(words: str, known: bool) -> None:
    assert _known(words.split()) is known


def _known(words: list[str]) -> bool:
    command: Any = typer.main.get_command(app)
    if "--" in words:  # what follows is somebody else's command
        words = words[: words.index("--")]
    if words[0] not in command.commands:
        return False
    command = command.commands[words[0]]
    left = words[1:]
    while hasattr(command, "commands") and left:
        several = next((at for at, word in enumerate(left, 1) if not word.endswith(",")), 1)
        listed = [word.rstrip(",") for word in left[:several]]
        default = getattr(command, "default", None)
        if default is not None and listed[0] not in command.commands:
            command = command.commands[default]
            continue
        if not set(listed) <= command.commands.keys():
            return False
        command, left = command.commands[listed[0]], left[several:]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return all(word.partition("=")[0] in options for word in left if re.match(r"--?[a-z]", word))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
