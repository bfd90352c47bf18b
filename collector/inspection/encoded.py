"""Encoded blobs: what is written so that nobody reads it, and what is in it."""

import base64
import binascii
import re
from typing import Final

SHORTEST: Final = 40
"""Characters of a run that is looked into."""
LONG: Final = 256
"""Characters from which on a run that is no text inside is told by itself."""
_MOST: Final = 8
_RUN: Final = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){20,}\Z")
_ESCAPED: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}){12,}")


def any_in(text: str) -> bool:
    """Whether there is anything for `blobs` to look at."""
    return _RUN.search(text) is not None or _ESCAPED.search(text) is not None


def blobs(text: str) -> list[tuple[str, str]]:
    """The encoded runs of a text, each as its kind and the text that is inside it, which is empty where none is."""
    found: list[tuple[str, str]] = []
    if len(text) < SHORTEST:
        return found
    for _, match in zip(range(_MOST), _RUN.finditer(text), strict=False):
        run = match.group()
        if _HEX.match(run):
            inside = _text(bytes.fromhex(run))
            if inside or len(run) >= LONG:
                found.append(("hex", inside))
        elif any(char.isdigit() for char in run) or len(run) >= LONG:
            inside = _text(_unpacked(run))
            if inside or len(run) >= LONG:
                found.append(("base64", inside))
    if (escaped := _ESCAPED.search(text)) is not None:
        inside = re.sub(r"\\x|%|\\u00", "", escaped.group())
        found.append(("escaped", _text(bytes.fromhex(inside)) if _HEX.match(inside) else ""))
    return found


def _unpacked(run: str) -> bytes:
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    shown = sum(char.isprintable() or char in "\n\r\t" for char in text)
    return text if len(text) >= 12 and shown == len(text) and (" " in text or "\n" in text or "://" in text) else ""
