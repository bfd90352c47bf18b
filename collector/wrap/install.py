"""A client's configuration with its stdio servers wrapped, and back; everything else in the file stays as it is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from collector.wrap.spans import Spot, parse

_PLACES: Final = (("mcpServers",), ("servers",), ("mcp", "servers"))
"""Claude Desktop and Cursor; VS Code's mcp.json; VS Code's settings.json."""
_END: Final = "--"
_WRAP: Final = "wrap"


@dataclass(frozen=True)
class Edit:
    """The new text, the servers that changed, and why others did not."""

    text: str
    changed: tuple[str, ...]
    left: dict[str, str]


def wrapped(text: str, tocsin: Sequence[str], options: Sequence[str], only: str | None = None) -> Edit:
    """The text with its stdio servers started through `tocsin wrap`; those that are already stay as they are.

    `tocsin` is the program with what stands before its arguments, `only` the one server that is meant. Raises
    ValueError where the text is no configuration of a client, or has no such server.
    """
    changes: list[tuple[int, int, str]] = []
    changed: list[str] = []
    left: dict[str, str] = {}
    for name, entry in _entries(text, only).items():
        items = entry.items or {}
        command, arguments = items.get("command"), items.get("args")
        if command is None or not isinstance(command.value, str):
            left[name] = "it is reached over HTTP, for which there is tocsin proxy" if "url" in items else "no command"
        elif arguments is not None and not _words(arguments.value):
            left[name] = "its args are no list of texts"
        elif _is_wrapped(command.value, arguments):
            left[name] = "it is wrapped already"
        else:
            given = arguments.value if arguments is not None else []
            words = [*tocsin[1:], _WRAP, "--server", name, *options, _END, command.value, *given]
            changed.append(name)
            changes.append((command.start, command.end, _json(tocsin[0])))
            if arguments is not None:
                changes.append((arguments.start, arguments.end, _json(words)))
            else:
                changes.append((command.end, command.end, f', "args": {_json(words)}'))
    return Edit(_replaced(text, changes), tuple(changed), left)


def unwrapped(text: str, before: str | None, only: str | None = None) -> Edit:
    """The text with its servers as they were; `before` is the text before they were wrapped, where that is known.

    Raises ValueError as `wrapped` does.
    """
    old = _entries(before, None) if before is not None else {}
    changes: list[tuple[int, int, str]] = []
    changed: list[str] = []
    left: dict[str, str] = {}
    for name, entry in _entries(text, only).items():
        items = entry.items or {}
        command, arguments = items.get("command"), items.get("args")
        if command is None or arguments is None or not _is_wrapped(command.value, arguments):
            left[name] = "it is not wrapped"
            continue
        original = arguments.value[arguments.value.index(_END) + 1 :]
        changed.append(name)
        was = old[name].items or {} if name in old else {}
        same = "command" in was and [was["command"].value, *_given(was)] == original
        if same and before is not None:
            changes.append((command.start, command.end, before[was["command"].start : was["command"].end]))
            if "args" in was:
                spot = was["args"]
                changes.append((arguments.start, arguments.end, before[spot.start : spot.end]))
            else:
                changes.append((_comma_before(text, command.end, arguments.start), arguments.end, ""))
        else:
            changes.append((command.start, command.end, _json(original[0])))
            changes.append((arguments.start, arguments.end, _json(original[1:])))
    return Edit(_replaced(text, changes), tuple(changed), left)


def _entries(text: str, only: str | None) -> dict[str, Spot]:
    root = parse(text)
    for place in _PLACES:
        spot: Spot | None = root
        for key in place:
            spot = (spot.items or {}).get(key) if spot is not None else None
        if spot is not None and spot.items is not None:
            found = {name: entry for name, entry in spot.items.items() if entry.items is not None}
            if only is None:
                return found
            if only not in found:
                raise ValueError(f"there is no server {only!r}; there are: {', '.join(found) or 'none'}")
            return {only: found[only]}
    raise ValueError("it has neither mcpServers nor servers, so it is no configuration of MCP servers")


def _words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _given(items: dict[str, Spot]) -> list[str]:
    return list(items["args"].value) if "args" in items else []


def _is_wrapped(command: str, arguments: Spot | None) -> bool:
    if arguments is None or not _words(arguments.value) or _END not in arguments.value:
        return False
    ours = [command, *arguments.value[: arguments.value.index(_END)]]
    start = ours.index(_WRAP) if _WRAP in ours else 0
    rest = arguments.value[arguments.value.index(_END) + 1 :]
    return bool(rest) and 0 < start <= 3 and "tocsin" in " ".join(ours[:start])


def _comma_before(text: str, after: int, at: int) -> int:
    """Where what was put in between begins."""
    comma = text.find(",", after, at)
    return comma if comma >= 0 else at


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _replaced(text: str, changes: Sequence[tuple[int, int, str]]) -> str:
    for start, end, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[end:]
    return text
