"""OpenTelemetry: MCP spans by the semantic conventions and by what emitters really write, and logs of any format."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from collector.format import About, Format, RecordError
from collector.format_logs import log_events
from collector.parts import otlp as format_otlp
from collector.parts.otlp import Telemetry
from collector.parts.spans import FIELDS, span_event
from tocsin_audit.event import AuditEvent


@dataclass(slots=True)
class Export:
    """What came of an export request: `records` were in it, each refused one stands with its index from 0.

    Records that have nothing to do with MCP are neither refused nor events. `origins` has for each event the index of
    the record that it came from.
    """

    records: int = 0
    events: list[AuditEvent] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    refused: list[tuple[int, RecordError]] = field(default_factory=list)


def traces(body: bytes, content_type: str) -> Export:
    """The events of an OTLP trace export request, uncompressed; raises RecordError where it is none."""
    return _export(format_otlp.spans(body, content_type), _of_span)


def logs(body: bytes, content_type: str) -> Export:
    """The events of an OTLP logs export request, uncompressed; raises RecordError where it is none."""
    auto = load_lines()
    return _export(format_otlp.records(body, content_type), lambda record: log_events(record, auto))


class Otel:
    """Reads OTLP export requests, one a record: JSON as the collector's file exporter writes them, or protobuf."""

    name = "otel"
    about = About(
        title="OpenTelemetry MCP spans and logs (OTLP)",
        versions="semantic conventions 1.38 to genai 2026-10; python-sdk 2.3, FastMCP 4.1, ToolHive 0.6, "
        "Envoy AI Gateway 0.4, ContextForge 1.0, Docker MCP Gateway 0.28, Sentry JavaScript 10",
        fields=FIELDS,
        blind="requests refused before MCP (most 401 and 403); the reference SDK tells no actor, address or size",
        sampled=True,
    )

    def fits(self, record: bytes) -> bool:
        """Whether it is an export request of spans or logs."""
        if record.lstrip()[:1] == b"{":
            return any(mark in record for mark in _MARKS)
        # The first field of both requests, a message: resource_spans or resource_logs.
        return record[:1] == b"\x0a" and not record.isascii()

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The events of one export request."""
        export = self._read(record)
        if export.refused:
            first = export.refused[0][1]
            raise RecordError(
                first.reason,
                f"{len(export.refused)} of {export.records} records cannot be used: {first.what}",
                field=first.where,
                hint=first.hint,
                events=export.events,
            )
        return export.events

    def _read(self, record: bytes) -> Export:
        if format_otlp.json_said(record, ""):
            reader = logs if b'"resourceLogs"' in record or b'"resource_logs"' in record else traces
            return reader(record, format_otlp.JSON_TYPE)
        try:
            return traces(record, format_otlp.PROTOBUF_TYPE)
        except RecordError:
            return logs(record, format_otlp.PROTOBUF_TYPE)


FORMAT: Final = Otel()


@cache
def load_lines() -> Format:
    """What reads the lines inside log records: every other format, so that no export stands in an export."""
    # Discovery imports this module, so it cannot be imported before it.
    from collector.discovery import load_auto

    return load_auto(without=(Otel.name,))


_MARKS: Final = (b'"resourceSpans"', b'"resourceLogs"', b'"resource_spans"', b'"resource_logs"')


def _export(items: Iterable[Telemetry], make: Callable[[Telemetry], Sequence[AuditEvent]]) -> Export:
    export = Export()
    for index, item in enumerate(items):
        export.records += 1
        try:
            made = make(item)
        except RecordError as error:
            made = error.events
            export.refused.append((index, error))
        export.events += made
        export.origins += [index] * len(made)
    return export


def _of_span(item: Telemetry) -> Sequence[AuditEvent]:
    event = span_event(item)
    return () if event is None else (event,)
