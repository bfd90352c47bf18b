"""A batch: events of one frame for those who look at them all at once, with what the frame's header says of all."""

from collections.abc import Sequence
from typing import NamedTuple

from stream.frame import Header
from stream.stretch import Stretch
from tocsin_audit.event import AuditEvent


class Batch(NamedTuple):
    """Some events of a frame, in its order.

    `first` and `last` bound their times in seconds; they are those of the frame, and so may lie further out. `late` and
    `skewed` say whether any event of the frame is. `stretch` is there where they are known to be just that.
    """

    events: Sequence[AuditEvent]
    first: float
    last: float
    late: bool
    skewed: bool
    stretch: Stretch | None = None

    def of(self, events: Sequence[AuditEvent]) -> "Batch":
        """Some of the events."""
        return self if events is self.events else self._replace(events=events, stretch=None)

    def cells(self, seconds: int) -> Sequence[int]:
        """The numbers of the cells of a length that the events lie in, in order."""
        first, last = int(self.first) // seconds, int(self.last) // seconds
        return (first,) if first == last else sorted({int(event.time) // seconds for event in self.events})

    def within(self, seconds: int, number: int) -> Sequence[AuditEvent]:
        """The events in one cell."""
        if int(self.first) // seconds == int(self.last) // seconds:
            return self.events
        return [event for event in self.events if int(event.time) // seconds == number]

    def fresh(self) -> "Batch":
        """Without the events that came late."""
        return self.of([event for event in self.events if not event.late]) if self.late else self


def batch_in(header: Header, events: Sequence[AuditEvent], stretch: Stretch | None = None) -> Batch:
    """Events of a frame with this header; where it does not say so, their times are looked at."""
    first, last = header.first, header.last
    if not last:
        times = [event.time for event in events]
        first, last = min(times), max(times)
    return Batch(events, first, last, bool(header.late), bool(header.skewed), stretch)


def batch_of(event: AuditEvent) -> Batch:
    """One event as a batch."""
    return Batch((event,), event.time, event.time, event.late, event.skewed)
