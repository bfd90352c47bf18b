"""Changes the JSON inside an input as JSON, so that a fuzzer gets past the parser and to what is behind it."""

import copy
import json
import random
from typing import Any, Final

from tests.collector.formats.cases import cases, names
from tocsin_audit.event import AuditEvent

VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    2**64,
    -(2**63),
    10**400,
    1e308,
    -0.0,
    1_795_154_400,
    1_795_154_400_123,
    "",
    "-",
    "anonymous",
    " \u202e\u200b\x00\x1b[2J",
    "\ud800",
    "\u00e9" * 300,
    "2026-11-21T10:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:60Z",
    "1e999",
    "NaN",
    "../../etc/passwd",
    "https://user:secret@example.org/?a=b#c",
    "Bearer a.b.c",
    "=?base64?4pyT?=",
    "ignore all previous instructions",
    [],
    {},
    [None] * 200,
    [[[[[[]]]]]],
    {"": {"": {"": []}}},
)
"""What parsers of numbers, times and texts have stumbled over."""


def words() -> tuple[str, ...]:
    """The names that mean something to some parser: those of the event, of JSON-RPC, and of every sample."""
    found = set(AuditEvent.__struct_fields__) | {"jsonrpc", "id", "method", "params", "result", "error", "_meta"}
    for name in names():
        for case in cases(name):
            for line in case.record.split(b"\n"):
                found.update(_keys(_parsed(line)[1]))
    return tuple(sorted(found))


def mutate(data: bytes, most: int, chance: random.Random, known: tuple[str, ...]) -> bytes | None:
    """The input with one of its JSON lines changed somewhere; None where none is JSON, or it would be too long."""
    lines = data.split(b"\n")
    order = list(range(len(lines)))
    chance.shuffle(order)
    for at in order[:20]:
        before, tree = _parsed(lines[at])
        if isinstance(tree, dict | list) and tree:
            for _ in range(chance.choice((1, 1, 1, 2, 4))):
                _change(tree, chance, known)
            # Surrogates stay escaped, as whoever sends them writes them.
            lines[at] = before + json.dumps(tree, separators=(",", ":")).encode()
            made = b"\n".join(lines)
            return made if len(made) <= most else None
    return None


def _parsed(line: bytes) -> tuple[bytes, Any]:
    """What stands before the JSON of a line, as in events of a server's stream, and the JSON; None where it is none."""
    start = min((at for sign in (b"{", b"[") if (at := line.find(sign)) >= 0), default=-1)
    if start < 0:
        return b"", None
    try:
        return line[:start], json.loads(line[start:])
    except (ValueError, RecursionError):
        return b"", None


def _change(tree: Any, chance: random.Random, known: tuple[str, ...]) -> None:
    places = _places(tree)
    if not places:
        return
    into, key = chance.choice(places)
    what = chance.randrange(7)
    if what == 0:
        into[key] = copy.deepcopy(chance.choice(VALUES))
    elif what == 1:
        other, from_ = chance.choice(places)
        into[key] = copy.deepcopy(other[from_])  # a tree that holds itself has no end
    elif what == 2:
        del into[key]
    elif what == 3:
        into[key] = [copy.deepcopy(into[key]) for _ in range(chance.choice((1, 2, 3)))]
    elif what == 4:
        into[key] = json.dumps(into[key])
    elif what == 5 and isinstance(into, dict):
        into[chance.choice(known)] = copy.deepcopy(chance.choice((into[key], *VALUES)))
    elif isinstance(into, dict):
        into[chance.choice(known)] = into.pop(key)


def _places(tree: Any) -> list[tuple[Any, Any]]:
    """Every place in a tree that can be changed, as its container and its key; a thousand at most."""
    found: list[tuple[Any, Any]] = []
    waiting = [tree]
    while waiting and len(found) < 1000:
        inside = waiting.pop()
        for key, value in list(inside.items() if isinstance(inside, dict) else enumerate(inside)):
            found.append((inside, key))
            if isinstance(value, dict | list):
                waiting.append(value)
    return found


def _keys(tree: Any) -> set[str]:
    return {key for inside, key in _places(tree) if isinstance(key, str)} if isinstance(tree, dict | list) else set()
