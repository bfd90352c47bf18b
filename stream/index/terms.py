"""What a frame can be looked up by: its callers, tenants, servers, targets, and the words of the targets."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from tocsin_audit.event import AuditEvent

PRINCIPAL: Final = "p"
TENANT: Final = "t"
SERVER: Final = "s"
TARGET: Final = "g"
WORD: Final = "w"
"""What kind of name a term is; the letter stands before it."""

Terms = Mapping[str, Collection[str]]
"""Names by their kind, each once."""

_WORD: Final = re.compile(r"[^\W_]+")
_WHOLE: Final = re.compile(r"(?<=[\W_])[^\W_]+(?=[\W_])")


def principal(name: str) -> str:
    """The term of a user, client or agent, and of those on whose behalf they act."""
    return PRINCIPAL + name


def tenant(name: str) -> str:
    """The term of a caller's tenant."""
    return TENANT + name


def server(name: str) -> str:
    """The term of an MCP server."""
    return SERVER + name


def target(name: str) -> str:
    """The term of a tool, prompt or resource."""
    return TARGET + name


def inside(text: str) -> list[str]:
    """Terms of every target that contains a text, letter case aside: the words that stand whole in the text.

    A word at either end of it may be a part of a longer one, so that it says nothing.
    """
    return [WORD + word for word in _WHOLE.findall(text.casefold())]


def terms(events: Sequence[AuditEvent]) -> Terms:
    """Everything that a frame's events can be looked up by."""
    people = {event.user for event in events}
    people.update([event.client for event in events])
    people.update([event.agent for event in events])
    for chain in [event.on_behalf_of for event in events]:
        if chain:
            people.update(chain)
    targets = {event.target for event in events}
    words: set[str] = set()
    for text in targets:
        if text is not None:
            words.update(_WORD.findall(text.casefold()))
    return {
        PRINCIPAL: _named(people),
        TENANT: _named({event.tenant for event in events}),
        SERVER: _named({event.server for event in events}),
        TARGET: _named(targets),
        WORD: words,
    }


def _named(names: Iterable[str | None]) -> list[str]:
    return [name for name in names if name is not None]
