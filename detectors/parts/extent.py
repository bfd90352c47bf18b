"""From when to when something went on, how often, and a few event ids and names that show it."""

from collections.abc import Iterable
from typing import Any, Final

from detectors.base import event_id
from tocsin_audit.event import AuditEvent

IDS: Final = 6
"""Event ids that one cell keeps; a finding gathers up to 20 from its cells."""
NAMES: Final = 4
"""Different sources, servers and callers that one cell keeps in words."""
WIDTH: Final = 160
"""Characters of a name that are kept."""


class Extent:
    """Count, first and last event time, and samples. Count and times commute; which samples are kept may differ."""

    __slots__ = ("actors", "count", "first", "ids", "last", "late", "servers", "sources")

    def __init__(self) -> None:
        self.count = 0
        self.first = 0.0
        self.last = 0.0
        self.late = 0
        # Tuples, since most hold one name or none and there are very many.
        self.ids: tuple[str, ...] = ()
        self.sources: tuple[str, ...] = ()
        self.servers: tuple[str, ...] = ()
        self.actors: tuple[str, ...] = ()

    def add(self, event: AuditEvent) -> None:
        """Count an event."""
        time = event.time
        if not self.count:
            self.first = self.last = time
        elif time < self.first:
            self.first = time
        elif time > self.last:
            self.last = time
        self.count += 1
        self.late += event.late
        if len(self.ids) < IDS:
            self.ids = (*self.ids, event_id(event))
        # Mostly the names are there already.
        if (source := event.source_ip) is not None and source not in self.sources:
            self.sources = _kept(self.sources, source)
        if (server := event.server) not in self.servers:
            self.servers = _kept(self.servers, server)
        if (actor := event.user or event.client or event.agent) is not None and actor not in self.actors:
            self.actors = _kept(self.actors, actor)

    def update(self, other: "Extent") -> None:
        """Count all that another counted."""
        if not other.count:
            return
        self.first = min(self.first, other.first) if self.count else other.first
        self.last = max(self.last, other.last)
        self.count += other.count
        self.late += other.late
        self.ids = (*self.ids, *[one for one in other.ids if one not in self.ids][: IDS - len(self.ids)])
        for source in other.sources:
            self.sources = _kept(self.sources, source)
        for server in other.servers:
            self.servers = _kept(self.servers, server)
        for actor in other.actors:
            self.actors = _kept(self.actors, actor)

    def pack(self) -> Any:
        """Nothing where nothing was counted, else the attributes in a fixed order."""
        if not self.count:
            return None
        return [self.count, self.first, self.last, self.late, self.ids, self.sources, self.servers, self.actors]

    @classmethod
    def unpack(cls, packed: Any) -> "Extent":
        """The part that `pack` wrote."""
        made = cls()
        if packed is None:
            return made
        made.count, made.first, made.last, made.late = packed[:4]
        made.ids, made.sources, made.servers, made.actors = (tuple(names) for names in packed[4:])
        return made


class Evidence:
    """What a finding shows of several extents: the whole count and time, up to 20 event ids, up to 20 of each name."""

    def __init__(self, extents: Iterable[Extent]) -> None:
        listed = [extent for extent in extents if extent.count]
        self.count = sum(extent.count for extent in listed)
        self.late = sum(extent.late for extent in listed)
        self.first = min((extent.first for extent in listed), default=0.0)
        self.last = max((extent.last for extent in listed), default=0.0)
        self.ids = [one for extent in listed for one in extent.ids]
        self.sources = _distinct(extent.sources for extent in listed)
        self.servers = _distinct(extent.servers for extent in listed)
        self.actors = _distinct(extent.actors for extent in listed)

    def add(self, event: AuditEvent) -> None:
        """Put one more event in front, such as the success at the end."""
        self.count += 1
        self.late += event.late
        self.first = min(self.first, event.time) if self.count > 1 else event.time
        self.last = max(self.last, event.time)
        self.ids.insert(0, event_id(event))


def _kept(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    if len(names) >= NAMES:
        return names
    short = name[:WIDTH]
    return names if short in names else (*names, short)


def _distinct(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({name for names in lists for name in names})[:20])
