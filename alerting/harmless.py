"""Text that is shown to people: words of strangers in it stay words, never links, markup or escapes."""

import re
from typing import Final

from tocsin_audit.text import clean

# Pagers, chats and terminals turn addresses into links, and some of them angle brackets and mentions into markup.
_WEB: Final = re.compile(r"(?i)htt(?=ps?\(:\)//)")
_SCRIPT: Final = re.compile(r"(?i)\b(javascript|vbscript|data|mailto|tel|sms|file):(?=\S)")
_HOST: Final = re.compile(r"(?i)\bwww\.")
_MENTION: Final = re.compile(r"(?<!\w)@(?=\w)")
_MARKUP: Final = str.maketrans({"<": "‹", ">": "›", "`": "ˋ", "[": "⟦", "]": "⟧"})


def harmless(text: object, limit: int = 500) -> str:
    """One line of at most `limit` characters in which nothing is a link, a mention, markup or an escape."""
    line = clean(text, limit) or ""
    line = _WEB.sub("hxx", line.translate(_MARKUP).replace("://", "(:)//"))
    line = _HOST.sub("www(.)", _SCRIPT.sub(r"\1(:)", line))
    line = _MENTION.sub("(at)", line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def harmless_block(text: str, lines: int = 60, limit: int = 500) -> list[str]:
    """Text of several lines, each of them made harmless; what is beyond `lines` is left out."""
    return [harmless(line, limit) for line in text.splitlines()[:lines]]
