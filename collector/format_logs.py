"""From an OTLP log record to events: its body is a line of some other format, or its attributes are an access log."""

from collections.abc import Sequence

from collector.format_otlp import Telemetry
from collector.format_spans import span_event
from tocsin_audit.event import AuditEvent


def log_events(record: Telemetry) -> Sequence[AuditEvent]:
    """The events of one log record; none where it is about something else. Raises RecordError."""
    event = span_event(record)
    return () if event is None else (event,)
