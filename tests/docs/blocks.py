"""The code blocks of Markdown."""

import re
from pathlib import Path

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [text for found, text in _BLOCK.findall(path.read_text()) if found == language]


def spans(path: Path) -> list[str]:
    """What stands in code type in running text and tables."""
    return _SPAN.findall(prose(path))


def prose(path: Path) -> str:
    """The text without its fenced blocks."""
    return _BLOCK.sub("", path.read_text())
