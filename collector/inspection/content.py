"""Content: the texts of a call's arguments, its result and its tools' definitions, within a budget."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

import msgspec

Place = Literal["arguments", "result", "tools"]

BUDGET: Final = 64 * 1024
"""Bytes of text of one event that are looked at, unless configured otherwise."""
TEXTS: Final = 4_000
"""Texts of one event that are looked at."""
DEEP: Final = 24
_SHORT: Final = 80
_TOO_SHORT: Final = 12
_MEDIA: Final = frozenset({"image", "audio", "blob"})
_BINARY: Final = frozenset({"data", "blob"})
_SILENT: Final = frozenset({int, float, bool, type(None)})
"""Values that say nothing."""


class Content(NamedTuple):
    """What one event carries: the caller's arguments, the server's result, the definitions that it lists."""

    arguments: Any = None
    result: Any = None
    tools: Any = None


class Text(NamedTuple):
    """A text and where it stands: its place, its path there, and the key that names it."""

    place: Place
    path: str
    key: str
    value: str


class Budget:
    """What is left to look at of one event; `cut` says that something was left out."""

    def __init__(self, size: int = BUDGET) -> None:
        self.size = size
        self.texts = TEXTS
        self.cut = False

    def take(self, text: str) -> str:
        """As much of a text as may be looked at: of one that is too long its beginning and its end."""
        if self.texts <= 0 or self.size <= 0:
            self.cut = True
            return ""
        self.texts -= 1
        if len(text) > self.size:
            self.cut = True
            tail = self.size // 4
            text = f"{text[: self.size - tail]}\n{text[len(text) - tail :]}"
        self.size -= len(text)
        return text


def texts(content: Content, budget: Budget) -> list[Text]:
    """Every text of the content, keys too, as far as the budget goes; arguments first, since they are short."""
    found: list[Text] = []
    places: tuple[tuple[Place, Any], ...] = (
        ("arguments", content.arguments),
        ("tools", content.tools),
        ("result", content.result),
    )
    for place, value in places:
        if value is not None:
            found += _walk(place, value, budget)
    return found


def _walk(place: Place, value: Any, budget: Budget) -> Iterator[Text]:
    # Its own stack, since how deep it is nested is the sender's to say.
    stack: list[tuple[str, str, Any, int]] = [("", "", value, 0)]
    while stack:
        if budget.texts <= 0:
            budget.cut = True
            return
        path, key, node, depth = stack.pop()
        if isinstance(node, str):
            inner = _inside(node) if depth < DEEP else None
            if inner is not None:
                stack.append((path, key, inner, depth + 1))
            elif place == "tools" and len(node) < _TOO_SHORT and node.isascii() and node.isprintable():
                continue  # a type or a name, which says nothing to anybody
            elif kept := budget.take(node):
                yield Text(place, path, key, kept)
        elif depth >= DEEP:
            budget.cut = budget.cut or isinstance(node, list | dict)
        elif isinstance(node, list):
            room = budget.texts + 1
            budget.cut = budget.cut or len(node) > room
            last = min(len(node), room) - 1
            stack += [
                (f"{path}[{_named(item) or at}]", key, item, depth + 1)
                for at in range(last, -1, -1)
                if type(item := node[at]) not in _SILENT
            ]
        elif isinstance(node, dict):
            names = "".join(map(str, node))
            if len(names) > _SHORT or not names.isascii() or "\x1b" in names:
                yield from _keys(place, path, node, budget)
            kind = node.get("type")
            media = (isinstance(kind, str) and kind in _MEDIA) or ("mimeType" in node and "blob" in node)
            pairs = list(node.items())[: budget.texts + 1]
            for name, item in reversed(pairs):
                if type(item) in _SILENT or (media and name in _BINARY):
                    continue
                short = str(name)[:_SHORT]
                stack.append((f"{path}.{short}" if path else short, short, item, depth + 1))


def _keys(place: Place, path: str, node: Mapping[str, Any], budget: Budget) -> Iterator[Text]:
    """The names themselves where they are more than names: a model reads those of a schema too."""
    for name in node:
        telling = isinstance(name, str) and (len(name) > _SHORT or not name.isascii() or "\x1b" in name)
        if telling and (kept := budget.take(name)):
            yield Text(place, f"{path}.{name[:20]}…", "", kept)


def _named(node: Any) -> str:
    """The name of a tool, which tells people more than its number."""
    name = node.get("name") if isinstance(node, dict) else None
    return name[:_SHORT] if isinstance(name, str) else ""


def _inside(text: str) -> Any:
    """The JSON value that a text is where its escapes would hide what is in it."""
    if "\\u" not in text or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
