"""What a tool does: read, write, create, update, delete, publish or send."""

import re
from collections.abc import Mapping
from typing import Any, Final

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_VERBS: Final[dict[str, str]] = {
    verb: action
    for action, verbs in (
        ("read", "get list read search find fetch query describe show view export download lookup count check dump"),
        ("create", "create add insert new register open"),
        ("update", "update edit set modify patch rename move change assign approve"),
        ("delete", "delete remove drop purge destroy erase revoke truncate"),
        ("send", "send email notify reply forward share message invite"),
        ("publish", "publish deploy release post push"),
        ("write", "write save put upload store upsert import execute run"),
    )
    for verb in verbs.split()
}


def of_tool(name: str, annotations: Mapping[str, Any] | None) -> str | None:
    """The action of a tool, by the verb in its name, then by the server's annotations.

    A name that says more than reading is believed over an annotation that says less, which is a claim.
    """
    words = [word.lower() for word in _WORDS.findall(name[:128])]
    verb = next((_VERBS[word] for word in words if word in _VERBS), None)
    if verb is not None and verb != "read":
        return verb
    if annotations:
        if annotations.get("destructiveHint") is True and annotations.get("readOnlyHint") is not True:
            return "write"
        if annotations.get("readOnlyHint") is True:
            return "read"
    return verb


def of_method(method: str) -> str | None:
    """The action of a method that names no tool."""
    if method.endswith(("/list", "/get", "/read", "/complete")) or method == "server/discover":
        return "read"
    return None
