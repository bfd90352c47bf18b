"""Cleaning what attackers control: control characters and bidirectional marks go, what is too long is cut."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from tocsin_audit.event import AuditEvent

TEXT: Final = 1024
"""Characters of one string at most."""
ITEMS: Final = 1024
"""Strings of one list at most."""

_HOSTILE_TEXT: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
# What the text above can come from: an escape, a delete, or the first two bytes of its UTF-8.
_HOSTILE_LINE: Final = re.compile(
    rb"\\[bfnrtu]|\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b\x8e\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf|\xef\xbf[\xb9-\xbb]|\xf3\xa0"
)
_NAMES: Final = tuple(
    name
    for name, kind in AuditEvent.__annotations__.items()
    if name not in ("time", "ext", "change", "manifest") and ("str" in str(kind))
)


def clean_text(text: str, limit: int = TEXT) -> str:
    """Text without control characters and bidirectional marks (line ends and tabs become spaces), at most `limit` long.

    What is cut ends with a digest of the whole, so that different names stay different.
    """
    if _HOSTILE_TEXT.search(text) is not None:
        text = _HOSTILE_TEXT.sub(_instead, text)
    if len(text) > limit:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        text = f"{text[: limit - 17]}…{digest}"
    return text


def clean_event(event: AuditEvent) -> None:
    """Clean every string of an event in place."""
    for name in _NAMES:
        value = getattr(event, name)
        if isinstance(value, str):
            setattr(event, name, clean_text(value))
        elif isinstance(value, tuple) and value:
            setattr(event, name, tuple(clean_text(item) for item in value[:ITEMS]))


def clean_events(events: Sequence[AuditEvent], payload: bytes, lines: Sequence[bytes] | None = None) -> None:
    """Clean in place the events whose line could hold anything hostile; `payload` is the lines joined by newlines.

    Raises ValueError where there are not as many lines as events.
    """
    plain = payload.isascii() and b"\\" not in payload and b"\x7f" not in payload
    lines = payload.split(b"\n") if lines is None else lines
    if plain and len(lines) == len(events) and max(map(len, lines), default=0) <= TEXT:
        return
    for event, line in zip(events, lines, strict=True):
        if len(line) > TEXT or (not plain and _HOSTILE_LINE.search(line) is not None):
            clean_event(event)


def _instead(match: re.Match[str]) -> str:
    return " " if match.group() in "\t\n\r" else ""
