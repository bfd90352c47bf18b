"""From an OTLP log record to events: its body is a line of some other format, or its attributes are an access log."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from collector.format import UNTIMED, Format, RecordError
from collector.mapping.files import load_mapped
from collector.parts.otlp import Telemetry
from collector.parts.spans import sample_rate, span_event
from tocsin_audit.event import AuditEvent, seconds

_GATEWAY: Final = "agentgateway"


def log_events(record: Telemetry, auto: Format) -> Sequence[AuditEvent]:
    """The events of one log record; none where it is about something else. Raises RecordError.

    `auto` reads the lines that collectors of files put into a body.
    """
    line = _line(record.body)
    if line and auto.fits(line):
        return _stamped(auto.parse(line), record)
    seen = record.attributes
    if "http.status" in seen and ("gateway" in seen or "listener" in seen):
        return _stamped(load_mapped(_GATEWAY).events(_with_time(seen, record)), record)
    event = span_event(record)
    return () if event is None else (event,)


def _line(body: Any) -> bytes:
    if isinstance(body, str):
        try:
            return body.strip().encode()
        except UnicodeEncodeError:
            return b""
    return msgspec.json.encode(body) if isinstance(body, Mapping) and body else b""


def _with_time(seen: Mapping[str, Any], record: Telemetry) -> Mapping[str, Any]:
    if "time" in seen:
        return seen
    if not record.start:
        raise RecordError("time", "a log record without a time", field="timeUnixNano", hint="look at the exporter")
    return {**seen, "time": record.start}


def _stamped(events: Sequence[AuditEvent], record: Telemetry) -> Sequence[AuditEvent]:
    """Add in place what the envelope alone knows: the time, the trace, the share that is sent."""
    rate = sample_rate(record)
    for event in events:
        if event.time == UNTIMED and record.start:
            event.time = round(seconds(record.start), 6)
        if event.trace is None and record.trace:
            event.trace = record.trace
        if event.sample_rate is None:
            event.sample_rate = rate
    return events
