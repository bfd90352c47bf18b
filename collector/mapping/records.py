"""How a mapped format's records are read into one tree each: JSON, key=value, or a pattern for a line of text."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import re2

from collector.format import RecordError
from collector.parts.cef import read_cef
from collector.parts.values import decode_object

Read = Callable[[bytes], dict[str, Any]]

LONGEST: Final = 64 * 1024
"""Characters of a text that a pattern is tried on."""
PAIRS: Final = 512
"""Pairs of a key=value line at most; what comes after them is not looked at."""
MEMORY: Final = 8 << 20
"""Bytes that one pattern may take."""


def pattern(source: str) -> Any:
    """A pattern that takes linear time whatever it is tried on (RE2); raises ValueError where it is none."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        return re2.compile(source, options=options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        raise ValueError(said.decode() if isinstance(said, bytes) else str(said)) from error


def search(compiled: Any, text: str, *, whole: bool = False) -> Any:
    """The match of a pattern in a text of bounded length; null where there is none."""
    if len(text) > LONGEST:
        return None
    try:
        return compiled.fullmatch(text) if whole else compiled.search(text)
    except UnicodeEncodeError:
        return None


_PAIR: Final = pattern(r'([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))|(\S+)')
_ESCAPES: Final[Mapping[str, str]] = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPE: Final = pattern(r"\\(.)")


def read_json(record: bytes) -> dict[str, Any]:
    """A JSON object."""
    return decode_object(record.strip())


def read_logfmt(record: bytes) -> dict[str, Any]:
    """`key=value` pairs, values in quotes where they hold spaces; words that stand alone are `_0`, `_1`, …"""
    tree: dict[str, Any] = {}
    words = 0
    for count, match in enumerate(_PAIR.finditer(_text(record))):
        if count >= PAIRS:
            break
        key, quoted, bare, word = match.groups()
        if key is None:
            tree[f"_{words}"] = word
            words += 1
        elif quoted is not None:
            tree[key] = _ESCAPE.sub(_unescape, quoted) if "\\" in quoted else quoted
        else:
            tree[key] = bare
    if len(tree) == words:
        raise RecordError("malformed", "no key=value pairs", hint="is it another format?")
    return tree


def read_pattern(compiled: Any, record: bytes) -> dict[str, Any]:
    """The named groups of a pattern that matches the whole line."""
    match = search(compiled, _text(record), whole=True)
    if match is None:
        raise RecordError("malformed", "the line does not match the pattern", hint="is it another format?")
    found: dict[str, Any] = match.groupdict()
    return found


def reader(said: str | Mapping[str, str]) -> Read:
    """How records are read: `json`, `logfmt`, `cef`, or a pattern; raises ValueError where that is none."""
    if isinstance(said, str):
        return _READERS[said]
    compiled = pattern(said["pattern"])
    if not compiled.groupindex:
        raise ValueError("the pattern has no named groups such as (?P<status>\\d+)")
    return partial(read_pattern, compiled)


def _text(record: bytes) -> str:
    if len(record) > LONGEST:
        raise RecordError("too_long", f"longer than {LONGEST} bytes", hint="is it a line of text?")
    try:
        return record.decode().strip()
    except UnicodeDecodeError as error:
        raise RecordError("malformed", "not UTF-8", hint="write the log in UTF-8") from error


def _unescape(match: Any) -> str:
    return _ESCAPES.get(match[1], match[1])


_READERS: Final[Mapping[str, Read]] = {"json": read_json, "logfmt": read_logfmt, "cef": read_cef}
KINDS: Final = tuple(_READERS)
