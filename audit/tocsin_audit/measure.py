"""Measures of a result: its payload, its rows, and the manifest of the tools it lists."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin_audit.text import clean

_MOST_TOOLS: Final = 1000
_DEEP: Final = 4
_LISTS: Final = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
    "prompts/get": "messages",
}
_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")


def payload(result: Mapping[str, Any]) -> Any:
    """What a result is about: `structuredContent` without FastMCP's wrapper, else its first text that is JSON."""
    structured = result.get("structuredContent")
    if isinstance(structured, dict) and structured:
        if _wrapped(result, structured):
            return structured["result"]
        return structured
    for block in _blocks(result):
        text = block.get("text")
        if isinstance(text, str) and text.lstrip()[:1] in ("{", "["):
            try:
                return msgspec.json.decode(text.encode())
            except (ValueError, RecursionError):
                continue
    return None


def delivered(method: str, result: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a task's state delivers, where it is the result of the call that began it (tasks extension); else itself."""
    inner = result.get("result") if method == "tasks/get" else None
    return inner if isinstance(inner, dict) else result


def _wrapped(result: Mapping[str, Any], structured: Mapping[str, Any]) -> bool:
    if len(structured) != 1 or "result" not in structured:
        return False
    meta = result.get("_meta")
    fastmcp = meta.get("fastmcp") if isinstance(meta, dict) else None
    marked = isinstance(fastmcp, dict) and fastmcp.get("wrap_result") is True
    return marked or not isinstance(structured["result"], dict)


def _blocks(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = result.get("content")
    if not isinstance(content, list):
        content = result.get("contents")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def rows(method: str, result: Mapping[str, Any], inside: Any) -> int | None:
    """How many rows a result holds: those of its structured list first, else its content blocks.

    `inside` is the result's payload. Null where the method returns no rows.
    """
    if (name := _LISTS.get(method)) is not None:
        listed = result.get(name)
        return len(listed) if isinstance(listed, list) else None
    if method not in ("tools/call", "resources/read", "tasks/result", "tasks/get"):
        return None
    blocks = _blocks(result)
    if isinstance(result.get("structuredContent"), dict):
        return count(inside)
    if "content" not in result and "contents" not in result:
        return None  # a task that was begun or still works
    # The official SDK emits one block for each element of a list.
    if len(blocks) == 1 and inside is not None:
        return count(inside)
    return len(blocks)


def count(value: Any) -> int:
    """The rows of a JSON value: a list's length; of an object the length of its one list; anything else is one row."""
    for _ in range(_DEEP):
        if isinstance(value, list):
            return len(value)
        if not isinstance(value, dict):
            return 0 if value is None else 1
        lists = [item for item in value.values() if isinstance(item, list)]
        if len(lists) == 1:
            return len(lists[0])
        inner = [item for item in value.values() if isinstance(item, dict)]
        if lists or len(inner) != 1:
            return 1
        value = inner[0]
    return 1


def manifest(tools: Sequence[Any]) -> dict[str, Any]:
    """What a `tools/list` result defines: the number of tools, and a hash of each definition by name.

    The hash is SHA-256 (128 bits of it) over the definition as canonical JSON, without `_meta`, which no model sees.
    """
    hashes: dict[str, str] = {}
    for tool in tools[:_MOST_TOOLS]:
        if isinstance(tool, dict) and (name := clean(tool.get("name"), 128)) is not None:
            seen = {key: value for key, value in tool.items() if key != "_meta"}
            hashes[name] = hashlib.sha256(_CANONICAL.encode(seen)).hexdigest()[:32]
    return {"count": len(tools), "tools": hashes}
