"""Settling: every closed cell of every entity once, in order, in slices that hold up no frame."""

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.base import AnyDetector, Cell, Kind
from detectors.engine.due import Due, Unit
from detectors.engine.limits import PER_FRAME, PER_TICK, SHARE
from detectors.engine.live import LATENESS, Live
from detectors.engine.outlet import Outlet
from detectors.engine.table import HOUR, Table
from detectors.engine.warmup import Warmup
from detectors.keys import Raw
from stream.control import PeerSummary
from stream.facts import Facts


class Settling:
    """Which cells of which entities are open, and what happens when they close.

    Kinds that tell their members how they moved are settled at once, so that no member settles without knowing it; all
    others in slices. An entity is settled before it gets another event. What principals' closed cells tell their groups
    is merged when the cell closes, the earliest cell first. `caps` bounds the entities of a kind, as in `limits`.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        facts: Facts,
        outlet: Outlet,
        warmup: Warmup,
        caps: Mapping[Kind, tuple[int, int]],
    ) -> None:
        self.facts = facts
        self._caps = caps
        self._kinds = {table.kind: table for table in tables}
        self._tables = {table.rank: table for table in tables}
        self._outlet = outlet
        self._warmup = warmup
        self._groups = Due()
        self._members = Due()
        self._tellers = Due()
        self._due = {table.rank: self._groups if any(table.tells) else self._members for table in tables}
        self._telling = {
            length: bits
            for table in tables
            if table.kind == "principal"
            for length in table.lengths
            if (bits := sum(1 << i for i, one in enumerate(table.detectors) if one.spec.tells == length))
        }

    @property
    def backlog(self) -> int:
        """Settlings of closed cells that wait for their slice."""
        return self._groups.backlog + self._members.backlog

    def advance(self, *, idle: bool) -> None:
        """The clock moved: close cells, settle a slice; a larger one where there is nothing else to do."""
        clock = self.facts.clock
        self._members.close(clock)
        self._tell(clock)
        self._settle_groups(clock)
        self._slice(self._members, self._members.backlog // SHARE + (PER_TICK if idle else PER_FRAME))

    def touch(self, table: Table, live: Live, time: float, stamp: int, bits: int) -> None:
        """What an event does to an entity before detectors see it, once for each of its cells and the clock's minutes.

        Cells are whole minutes long, so that no settling can come due while the clock's minute stays.
        """
        clock = self.facts.clock
        if live.copying:
            table.copies.before_change(live)
        while live.due <= clock:
            self._settle(table, live, min(live.pending))
        known = live.stamp if live.stamp >= 0 else ~live.stamp
        if known >> 32 == stamp >> 32:
            if not bits & ~live.bits:
                # Another minute of the same cells: they were opened, and the states made ready, by an earlier event.
                live.stamp = stamp
                live.seen = stamp & 0xFFFFFFFF
                if not live.dirty:
                    table.touch(live)
                return
        else:
            live.bits = 0
        table.make_ready(live, bits)
        live.stamp = stamp
        live.bits |= bits
        live.seen = stamp & 0xFFFFFFFF
        table.touch(live)
        self._open(table, live, int(time), bits, clock)

    def _open(self, table: Table, live: Live, moment: int, bits: int, clock: float) -> None:
        pending = live.pending
        for number, seconds in enumerate(table.lengths):
            if not bits & table.masks[number]:
                continue
            end = moment - moment % seconds + seconds
            if end + LATENESS <= clock:
                continue
            code = end << 4 | number
            known = pending.get(code)
            if known is None:
                pending[code] = bits
                self._due[table.rank].register(end, seconds, table.rank, live.id)
                if seconds in self._telling and table.kind == "principal":
                    self._tellers.register(end, seconds, table.rank, live.id)
                if end + LATENESS < live.due:
                    live.due = end + LATENESS
            elif bits & ~known:
                pending[code] = known | bits
            elif table.nested:
                break  # whoever was stepped in a cell was stepped in the longer ones around it

    def restored(self) -> None:
        """Find again what still has to be settled of the entities in the tables."""
        for table in self._tables.values():
            due = self._due[table.rank]
            for identity, code in table.waiting():
                end, seconds = code >> 4, table.lengths[code & 15]
                due.register(end, seconds, table.rank, identity)
                if seconds in self._telling and table.kind == "principal" and end + LATENESS > self.facts.clock:
                    self._tellers.register(end, seconds, table.rank, identity)
        self._groups.close(self.facts.clock)
        self._members.close(self.facts.clock)

    def _settle_groups(self, clock: float) -> None:
        self._groups.close(clock)
        self._slice(self._groups, self._groups.backlog)

    def _tell(self, clock: float) -> None:
        """Merge what principals' closed cells tell into their groups, and settle these before the next cell."""
        tellers = self._tellers
        tellers.close(clock)
        before = 0
        while (unit := tellers.take()) is not None:
            tellers.settled()
            if unit.end != before:
                self._settle_groups(before + LATENESS)
                before = unit.end
            table = self._tables[unit.rank]
            live = table.borrow(unit.identity)
            if live is None:
                continue
            late = False
            while live.pending and min(live.pending) >> 4 < unit.end:
                self._settle(table, live, min(live.pending))
                late = True
            self._ask(table, live, Cell(unit.seconds, unit.end - unit.seconds))
            if late:
                table.give_back(live, clock)

    def _ask(self, table: Table, live: Live, cell: Cell) -> None:
        table.copies.before_change(live)
        bits = live.pending.get(cell.end << 4 | table.lengths.index(cell.seconds), 0) & self._telling[cell.seconds]
        for index, detector in enumerate(table.detectors):
            if not bits >> index & 1:
                continue
            try:
                told = detector.tell(table.state(live, index), live.entity, cell, self.facts)
                for kind, raw, partial in told:
                    self._merge(self._kinds[kind], detector, raw, partial, cell)
            except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                self._outlet.failed(detector.spec, error, cell.end)

    def _merge(self, table: Table, detector: AnyDetector, raw: Raw, partial: Any, cell: Cell) -> None:
        live = table.live.get(raw)
        if live is None:
            identity, live = table.find(raw, self.facts.clock)
            if live is None:
                if table.count >= self._caps[table.kind][0]:
                    return  # a group too many: its members are judged by their tenant's movement
                live = table.add(raw, identity, self.facts.clock)
        table.copies.before_change(live)
        index = table.detectors.index(detector)
        self._open(table, live, cell.start, 1 << index, cell.end)
        live.seen = int(self.facts.clock) // 60
        table.touch(live)
        raised = detector.merge(table.state(live, index), partial, live.entity, self.facts)
        if raised:
            self._outlet.emit(detector.spec, live, raised, cell)

    def _slice(self, due: Due, limit: int) -> None:
        for _ in range(limit):
            if not due.backlog:
                return
            unit = due.take()
            while unit is not None and not self._done(unit):
                unit = due.take()

    def _done(self, unit: Unit) -> bool:
        table = self._tables[unit.rank]
        live = table.borrow(unit.identity)
        code = unit.end << 4 | table.lengths.index(unit.seconds)
        if live is None or code not in live.pending:
            return False
        self._settle(table, live, code)
        table.give_back(live, self.facts.clock)
        return True

    def _settle(self, table: Table, live: Live, code: int) -> None:
        table.copies.before_change(live)
        bits = live.pending.pop(code)
        live.plan_due()
        self._due[table.rank].settled()
        seconds = table.lengths[code & 15]
        cell = Cell(seconds, (code >> 4) - seconds)
        if seconds == HOUR and bits & table.volume:
            self._warmup.hour(live, cell.start)
        for index, detector in table.settlers[code & 15]:
            if not bits >> index & 1:
                continue
            try:
                state = table.state(live, index)
                raised = detector.settle(state, live.entity, cell, self.facts)
                values = detector.summary(state, live.entity, cell) if table.tells[index] else None
            except Exception as error:  # noqa: BLE001  # a detector's fault, whatever it is, must not stop the others
                self._outlet.failed(detector.spec, error, cell.end)
                continue
            if raised:
                self._outlet.emit(detector.spec, live, raised, cell)
            if values is not None:
                self._learn(PeerSummary(detector.spec.name, live.entity.key, seconds, cell.start, values))

    def _learn(self, summary: PeerSummary) -> None:
        self.facts.learn(summary)
