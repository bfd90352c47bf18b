"""JSON with comments, as editors write it: the values and where each of them stands in the text."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

_BLANK: Final = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/|\ufeff)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD: Final = re.compile(r"-?\d[\d.eE+-]*|true|false|null")
_DEEPEST: Final = 100


@dataclass(frozen=True)
class Spot:
    """A value and its place: `text[start:end]`; of an object `items` are its members' spots."""

    value: Any
    start: int
    end: int
    items: "dict[str, Spot] | None" = None


def parse(text: str) -> Spot:
    """The one value of a text. Comments and commas before a closing bracket are allowed.

    Raises ValueError naming the line where it is no JSON, or says a key twice.
    """
    spot = _value(text, _blank(text, 0), 0)
    end = _blank(text, spot.end)
    if end != len(text):
        raise _wrong(text, end, "something follows the end")
    return spot


def _value(text: str, at: int, depth: int) -> Spot:
    if depth > _DEEPEST:
        raise _wrong(text, at, "too deeply nested")
    head = text[at : at + 1]
    if head == "{":
        return _object(text, at, depth)
    if head == "[":
        return _array(text, at, depth)
    match = _STRING.match(text, at) or _WORD.match(text, at)
    if match is None:
        raise _wrong(text, at, "no value")
    try:
        return Spot(json.loads(match[0]), at, match.end())
    except ValueError as error:
        raise _wrong(text, at, "no value") from error


def _object(text: str, start: int, depth: int) -> Spot:
    items: dict[str, Spot] = {}
    at = _blank(text, start + 1)
    while text[at : at + 1] != "}":
        match = _STRING.match(text, at)
        if match is None:
            raise _wrong(text, at, "no key in quotes")
        key: str = json.loads(match[0])
        if key in items:
            raise _wrong(text, at, f"the key {key!r} is said twice")
        at = _blank(text, match.end())
        if text[at : at + 1] != ":":
            raise _wrong(text, at, "no colon after a key")
        items[key] = spot = _value(text, _blank(text, at + 1), depth + 1)
        at = _next(text, spot.end, "}")
    return Spot({key: spot.value for key, spot in items.items()}, start, at + 1, items)


def _array(text: str, start: int, depth: int) -> Spot:
    values = []
    at = _blank(text, start + 1)
    while text[at : at + 1] != "]":
        spot = _value(text, at, depth + 1)
        values.append(spot.value)
        at = _next(text, spot.end, "]")
    return Spot(values, start, at + 1)


def _next(text: str, at: int, closing: str) -> int:
    """Where the next member or the closing bracket stands."""
    at = _blank(text, at)
    if text[at : at + 1] == ",":
        return _blank(text, at + 1)
    if text[at : at + 1] != closing:
        raise _wrong(text, at, f"neither a comma nor '{closing}'")
    return at


def _blank(text: str, at: int) -> int:
    match = _BLANK.match(text, at)
    return match.end() if match is not None else at


def _wrong(text: str, at: int, what: str) -> ValueError:
    return ValueError(f"line {text.count(chr(10), 0, at) + 1}: {what}")
