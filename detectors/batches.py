"""Batches: the events of one frame by entity, for detectors that look at them all at once."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from detectors.base import Kind
from detectors.keys import Raw
from tocsin_audit.event import AuditEvent

Batch = tuple[Raw, Sequence[AuditEvent]]

_NAME: Final[dict[Kind, Callable[[AuditEvent], str | None]]] = {
    "producer": attrgetter("producer"),
    "server": attrgetter("server"),
}
KINDS: Final = frozenset(_NAME)
"""Kinds whose entities an event names in one field."""


def batches(kind: Kind, events: Sequence[AuditEvent], source: str) -> Iterable[Batch]:
    """The frame's events by the raw key of the kind, in the order of first mention; null keys are left out."""
    name: Any = _NAME[kind]
    names = [*map(name, events)]
    first = names[0]
    if names.count(first) == len(names):
        # Nearly every frame is one body of one producer.
        return [(_raw(kind, first, source), events)] if first else []
    found: dict[str, list[AuditEvent]] = {}
    for one, event in zip(names, events, strict=True):
        if one:
            found.setdefault(one, []).append(event)
    return [(_raw(kind, one, source), group) for one, group in found.items()]


def cells(events: Sequence[AuditEvent], seconds: int) -> Sequence[int]:
    """The numbers of the cells of a length that the events lie in, in order."""
    times = [event.time for event in events]
    first, last = int(min(times)) // seconds, int(max(times)) // seconds
    return (first,) if first == last else sorted({int(time) // seconds for time in times})


def _raw(kind: Kind, name: str, source: str) -> Raw:
    return (source, name) if kind == "producer" else name
