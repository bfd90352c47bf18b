"""Text that is shown to people: words of strangers in it stay words, never links, markup or escapes."""

import re
from typing import Final

from tocsin_audit.text import clean

# Pagers, chats and terminals turn addresses into links, and some of them angle brackets and mentions into markup.
_SCHEME: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,30}):(?=//)")
_SCRIPT: Final = re.compile(r"(?i)\b(javascript|data|vbscript|mailto|tel|sms|file):")
_HOST: Final = re.compile(r"(?i)\bwww\.")
_MENTION: Final = re.compile(r"@(?=[\w!])")
_MARKUP: Final = str.maketrans({"<": "‹", ">": "›", "`": "ˋ", "[": "⟦", "]": "⟧"})


def harmless(text: object, limit: int = 500) -> str:
    """One line of at most `limit` characters in which nothing is a link, a mention, markup or an escape."""
    line = clean(text, limit) or ""
    line = _SCHEME.sub(_defanged, line.translate(_MARKUP))
    line = _HOST.sub("www(.)", _SCRIPT.sub(r"\1(:)", line))
    line = _MENTION.sub("(at)", line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def harmless_block(text: str, lines: int = 60, limit: int = 500) -> list[str]:
    """Text of several lines, each of them made harmless; what is beyond `lines` is left out."""
    return [harmless(line, limit) for line in text.splitlines()[:lines]]


def _defanged(match: re.Match[str]) -> str:
    scheme = re.sub("(?i)^http", "hxxp", match[1])
    return f"{scheme}(:)"
