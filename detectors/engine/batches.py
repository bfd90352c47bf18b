"""Batches: the events of a frame by entity, for the detectors that look at them all at once."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

from detectors.base import AnyDetector, Kind
from detectors.batch import Batch
from detectors.engine.alarms import Alarms
from detectors.engine.live import Live
from detectors.engine.outlet import Outlet
from detectors.engine.settling import Settling
from detectors.engine.table import Table
from detectors.keys import Raw
from stream.facts import Facts
from tocsin_audit.event import AuditEvent

Concerned = tuple[Table, int, list[tuple[int, AnyDetector]]]
"""A table, the detectors that look at a frame at once as bits, and each with its index."""

_NAME: Final[dict[Kind, Callable[[AuditEvent], str | None]]] = {
    "producer": attrgetter("producer"),
    "server": attrgetter("server"),
}
"""Kinds whose entities an event names in one field."""


def batched_in(tables: Iterable[Table]) -> list[Concerned]:
    """The tables with detectors that look at a frame at once."""
    found = []
    for table in tables:
        batched = [(index, detector) for index, detector in enumerate(table.detectors) if detector.spec.batched]
        if batched:
            found.append((table, sum(1 << index for index, _ in batched), batched))
    return found


def groups(kind: Kind, batch: Batch, source: str) -> list[tuple[Raw, Sequence[AuditEvent]]]:
    """The events by the raw key of the kind, in the order of first mention; null keys are left out."""
    events = batch.events
    if kind == "producer" and batch.stretch is not None and batch.stretch.producer:
        return [(_raw(kind, batch.stretch.producer, source), events)]
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


def show(
    tables: Sequence[Concerned],
    whole: Batch,
    source: str,
    *,
    admit: Callable[[Table, Raw, AuditEvent, str], Live],
    settling: Settling,
    outlet: Outlet,
    alarms: Alarms,
    facts: Facts,
    shortest: int,
) -> None:
    """Fold what is new of a frame, entity by entity; `shortest` is the length of the engine's shortest cell."""
    minute = int(facts.clock) // 60
    for table, bits, detectors in tables:
        for raw, events in groups(table.kind, whole, source):
            live = table.live.get(raw)
            if live is None:
                live = admit(table, raw, events[0], source)
            batch = whole.of(events)
            for number in batch.cells(shortest):
                settling.touch(table, live, number * shortest, number << 32 | minute, bits)
            for index, detector in detectors:
                try:
                    raised = detector.batch(live.states[index], live.entity, batch, facts)
                except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                    outlet.failed(detector.spec, error, events[-1].time)
                    continue
                if raised:
                    outlet.emit(detector.spec, live, raised)
            alarms.arm(table, live)


def _raw(kind: Kind, name: str, source: str) -> Raw:
    return (source, name) if kind == "producer" else name
