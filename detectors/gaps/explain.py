"""Where the counters of a producer stand against their bounds, for people who ask why nothing was told."""

from collections.abc import Sequence

from detectors.base import Measure
from detectors.gaps.producer import HOUR, QUARTER, Producer
from detectors.gaps.server import Server
from detectors.gaps.silence import SilenceView
from stream.facts import Facts
from tocsin_audit.event import AuditEvent


def explain_producer(
    state: Producer, event: AuditEvent, facts: Facts, view: SilenceView, least: float, restarts: float, skewed: float
) -> Sequence[Measure]:
    """Silence, missing numbers, restarts and clock of a producer."""
    due = view.due(state)
    bound = due - max(state.heard, state.excused) if due is not None else None
    note = (
        "its heartbeats" if state.interval else "its own rhythm" if bound is not None else "its rhythm is not known yet"
    )
    measures = [Measure("seconds since it was heard", max(0.0, facts.clock - state.heard), bound, "seconds", note=note)]
    if event.seq is not None:
        missing = sum(run.numbers.missing() for run in state.runs.values())
        measures.append(
            Measure("numbers missing", missing, least, "numbers", note="told from the first on as a notice")
        )
    lives = state.quarters.get(int(event.time) // QUARTER)
    if lives is not None:
        measures.append(
            Measure("runs of a quarter of an hour", len(lives.runs), restarts, "runs", QUARTER, "brief ones")
        )
    hour = state.hours.get(int(event.time) // HOUR)
    if hour is not None:
        measures.append(Measure("events from the future", hour.skewed, skewed, "events", HOUR))
    return measures


def explain_server(state: Server, event: AuditEvent, least: float) -> Sequence[Measure]:
    """How often an unlisted server was seen, and the calls of the hour by vantage point."""
    measures = []
    if state.days:
        count = state.days.get(int(event.time) // HOUR // 24, 0)
        measures.append(Measure("events of an unlisted server", count, least, "events", 24 * HOUR))
    calls = state.hours.get(int(event.time) // HOUR)
    if calls is not None and calls.echoed:
        measures.append(
            Measure("calls that another vantage point counts", calls.echoed, calls.counted, "calls", HOUR, "compared")
        )
    return measures
