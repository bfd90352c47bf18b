"""Content that events carry in `ext` on their way here: found, read, and taken out again."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from collector.inspection.content import Content
from collector.rewrite import decoded, parts
from tocsin_audit import measure

KEYS: Final[tuple[str, ...]] = ("arguments", "result", "tools", "headers", "claims")
"""Members of `ext` that hold what passed by itself: never stored unless the operator asks for it."""

# An escaped letter in a key would slip through a plain search, so that any escape is a reason to look.
_MARKS: Final = (*(f'"{key}"'.encode() for key in KEYS), b"\\u00")


class Carried(NamedTuple):
    """What an event's `ext` holds: the content, the request's headers, a token's claims, and the rest of it."""

    content: Content
    headers: Mapping[str, str]
    claims: Mapping[str, Any]
    rest: dict[str, msgspec.Raw]
    found: dict[str, msgspec.Raw]


def possible(ext: msgspec.Raw) -> bool:
    """Whether there may be any content in an `ext`, at the cost of a few searches."""
    data = bytes(ext)
    return any(mark in data for mark in _MARKS)


def carried(ext: msgspec.Raw) -> Carried | None:
    """What an `ext` carries; None where it has no content."""
    rest = parts(ext) if ext else {}
    found: dict[str, msgspec.Raw] = {key: rest.pop(key) for key in KEYS if key in rest}
    if not found:
        return None
    values = {key: decoded(value) for key, value in found.items()}
    headers, claims = values.get("headers"), values.get("claims")
    return Carried(
        Content(_object(values.get("arguments")), values.get("result"), values.get("tools")),
        {str(name).lower(): value for name, value in headers.items() if isinstance(value, str)}
        if isinstance(headers, dict)
        else {},
        claims if isinstance(claims, dict) else {},
        rest,
        found,
    )


def payload(result: Any) -> Any:
    """What a result is about, whether it came as MCP's result, as its payload, or as text."""
    if isinstance(result, dict) and not {"structuredContent", "content", "contents"} & result.keys():
        return result
    if isinstance(result, dict):
        return measure.payload(result)
    found = _object(result)
    return None if isinstance(found, str) else found


def _object(value: Any) -> Any:
    """A value that some sources write as JSON inside of a text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value.encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return value
    return value
