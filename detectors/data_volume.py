"""Unusual volumes of data: bursts within minutes and hours, and slow collection over days and weeks."""

from collections.abc import Mapping, Sequence
from typing import Final

from detectors.base import DATA, NOTHING, Cell, Entity, Kind, Measure, Spec, event_id
from detectors.keys import group
from detectors.parts.keyed import number
from detectors.volume_documentation import DOCUMENTATION, TECHNIQUES
from detectors.volume_explain import explain
from detectors.volume_findings import Judged, Observed, finding
from detectors.volume_group import Group
from detectors.volume_judging import (
    DAY,
    FIVE,
    HOUR,
    HOURS_HELD,
    LARGEST,
    LEVEL,
    MINUTES_HELD,
    NAME,
    WINDOW,
    Judging,
    Principal,
    State,
)
from detectors.volume_parameters import PARAMETERS, Limits
from detectors.volume_usage import (
    BYTES,
    CALLS,
    EVIDENCE,
    MEASURES,
    NEVER,
    RESOURCES,
    ROWS,
    WORD,
    WORDS,
    Hour,
    distinct,
)
from stream.facts import Facts, group_id
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

_SPOT_BITS: Final = WORDS.bit_length() - 1
_EXACT: Final = frozenset({None, "exact"})


class DataVolume(Judging):
    """Flags volumes that neither the principal's own past nor its peers' present explain."""

    spec = Spec(
        name=NAME,
        version="1.0.0",
        by=("principal", "population", "tenant"),
        cells=(FIVE, HOUR, DAY),
        classes=("volume_burst", "volume_slow"),
        wants={"principal": DATA, "population": DATA, "tenant": DATA},
        parameters=PARAMETERS,
        techniques=TECHNIQUES,
        warm_up={"volume_burst": "volume", "volume_slow": "volume"},
        documentation=DOCUMENTATION,
    )

    def __init__(self, parameters: Mapping[str, float] | None = None) -> None:
        super().__init__(parameters)
        self._limits = Limits(self.parameters)

    def start(self, kind: Kind) -> State:
        """An empty principal, or an empty group for the kinds that hold peers."""
        return Principal() if kind == "principal" else Group()

    def step(self, state: State, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Count one answer; a burst is told as soon as an hour or five minutes pass their frozen bound."""
        size = event.response_bytes
        sized = size is not None and event.bytes_quality in _EXACT
        if not size:
            size = 0
        elif not 0 < size <= LARGEST:
            size = 0 if size < 0 else LARGEST
        rows = event.rows
        if not rows:
            rows = 0
        elif not 0 < rows <= LARGEST:
            rows = 0 if rows < 0 else LARGEST
        minute = int(event.time) // 60
        if isinstance(state, Group):
            member = number(event.user or event.client or event.agent or "")
            if member <= state.ceiling and not event.late:
                state.add(minute // 5, member, size, rows)
            return NOTHING
        hour = minute // 60
        cell = state.hours.get(hour)
        if cell is None:
            cell = self._open(state, entity, event, hour, facts)
            if cell is None:
                return NOTHING
        elif event.client != cell.client and cell.words:
            _join(cell, event, facts)
        counts = state.minutes.get(minute)
        if event.late:
            late = cell.late or [0, 0, 0]
            cell.late = [late[0] + 1, late[1] + size, late[2] + rows]
            if minute < int(facts.clock - MINUTES_HELD) // 60:
                cell.calls += 1
                cell.size += size
                cell.rows += rows
                return NOTHING
        if counts is None:
            counts = state.minutes[minute] = [1, size, rows]
            cell.minutes += 1
        else:
            counts[0] += 1
            counts[1] += size
            counts[2] += rows
        cell.calls = calls = cell.calls + 1
        cell.size += size
        cell.rows += rows
        if not sized:
            cell.unsized += 1
        words = cell.words
        if words:
            target = event.target or ""
            spot = number(event.args_hash or target)
            index = spot & (WORDS - 1)
            bit = 1 << ((spot >> _SPOT_BITS) % WORD)
            if not words[index] & bit:
                words[index] |= bit
                cell.spots += 1
                cell.tools |= 1 << (number(target) % WORD)
        gates = cell.gates
        if (calls > gates[8] or size > gates[9]) and len(cell.ids) < EVIDENCE:
            cell.ids.append(event_id(event))
        if counts[0] >= gates[10] or counts[1] >= gates[11] or counts[2] >= gates[12]:
            state.hot = max(state.hot, minute)
        elif (
            state.hot < minute - WINDOW
            and calls < gates[0]
            and cell.size < gates[1]
            and cell.rows < gates[2]
            and cell.spots < gates[4]
        ):
            return NOTHING
        return self._burst(state, entity, event, hour, minute, facts)

    def settle(self, state: State, entity: Entity, cell: Cell, facts: Facts) -> Sequence[Finding]:
        """Judge the hour that ends with five minutes, eight and 24 hours with an hour, and the week with a day."""
        if isinstance(state, Group):
            if cell.seconds == FIVE:
                state.settle_five(cell.start // FIVE)
            elif cell.seconds == HOUR:
                state.settle_hour(cell.start // HOUR)
            else:
                state.settle_day(cell.start // DAY)
            return NOTHING
        if cell.seconds == FIVE:
            return self._settle_five(state, entity, cell, facts)
        if cell.seconds == HOUR:
            return self._settle_hour(state, entity, cell, facts)
        return self._settle_day(state, entity, cell, facts)

    def summary(self, state: State, entity: Entity, cell: Cell) -> tuple[int, ...] | None:  # noqa: ARG002  # the state knows which cell closed last
        """How a group's members moved (count and octaves/256 for calls and bytes), or after a day what is usual."""
        return tuple(state.told) if isinstance(state, Group) and state.told else None

    def merge(self, state: State, partial: State, entity: Entity, facts: Facts) -> Sequence[Finding]:  # noqa: ARG002  # groups find nothing
        """Add what another worker counted of a group."""
        assert isinstance(state, Group)
        assert isinstance(partial, Group)
        state.merge(partial)
        return NOTHING

    def rest(self, state: State, clock: float) -> None:
        """Drop the open cells that no late event can reach any more."""
        if isinstance(state, Principal):
            _drop(state, clock)
            if not state.hours:
                state.opening = []
                state.hot = 0

    def explain(self, state: State, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Measure]:
        """The event's hour and its five minutes against the bounds frozen before them."""
        if isinstance(state, Group):
            return ()
        expected = self._expectation(state.closed, entity, int(event.time) // HOUR, facts)
        return tuple(explain(state.minutes, state.hours, expected, event, WINDOW))

    # Bursts, while their hour is open.

    def _open(self, state: Principal, entity: Entity, event: AuditEvent, hour: int, facts: Facts) -> Hour | None:
        if hour * HOUR < facts.clock - HOURS_HELD:
            return None
        _drop(state, facts.clock)
        opening = state.opening
        gates = opening[1:] if opening and hour <= opening[0] else self._gates(state, entity, hour, facts)
        cell = state.hours[hour] = Hour(gates)
        _join(cell, event, facts)
        return cell

    def _burst(
        self, state: Principal, entity: Entity, event: AuditEvent, hour: int, minute: int, facts: Facts
    ) -> Sequence[Finding]:
        findings: list[Finding] = []
        ends = [end for end in range(minute, minute + WINDOW) if end in state.minutes]
        for at in sorted({hour, *(end // 60 for end in ends)}):
            cell = state.hours.get(at)
            while cell is not None and cell.gates and (observed := self._passed(state, cell, at, ends)) is not None:
                cell.told += 1
                cell.gates = [min(NEVER, gate * LEVEL) for gate in cell.gates[:MEASURES]] + cell.gates[MEASURES:]
                ids = cell.ids if event_id(event) in cell.ids else [*cell.ids[: EVIDENCE - 1], event_id(event)]
                expected = self._expectation(state.closed, entity, at, facts)
                judged = Judged("volume_burst", at, cell.told, "high", observed, expected, 0.0, 0)
                findings.append(finding(self.spec, entity, judged, cell, time=event.time, ids=ids, late=event.late))
        return findings

    def _passed(self, state: Principal, cell: Hour, hour: int, ends: Sequence[int]) -> Observed | None:
        """The measure of an hour, or of five minutes that end in it, that is beyond the bound of the next level."""
        gates = cell.gates
        amounts = (cell.calls, cell.size, cell.rows, 0, cell.spots)
        for measure in (ROWS, CALLS, BYTES, RESOURCES):
            if amounts[measure] >= gates[measure]:
                amount, bound = amounts[measure], gates[measure]
                if measure == RESOURCES:
                    amount, bound = distinct(amount), distinct(bound)
                return Observed(measure, amount, bound, hour * HOUR, HOUR)
        for end in ends:
            if end // 60 == hour:
                window = [counts for at in range(end - WINDOW + 1, end + 1) if (counts := state.minutes.get(at))]
                for measure in (ROWS, CALLS, BYTES):
                    total = sum(counts[measure] for counts in window)
                    bound = gates[MEASURES + measure] * LEVEL**cell.told
                    if total >= bound:
                        return Observed(measure, total, bound, (end - WINDOW + 1) * 60, WINDOW * 60)
        return None


def _join(cell: Hour, event: AuditEvent, facts: Facts) -> None:
    cell.client = event.client or ""
    key = group(event, facts)
    if key is not None:
        joined = group_id(key)
        cell.group = min(cell.group, joined) if cell.group else joined


def _drop(state: Principal, clock: float) -> None:
    oldest = int(clock - MINUTES_HELD) // 60
    for minute in [minute for minute in state.minutes if minute < oldest]:
        del state.minutes[minute]
    for hour, cell in state.hours.items():
        if hour * 60 + 60 <= oldest:
            cell.shrink()
    oldest = int(clock - HOURS_HELD) // HOUR
    for hour in [hour for hour in state.hours if hour < oldest]:
        del state.hours[hour]


DETECTOR: Final = DataVolume
