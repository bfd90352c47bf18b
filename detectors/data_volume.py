"""Unusual volumes of data: bursts within minutes and hours, and slow collection over days and weeks."""

from collections.abc import Sequence
from typing import Final

from detectors.base import DATA, NOTHING, Cell, Entity, Kind, Measure, Spec, event_id
from detectors.keys import Raw
from detectors.parts.keyed import number
from detectors.volume.documentation import DOCUMENTATION, TECHNIQUES
from detectors.volume.explain import explain
from detectors.volume.findings import Judged, Observed, finding
from detectors.volume.group import Group, Told
from detectors.volume.judging import FIVE, LARGEST, Judging
from detectors.volume.minutes import WINDOW, Minutes
from detectors.volume.parameters import PARAMETERS
from detectors.volume.peers import DAY, NAME, groups_of
from detectors.volume.principal import HOUR, HOURS_HELD, LARGEST_ROOM, MINUTES_HELD, Principal
from detectors.volume.usage import (
    BITS,
    BYTES,
    CALLS,
    EVIDENCE,
    MASKS,
    MEASURES,
    RESOURCES,
    ROWS,
    TOOL_BITS,
    Hour,
    distinct,
    gate_amounts,
)
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

_EXACT: Final = (None, "exact")


class DataVolume(Judging):
    """Flags volumes that neither the principal's own past nor its peers' present explain."""

    spec = Spec(
        name=NAME,
        version="1.0.0",
        by=("principal", "population", "tenant"),
        cells=(FIVE, HOUR, DAY),
        classes=("volume_burst", "volume_slow"),
        wants={"principal": DATA, "population": 0, "tenant": 0},
        tells=FIVE,
        parameters=PARAMETERS,
        techniques=TECHNIQUES,
        warm_up={"volume_burst": "volume", "volume_slow": "volume"},
        documentation=DOCUMENTATION,
        state_version=4,
    )

    def start(self, kind: Kind) -> Principal | Group:
        """An empty principal, or an empty group for the kinds that hold peers."""
        return Principal() if kind == "principal" else Group()

    def step(self, state: Principal, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Count one answer; a burst is told as soon as an hour or five minutes pass their frozen bound.

        Within the open minute an answer only counts down the room that is left below the nearest bound.
        """
        if event.time // 60 == state.minute and event.client == state.via and not event.late:
            what = event.args_hash or event.target
            spots = 0
            if what != state.what:
                state.what = what
                cell = state.cell
                mask = MASKS[number(what or "") % BITS]
                if not cell.bits & mask:
                    _mark(cell, mask, event)
                    spots = cell.spots - state.most_spots + 1
            size = event.response_bytes or 0
            rows = event.rows or 0
            calls = state.calls - 1
            if (
                calls > 0
                and 0 <= size < state.size
                and size <= state.most_size
                and 0 <= rows < state.rows
                and spots <= 0
            ):
                state.calls = calls
                state.size -= size
                state.rows -= rows
                if event.bytes_quality not in _EXACT or event.response_bytes is None:
                    state.unsized += 1
                return NOTHING
        return self._count(state, entity, event, facts)

    def tell(
        self, state: Principal, entity: Entity, cell: Cell, facts: Facts
    ) -> Sequence[tuple[Kind, Raw, Principal | Group | Told]]:
        """What the five minutes held, for the principal's tenant and its peer group; what came late is left out."""
        state.flush()
        calls, size, rows, _ = state.minutes.window(cell.end // 60 - 1, FIVE // 60)
        if not calls:
            return ()
        told = Told(cell.start // FIVE, number("".join(entity.names.values())), calls, size, rows)
        return [(kind, raw, told) for kind, raw in groups_of(entity, state.client, facts)]

    def settle(self, state: Principal | Group, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Judge the hour that ends with five minutes, eight and 24 hours with an hour, and the week with a day."""
        if isinstance(state, Group):
            if cell.seconds == FIVE:
                state.settle_five(cell.start // FIVE)
            elif cell.seconds == HOUR:
                state.settle_hour(cell.start // HOUR)
            else:
                state.settle_day(cell.start // DAY)
            return NOTHING
        state.flush()
        if cell.seconds == FIVE:
            return self._settle_five(state, entity, cell, facts)
        if cell.seconds == HOUR:
            return self._settle_hour(state, entity, cell, facts)
        return self._settle_day(state, entity, cell, facts)

    def summary(self, state: Group, entity: Entity, cell: Cell) -> tuple[int, ...] | None:  # noqa: ARG002  # the state knows which cell closed last
        """How a group's members moved (count and octaves/256 for calls and bytes), or after a day what is usual."""
        return tuple(state.told) or None

    def merge(self, state: Group, partial: Told, entity: Entity, facts: Facts) -> Sequence[Finding]:  # noqa: ARG002  # groups find nothing
        """Add what a member told of five minutes."""
        state.add(Told(*partial))  # from another worker it comes as a plain list
        return NOTHING

    def rest(self, state: Principal | Group, clock: float) -> None:
        """Drop the open cells that no late event can reach any more."""
        if isinstance(state, Principal):
            state.drop(clock)

    def explain(self, state: Principal | Group, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Measure]:
        """The event's hour and its five minutes against the bounds frozen before them."""
        if isinstance(state, Group):
            return ()
        return tuple(explain(state, self._expectation(state, entity, int(event.time) // HOUR, facts), event))

    # Bursts, while their hour is open.

    def _count(self, state: Principal, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Count an answer that opens a minute or uses up the room below a bound."""
        state.flush()
        size, rows = event.response_bytes or 0, event.rows or 0
        if not (0 <= size <= LARGEST and 0 <= rows <= LARGEST):
            size, rows = min(max(0, size), LARGEST), min(max(0, rows), LARGEST)
        minute = int(event.time) // 60
        hour = minute // 60
        cell = state.hours.get(hour)
        new = cell is None
        if cell is None:
            cell = self._open(state, entity, hour, facts)
            if cell is None:
                return NOTHING
        cell.add(1, size, rows)
        if event.response_bytes is None or event.bytes_quality not in _EXACT:
            cell.unsized += 1
        ring = state.minutes
        if event.late:
            late = cell.late or (0, 0, 0)
            cell.late = (late[0] + 1, late[1] + size, late[2] + rows)
            state.close_minute()
            if minute < int(facts.clock - MINUTES_HELD) // 60:
                return NOTHING
            if state.lates is None:
                state.lates = Minutes()
            ring = state.lates
        other = state.lates if ring is state.minutes else state.minutes
        if ring.add(minute, 1, size, rows) and (other is None or minute not in other):
            cell.minutes += 1
        if cell.bits or new:
            client = event.client or ""
            if client != cell.client:
                cell.client = min(cell.client or client, client or cell.client)
            what = event.args_hash or event.target or ""
            mask = MASKS[number(what) % BITS]
            if not cell.bits & mask:
                _mark(cell, mask, event)
        if not cell.gates:
            return NOTHING
        gates = gate_amounts(cell.gates)
        if len(cell.ids) < EVIDENCE and (cell.calls >= _shown_at(cell, gates) or size > gates[9]):
            cell.ids = (*cell.ids, event_id(event))
        calls, left, fewer = self._room(state, cell, minute)
        spots = gates[RESOURCES] << 2 * cell.told
        findings: Sequence[Finding] = NOTHING
        if calls <= 0 or left <= 0 or fewer <= 0 or cell.spots >= spots:
            findings = self._burst(state, entity, event, hour, minute, facts)
            calls, left, fewer = self._room(state, cell, minute)
            spots = gates[RESOURCES] << 2 * cell.told
        if event.late:
            return findings
        if minute < state.minute and minute != state.past:
            # Where events of two minutes take turns, the later one stays open; who keeps coming back has it changed.
            state.past = minute
            state.shrink_room(1, size, rows)
            return findings
        most = LARGEST
        if len(cell.ids) < EVIDENCE:
            calls = min(calls, max(_shown_at(cell, gates) - cell.calls, 1))
            most = gates[9]
        if calls > LARGEST_ROOM or left > LARGEST_ROOM or fewer > LARGEST_ROOM:
            calls, left, fewer = min(calls, LARGEST_ROOM), min(left, LARGEST_ROOM), min(fewer, LARGEST_ROOM)
        state.minute, state.cell, state.most_spots, state.most_size = minute, cell, spots, most
        state.room = (calls, left, fewer)
        state.calls, state.size, state.rows = calls, left, fewer
        state.what, state.via = event.args_hash or event.target, event.client
        return findings

    def _open(self, state: Principal, entity: Entity, hour: int, facts: Facts) -> Hour | None:
        if hour * HOUR < facts.clock - HOURS_HELD:
            return None
        state.drop(facts.clock)
        opening = state.opening
        kept = opening is not None and hour <= opening[0]
        gates = opening[1] if opening is not None and kept else self._gates(state, entity, hour, facts)
        if not kept:
            state.opening = None
        cell = state.hours[hour] = Hour(gates)
        return cell

    def _room(self, state: Principal, cell: Hour, minute: int) -> tuple[int, int, int]:
        """By how much the hour, and every five minutes that contain the minute, lie below their bounds."""
        gates, told = gate_amounts(cell.gates), 2 * cell.told
        calls = (gates[CALLS] << told) - cell.calls
        size = (gates[BYTES] << told) - cell.size
        rows = (gates[ROWS] << told) - cell.rows
        hour = minute // 60
        for end in self._ends(state, minute):
            at = cell if end // 60 == hour else state.hours.get(end // 60)
            if at is None or not at.gates:
                continue
            bounds, told = gate_amounts(at.gates), 2 * at.told
            totals = state.window(end, WINDOW)
            calls = min(calls, (bounds[5] << told) - totals[CALLS])
            size = min(size, (bounds[6] << told) - totals[BYTES])
            rows = min(rows, (bounds[7] << told) - totals[ROWS])
        return calls, size, rows

    def _ends(self, state: Principal, minute: int) -> Sequence[int]:
        if state.lates is None:
            if state.minutes.cells[-4] == minute:
                return (minute,)
            return state.minutes.ends(minute)
        return sorted({*state.minutes.ends(minute), *state.lates.ends(minute)})

    def _burst(
        self, state: Principal, entity: Entity, event: AuditEvent, hour: int, minute: int, facts: Facts
    ) -> Sequence[Finding]:
        findings: list[Finding] = []
        ends = self._ends(state, minute)
        for at in sorted({hour, *(end // 60 for end in ends)}):
            cell = state.hours.get(at)
            while cell is not None and cell.gates and (observed := self._passed(state, cell, at, ends)) is not None:
                cell.told += 1
                this = event_id(event)
                ids = cell.ids if this in cell.ids else (*cell.ids[: EVIDENCE - 1], this)
                expected = self._expectation(state, entity, at, facts)
                judged = Judged("volume_burst", at, cell.told, "high", observed, expected, 0.0, 0)
                findings.append(finding(self.spec, entity, judged, cell, time=event.time, ids=ids, late=event.late))
        return findings

    def _passed(self, state: Principal, cell: Hour, hour: int, ends: Sequence[int]) -> Observed | None:
        """The measure of an hour, or of five minutes that end in it, that is beyond the bound of the next level."""
        gates = gate_amounts(cell.gates)
        told = 2 * cell.told
        amounts = (cell.calls, cell.size, cell.rows, 0, cell.spots)
        for measure in (ROWS, CALLS, BYTES, RESOURCES):
            amount, bound = amounts[measure], gates[measure] << told
            if amount >= bound:
                if measure == RESOURCES:
                    amount, bound = distinct(amount), distinct(bound)
                return Observed(measure, amount, bound, hour * HOUR, HOUR)
        for end in ends:
            if end // 60 == hour:
                totals = state.window(end, WINDOW)
                for measure in (ROWS, CALLS, BYTES):
                    bound = gates[MEASURES + measure] << told
                    if totals[measure] >= bound:
                        return Observed(measure, totals[measure], bound, (end - WINDOW + 1) * 60, WINDOW * 60)
        return None


def _shown_at(cell: Hour, gates: Sequence[int]) -> int:
    """The calls of an hour with which one more id is kept: spread from what is unusual up to the nearer bound.

    Nothing but the hour decides it, so that a restored state keeps the same ones.
    """
    return gates[8] + 1 + max(min(gates[CALLS], gates[5]) - gates[8], EVIDENCE) * len(cell.ids) // EVIDENCE


def _mark(cell: Hour, mask: int, event: AuditEvent) -> None:
    cell.bits |= mask
    cell.spots += 1
    cell.tools |= MASKS[number(event.target or "") % TOOL_BITS]


DETECTOR: Final = DataVolume
