"""What a frame can be looked up by: its callers, tenants, servers, targets, and the words of the targets."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tocsin_audit.event import AuditEvent

_WORD: Final = re.compile(r"[^\W_]+")
_WHOLE: Final = re.compile(r"(?<=[\W_])[^\W_]+(?=[\W_])")


def principal(name: str) -> str:
    """The term of a user, client or agent, and of those on whose behalf they act."""
    return f"p{name}"


def tenant(name: str) -> str:
    """The term of a caller's tenant."""
    return f"t{name}"


def server(name: str) -> str:
    """The term of an MCP server."""
    return f"s{name}"


def target(name: str) -> str:
    """The term of a tool, prompt or resource."""
    return f"g{name}"


def inside(text: str) -> list[str]:
    """Terms of every target that contains a text, letter case aside: the words that stand whole in the text.

    A word at either end of it may be a part of a longer one, so that it says nothing.
    """
    return [f"w{word}" for word in _WHOLE.findall(text.casefold())]


def terms(events: Sequence[AuditEvent]) -> set[str]:
    """Everything that a frame's events can be looked up by."""
    found: set[str] = set()
    _add(found, "p", {event.user for event in events})
    _add(found, "p", {event.client for event in events})
    _add(found, "p", {event.agent for event in events})
    _add(found, "p", {name for event in events for name in event.on_behalf_of})
    _add(found, "t", {event.tenant for event in events})
    _add(found, "s", {event.server for event in events})
    targets = {event.target for event in events}
    _add(found, "g", targets)
    for text in targets:
        if text is not None:
            found.update([f"w{word}" for word in _WORD.findall(text.casefold())])
    return found


def _add(found: set[str], kind: str, names: Iterable[str | None]) -> None:
    found.update([kind + name for name in names if name is not None])
