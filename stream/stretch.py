"""A stretch: the events of most bodies are consecutive numbers of one run, which says all of them at once."""

from collections.abc import Sequence
from typing import NamedTuple

from tocsin_audit.event import AuditEvent


class Stretch(NamedTuple):
    """The numbers `first` to `last` of one run of one producer."""

    producer: str
    run: str
    first: int
    last: int


def stretch_of(events: Sequence[AuditEvent]) -> Stretch | None:
    """The consecutive numbers of one run that events have; None where it is not so."""
    if not events:
        return None
    seq, producer, run = events[0].seq, events[0].producer, events[0].run
    if seq is None or producer is None or run is None:
        return None
    last = seq + len(events) - 1
    if (
        events[-1].seq == last
        and [event.seq for event in events] == [*range(seq, last + 1)]
        and [event.run for event in events].count(run) == len(events)
        and [event.producer for event in events].count(producer) == len(events)
    ):
        return Stretch(producer, run, seq, last)
    return None
