"""The inspector: the signals of one event's content, in bounded time."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from collector.inspection import addresses, commands, encoded, invisible, paths, personal, phrases, secrets
from collector.inspection.content import BUDGET, Budget, Content, Place, Text, texts
from collector.inspection.pattern import Screen
from tocsin_audit.text import clean

NO_CLASSES: Final[Mapping[str, str]] = MappingProxyType({})
MOST: Final = 64
"""Signals of one event at most."""
_PATH: Final = 160


class Seen(NamedTuple):
    """One signal, how often it was seen, and where first."""

    signal: str
    place: Place
    path: str
    times: int = 1
    counted: bool = False

    @property
    def name(self) -> str:
        """As it stands in an event: `family:what:place`, and how often where that means something."""
        return f"{self.signal}:{self.place}:{self.times}" if self.counted else f"{self.signal}:{self.place}"


class Inspection(NamedTuple):
    """What was seen in an event's content; `cut` says that not all of it was looked at."""

    seen: tuple[Seen, ...]
    cut: bool

    @property
    def signals(self) -> tuple[str, ...]:
        """The names for an event's `signals`."""
        return tuple(seen.name for seen in self.seen)


class Inspector:
    """Looks into content; the same for all threads. `classes` are an operator's own: a name and an expression of RE2.

    Raises ValueError where such an expression is none.
    """

    def __init__(self, classes: Mapping[str, str] = NO_CLASSES, budget: int = BUDGET) -> None:
        own = personal.configured(classes)
        self._screen = Screen((*phrases.PATTERNS, *secrets.PATTERNS, *personal.PATTERNS, *own))
        self._budget = budget

    def inspect(self, content: Content) -> Inspection:
        """What stands in the content, in the order of the places and within the budget."""
        budget = Budget(self._budget)
        found: dict[tuple[str, Place], Seen] = {}
        by_place: dict[Place, list[Text]] = {}
        for text in texts(content, budget):
            by_place.setdefault(text.place, []).append(text)
        for place, group in by_place.items():
            for seen in self._group(place, group):
                known = found.get((seen.signal, place))
                found[seen.signal, place] = seen if known is None else known._replace(times=known.times + seen.times)
        return Inspection(tuple(found.values())[:MOST], budget.cut)

    def target(self, uri: str) -> tuple[str, ...]:
        """The signals of a resource's URI."""
        return tuple(f"{name}:target" for name in paths.signals(uri))

    def _group(self, place: Place, group: list[Text]) -> Iterable[Seen]:
        whole = "\n\n".join(text.value for text in group)
        plain = group
        # Mostly there is nothing at all, which the joined texts say at one go.
        if not whole.isascii() or invisible.odd(whole):
            plain = [text._replace(value=invisible.plain(text.value)) for text in group]
            for text in group:
                for name in invisible.signals(text.value, place):
                    yield Seen(name, place, _at(text))
            whole = "\n\n".join(text.value for text in plain)
        yield from self._matched(place, whole, plain)
        if place == "arguments":
            for text in plain:
                found = paths.signals(text.value) + commands.signals(text.key, text.value)
                for name in found + addresses.signals(text.key, text.value):
                    yield Seen(name, place, _at(text))
        elif place == "tools" and paths.sensitive(whole):
            yield from (Seen("path:sensitive", place, _at(text)) for text in plain if paths.sensitive(text.value))
        if encoded.any_in(whole):
            yield from self._encoded(place, plain)

    def _encoded(self, place: Place, group: list[Text]) -> Iterable[Seen]:
        for text in group:
            for kind, inside in encoded.blobs(text.value):
                hidden = list(self._matched(place, inside, [text._replace(value=inside)])) if inside else []
                yield from hidden
                if hidden or place != "result":
                    yield Seen(f"encoded:{kind}", place, _at(text))

    def _matched(self, place: Place, whole: str, group: list[Text]) -> Iterable[Seen]:
        """What the patterns say of all texts together, and then in which of them."""
        screen = self._screen
        for number in screen.hits(whole):
            pattern = screen.patterns[number]
            if place not in pattern.places:
                continue
            count, at = 0, ""
            for text in group:
                if found := screen.count(number, text.value):
                    at = at or _at(text)
                    count += found
                    if not pattern.counted:
                        break
            if count:
                yield Seen(pattern.signal, place, at, count, pattern.counted)


def _at(text: Text) -> str:
    return clean(text.path, _PATH) or ""
