"""The shape of arguments: their keys, whom they address, and the bearer-like handles that go in and come out."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.text import clean

_MOST_KEYS: Final = 64
_MOST_RECIPIENTS: Final = 32
_MOST_HANDLES: Final = 32
_SHORTEST_HANDLE: Final = 12
_ADDRESSEES: Final = re.compile(
    r"(?i)(?:to|b?cc|recipients?|emails?|address(?:ee)?|destination|channel|phone|webhook|url)(?:_(?:address|to))?\Z"
)
_HANDLES: Final = re.compile(
    r"(?i)(?:(?:task|job)_?id|request_?state|(?:next_?)?cursor|(?:next_)?page_?token|handle|continuation(?:_?token)?"
    r"|(?:state|resume|session|ticket|share)_?token)\Z"
)
_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")


def keys(arguments: Any) -> tuple[str, ...]:
    """The argument names, sorted and bounded."""
    if not isinstance(arguments, dict):
        return ()
    return tuple(sorted(name for key in list(arguments)[:_MOST_KEYS] if (name := clean(key, 64)) is not None))


def digest(arguments: Any, fingerprints: Fingerprints) -> str | None:
    """The keyed hash of all arguments as canonical JSON; null without arguments."""
    if not isinstance(arguments, dict) or not arguments:
        return None
    return fingerprints.of(_CANONICAL.encode(arguments))


def recipients(arguments: Any, fingerprints: Fingerprints) -> tuple[str, ...]:
    """Keyed hashes of those whom the arguments address, each with its domain: `key id:hex@example.com`."""
    if not isinstance(arguments, dict):
        return ()
    found: dict[str, None] = {}
    for key, value in list(arguments.items())[:_MOST_KEYS]:
        if isinstance(key, str) and _ADDRESSEES.match(key):
            for item in value[:_MOST_RECIPIENTS] if isinstance(value, list) else (value,):
                if isinstance(item, str) and item:
                    found[fingerprints.of(item.strip().lower()) + _domain(item)] = None
    return tuple(list(found)[:_MOST_RECIPIENTS])


def _domain(addressee: str) -> str:
    _, at, host = addressee.rpartition("@")
    if not at:
        _, scheme, rest = addressee.partition("://")
        host = rest.partition("/")[0].partition(":")[0] if scheme else ""
    domain = clean(host.strip("<> ").lower(), 128)
    return f"@{domain}" if domain is not None else ""


def handles(values: Any, fingerprints: Fingerprints) -> tuple[str, ...]:
    """Keyed hashes of the task ids, cursors and state tokens in a request's parameters or in a result.

    Short values are left out: they are counters or names, and equal by chance.
    """
    found: dict[str, None] = {}
    for value in _handle_values(values, 3):
        if len(found) >= _MOST_HANDLES:
            break
        found.update(dict.fromkeys(fingerprints.every(value)))
    return tuple(found)


def _handle_values(values: Any, depth: int) -> Iterator[str]:
    if not isinstance(values, dict) or depth == 0:
        return
    for key, value in list(values.items())[:_MOST_KEYS]:
        if isinstance(value, str):
            if _SHORTEST_HANDLE <= len(value) <= 65_536 and isinstance(key, str) and _HANDLES.match(key):
                yield value
        elif isinstance(value, dict):
            yield from _handle_values(value, depth - 1)
