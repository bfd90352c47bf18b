"""Characters that people do not see and models read: zero-width, tags, bidi marks, selectors, terminal escapes."""

import re
import unicodedata
from typing import Final

from collector.inspection.content import Place

_ODD: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef\ud800-\udfff]"
)
_ANSI: Final = re.compile("\x1b[\\[\\]P_^()#]|\x9b")
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
# A flag of a region is an emoji and ends with a cancel tag; any other tag is text that nobody sees.
_FLAG: Final = re.compile("\U0001f3f4[\U000e0061-\U000e007a\U000e0030-\U000e0039]{1,8}\U000e007f")
_TAGS: Final = re.compile("[\U000e0000-\U000e007f]")
_SELECTORS: Final = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4}")
_BETWEEN_LETTERS: Final = re.compile(
    "[A-Za-z0-9 ][\u200b\u200c\u200d\u2060-\u2064\u180e\u034f\u3164\uffa0\u115f\u1160]+[A-Za-z0-9 ]"
)
_RUN: Final = re.compile("[\u200b-\u200d\u2060-\u2064\ufeff\u180e\u034f\u3164]{3}")
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1a\x7f]")


def signals(text: str, place: Place) -> list[str]:
    """The names of what is hidden in a text; none in most."""
    if (text.isascii() and text.isprintable()) or _ODD.search(text) is None:
        return []
    found = []
    if _ANSI.search(text):
        found.append("unicode:ansi")
    if _BIDI.search(text):
        found.append("unicode:bidi")
    if _TAGS.search(_FLAG.sub("", text)):
        found.append("unicode:tags")
    if _SELECTORS.search(text):
        found.append("unicode:selectors")
    if _RUN.search(text) or (place != "result" and "\xad" in text) or _BETWEEN_LETTERS.search(text):
        found.append("unicode:invisible")
    if _CONTROL.search(text):
        found.append("unicode:control")
    return found


def odd(text: str) -> bool:
    """Whether there is any such character in a text, a harmless one too."""
    return _ODD.search(text) is not None


def plain(text: str) -> str:
    """A text as a model understands it: what is invisible gone, tags read as the letters they stand for, NFKC."""
    if text.isascii():
        return text
    if _ODD.search(text) is not None:
        text = "".join(
            chr(ord(char) - 0xE0000) if "\U000e0020" <= char <= "\U000e007e" else "" if _ODD.match(char) else char
            for char in text
        )
    return unicodedata.normalize("NFKC", text)
