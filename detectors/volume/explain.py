"""Where a principal's volumes stand after an event: its hour and its five minutes against the bounds frozen before."""

from collections.abc import Iterator

from detectors.base import Measure
from detectors.volume.expectation import Expectation
from detectors.volume.findings import basis
from detectors.volume.minutes import WINDOW
from detectors.volume.principal import HOUR, Principal
from detectors.volume.usage import (
    BYTES,
    CALLS,
    MEASURES,
    MINUTES,
    NAMES,
    NEVER,
    RESOURCES,
    ROWS,
    distinct,
    gate_amounts,
)
from tocsin_audit.event import AuditEvent

UNITS = ("calls", "bytes", "rows", "minutes", "resources")


def explain(state: Principal, expected: Expectation, event: AuditEvent) -> Iterator[Measure]:
    """The measures that an event bears on: what its hour counted, and the largest five minutes that hold it.

    Bounds that no amount passes are left out.
    """
    state.flush()
    minute = int(event.time) // 60
    cell = state.hours.get(minute // 60)
    if cell is None:
        yield Measure("calls", 0, None, "calls", HOUR, "it came too late to be counted")
        return
    if not cell.gates:
        yield Measure("calls", cell.calls, None, "calls", HOUR, "too long ago: late events tell nothing")
        return
    gates = gate_amounts(cell.gates)
    told = f"; told {cell.told} times already, each time for four times as much" if cell.told else ""
    amounts = cell.amounts()
    for measure in range(MEASURES):
        bound = gates[measure]
        if measure != MINUTES and bound < NEVER:
            bound = distinct(bound) if measure == RESOURCES else bound
            usual = expected.hour_amount(measure, minute // 60, 0.0)
            note = f"usually about {usual:,.0f}, by {basis(expected)}{told}"
            yield Measure(NAMES[measure], amounts[measure], bound, UNITS[measure], HOUR, note)
    windows = [state.window(end, WINDOW) for end in range(minute, minute + WINDOW)]
    for measure in (CALLS, BYTES, ROWS):
        bound = gates[MEASURES + measure]
        if bound < NEVER:
            yield Measure(NAMES[measure], max(one[measure] for one in windows), bound, UNITS[measure], WINDOW * 60)
    if event.bytes_quality not in (None, "exact"):
        yield Measure("size of this answer", 0, None, "bytes", 0, f"its size is {event.bytes_quality}")
