"""Alarms: entities that want to be looked at when a moment of the log's clock passes without an event of theirs.

Moments are taken one by one in their order, each as if the clock stood there: what is found does not depend on how
often the clock is told on, nor on what a restart forgot, since an alarm is a function of the state.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from detectors.base import Cell, Other, Watch
from detectors.engine.live import Live
from detectors.engine.outlet import Outlet
from detectors.engine.table import Table
from stream.facts import Facts

RETRY: Final = 1.0
"""Seconds after which one is looked at again whose state still names a moment that has passed."""


class Alarms:
    """Who is to be woken when, of the kinds that have a detector which asks for it."""

    def __init__(self, tables: Sequence[Table], outlet: Outlet) -> None:
        self._tables = {table.rank: table for table in tables if table.wakes}
        self._outlet = outlet
        self._heap: list[tuple[float, int, int]] = []
        self._armed: dict[tuple[int, int], float] = {}

    def arm(self, table: Table, live: Live) -> None:
        """Events of an entity were folded: it may have to be woken earlier than was known."""
        if table.rank in self._tables:
            moment = self._first(table, live)
            if moment is not None:
                self._set(table.rank, live.id, moment)

    def ring(self, clock: float, since: float, facts: Facts) -> None:
        """Wake whoever asked for a moment before the clock, which all events so far were received before."""
        while self._heap and self._heap[0][0] < clock:
            moment, rank, identity = heapq.heappop(self._heap)
            if self._armed.get((rank, identity)) != moment:
                continue
            del self._armed[rank, identity]
            table = self._tables[rank]
            live = table.borrow(identity)
            if live is None:
                continue
            due = self._first(table, live)
            if due is not None and due <= moment:
                self._wake(table, live, moment, since, facts)
                due = self._first(table, live)
            if due is not None:
                self._set(rank, identity, max(due, moment + RETRY) if due <= moment else due)

    def restored(self) -> None:
        """Find again who has to be woken, from the states in the tables."""
        for table in self._tables.values():
            for live in everyone(table):
                self.arm(table, live)

    def _set(self, rank: int, identity: int, moment: float) -> None:
        known = self._armed.get((rank, identity))
        if known is None or moment < known:
            self._armed[rank, identity] = moment
            heapq.heappush(self._heap, (moment, rank, identity))

    def _first(self, table: Table, live: Live) -> float | None:
        moments = [
            moment
            for index, detector in enumerate(table.detectors)
            if live.states[index] is not None and (moment := detector.alarm(table.state(live, index))) is not None
        ]
        return min(moments, default=None)

    def _wake(self, table: Table, live: Live, moment: float, since: float, facts: Facts) -> None:
        changed = {live.id: live}
        table.copies.before_change(live)
        for index, detector in enumerate(table.detectors):
            if live.states[index] is None:
                continue
            watch: Watch[Any] = Watch(
                moment, since, partial(_others, table, index, changed), partial(_change, table, changed)
            )
            try:
                raised = detector.wake(table.state(live, index), live.entity, watch, facts)
            except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                self._outlet.failed(detector.spec, error, moment)
                continue
            for finding in raised:
                # What began in imported history is observed only, though the log's clock passed it later.
                self._outlet.emit(detector.spec, live, (finding,), Cell(1, int(finding.start)))
        for one in changed.values():
            table.give_back(one, moment)


def everyone(table: Table) -> Iterator[Live]:
    """All entities of a table that is woken, the packed ones without a seat among the live."""
    for bucket in list(table.buckets.values()):
        yield from list(bucket.live.values())
        for identity, _ in bucket.quiet():
            live = table.borrow(identity)
            if live is not None:
                yield live


def _others(table: Table, index: int, changed: dict[int, Live]) -> Iterable[Other[Any]]:
    for live in everyone(table):
        known = changed.get(live.id, live)
        if known.states[index] is not None:
            yield Other(known.entity, table.state(known, index), known)


def _change(table: Table, changed: dict[int, Live], other: Other[Any]) -> None:
    live: Live = other.place
    if live.id not in changed:
        table.copies.before_change(live)
        changed[live.id] = live
