"""Where a principal's volumes stand after an event: its hour and its five minutes against the bounds frozen before."""

from collections.abc import Iterator, Mapping, Sequence

from detectors.base import Measure
from detectors.volume_expectation import Expectation
from detectors.volume_findings import basis
from detectors.volume_usage import BYTES, CALLS, MEASURES, MINUTES, NAMES, NEVER, RESOURCES, ROWS, Hour, distinct
from tocsin_audit.event import AuditEvent

HOUR = 3_600
UNITS = ("calls", "bytes", "rows", "minutes", "resources")


def explain(
    minutes: Mapping[int, Sequence[int]],
    hours: Mapping[int, Hour],
    expected: Expectation,
    event: AuditEvent,
    window: int,
) -> Iterator[Measure]:
    """The measures that an event bears on: what one hour counted, and the largest short window that holds it.

    `window` is the length of the short one in minutes. Bounds that no amount passes are left out.
    """
    minute = int(event.time) // 60
    cell = hours.get(minute // 60)
    if cell is None:
        yield Measure("calls", 0, None, "calls", HOUR, "it came too late to be counted")
        return
    gates = cell.gates
    if not gates:
        yield Measure("calls", cell.calls, None, "calls", HOUR, "too long ago: late events tell nothing")
        return
    told = f"; told {cell.told} times already, each time for four times as much" if cell.told else ""
    amounts = (cell.calls, cell.size, cell.rows, 0, cell.spots)
    for measure in range(MEASURES):
        bound = gates[measure]
        if measure != MINUTES and bound < NEVER:
            amount = distinct(amounts[measure]) if measure == RESOURCES else amounts[measure]
            bound = distinct(bound) if measure == RESOURCES else bound
            usual = expected.hour_amount(measure, minute // 60, 0.0)
            note = f"usually about {usual:,.0f}, by {basis(expected)}{told}"
            yield Measure(NAMES[measure], amount, bound, UNITS[measure], HOUR, note)
    for measure in (CALLS, BYTES, ROWS):
        bound = gates[MEASURES + measure]
        if bound < NEVER:
            most = max(
                sum(minutes[at][measure] for at in range(end - window + 1, end + 1) if at in minutes)
                for end in range(minute, minute + window)
            )
            yield Measure(NAMES[measure], most, bound, UNITS[measure], window * 60)
    if event.bytes_quality not in (None, "exact"):
        yield Measure("size of this answer", 0, None, "bytes", 0, f"its size is {event.bytes_quality}")
