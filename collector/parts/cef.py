"""CEF and LEEF lines as trees: the header by its names, the extension's keys, and what labelled keys are labelled."""

import re
from typing import Any, Final

from collector.format import RecordError

LONGEST: Final = 64 * 1024
"""Bytes of one line at most."""
PAIRS: Final = 512
"""Pairs of one line at most; what comes after them is not looked at."""

_HEADER: Final = ("vendor", "product", "version", "event", "name", "severity")
_KEY: Final = re.compile(r"(?:^|(?<=\s))([A-Za-z0-9_.\[\]-]{1,64})=")
_ESCAPE: Final = re.compile(r"\\(.)")
_BAR: Final = re.compile(r"(?<!\\)\|")


def read_cef(record: bytes) -> dict[str, Any]:
    """A CEF or LEEF line, with or without a syslog header before it; header fields stand under `_vendor` and so on.

    Raises RecordError where it is neither.
    """
    if len(record) > LONGEST:
        raise RecordError("too_long", f"longer than {LONGEST} bytes", hint="is it a line of text?")
    try:
        line = record.decode().strip()
    except UnicodeDecodeError as error:
        raise RecordError("malformed", "not UTF-8", hint="send the log in UTF-8") from error
    for mark, read in (("CEF:", _cef), ("LEEF:", _leef)):
        at = line.find(mark)
        if 0 <= at < 512:
            return read(line[at + len(mark) :])
    raise RecordError("malformed", "neither CEF nor LEEF", hint="is it another format?")


def _cef(rest: str) -> dict[str, Any]:
    parts = _BAR.split(rest, 7)
    if len(parts) < 8:
        raise RecordError("malformed", "a CEF header has seven bars", hint="look at what writes it")
    tree = _header(parts[1:7])
    return tree | _labelled(_pairs(parts[7]))


def _leef(rest: str) -> dict[str, Any]:
    parts = rest.split("|", 5)
    if len(parts) < 5:
        raise RecordError("malformed", "a LEEF header has five bars", hint="look at what writes it")
    version, body, mark = parts[0], "|".join(parts[5:]), "\t"
    if version.startswith("2") and len(parts) == 6 and (said := body.partition("|"))[1]:
        mark, body = _delimiter(said[0]), said[2]
    tree = _header(parts[1:5])
    for pair in body.split(mark)[:PAIRS]:
        key, equals, value = pair.partition("=")
        if equals and key.strip():
            tree[key.strip()] = value
    return tree


def _header(parts: list[str]) -> dict[str, Any]:
    return {f"_{key}": _plain(part) for key, part in zip(_HEADER, parts, strict=False)}


def _pairs(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    matches = list(_KEY.finditer(text))[:PAIRS]
    for match, after in zip(matches, [*matches[1:], None], strict=False):
        end = after.start() if after is not None else len(text)
        found[match[1]] = _plain(text[match.end() : end].strip())
    return found


def _labelled(pairs: dict[str, Any]) -> dict[str, Any]:
    """The pairs, those with a label also under it: `cs1=7 cs1Label=CorrelationID` is `CorrelationID: 7` too."""
    named = {label: pairs[key[:-5]] for key, label in pairs.items() if key.endswith("Label") and key[:-5] in pairs}
    return named | pairs


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nr" else match[1], text) if "\\" in text else text


def _delimiter(said: str) -> str:
    if said[:1] == "x" or said[:2] == "0x":
        try:
            return chr(int(said.lstrip("0").lstrip("x"), 16))
        except (ValueError, OverflowError):
            return "\t"
    return said[:1] or "\t"
