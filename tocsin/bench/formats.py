"""Formats: what it costs on one core to make events of what other sources write."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from collector.discovery import load_format
from collector.formats.native import parse_lines
from collector.formats.otel import traces
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, lines
from tocsin_audit.event import rfc3339

COUNT: Final = 20_000
TIMES: Final = 5
"""Each is measured so often, and the fastest counts: what others do on the machine only slows."""
START: Final = 1_795_154_400.0


def measure(events: int = COUNT) -> Iterator[Figure]:
    """Events a second of one core, from bytes to events in memory, without what comes after."""
    yield _figure("format_native", events, _native(events))
    yield _figure("format_otlp_protobuf", events, _otlp(events))
    yield _figure("format_toolhive", events, _lines("toolhive", [_toolhive(at) for at in range(events)]))
    yield _figure("format_mapped", events, _lines("kuadrant", [_kuadrant(at) for at in range(events)]))
    yield _figure("format_auto", events, _lines("auto", [_kuadrant(at) for at in range(events)]))


def _figure(name: str, events: int, work: Callable[[], int]) -> Figure:
    best = float("inf")
    for _ in range(TIMES):
        begin = time.process_time()
        made = work()
        best = min(best, time.process_time() - begin)
        if made != events:
            raise AssertionError(f"{name} made {made} events of {events}")
    return Figure(name, round(events / best), "events/s/core", events)


def _native(events: int) -> Callable[[], int]:
    made = list(lines(events, principals=1000, start=START, rate=1000.0))
    batches = [made[at : at + BATCH] for at in range(0, events, BATCH)]
    return lambda: sum(len(parse_lines(b"\n".join(batch), batch) or ()) for batch in batches)


def _otlp(events: int) -> Callable[[], int]:
    bodies = [_export(range(at, min(at + BATCH, events))) for at in range(0, events, BATCH)]
    return lambda: sum(len(traces(body, "application/x-protobuf").events) for body in bodies)


def _lines(name: str, records: Sequence[bytes]) -> Callable[[], int]:
    parse = load_format(name).parse
    return lambda: sum(len(parse(record)) for record in records)


def _export(numbers: range) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    _attributes(group.resource.attributes, {"service.name": "crm-mcp", "service.version": "1.2"})
    scope = group.scope_spans.add()
    scope.scope.name = "fastmcp"
    for number in numbers:
        span = scope.spans.add()
        span.trace_id = number.to_bytes(16)
        span.span_id = (number + 1).to_bytes(8)
        span.name, span.kind = "tools/call get_rows", Span.SPAN_KIND_SERVER
        span.start_time_unix_nano = int(START * 1e9) + number * 1_000_000
        span.end_time_unix_nano = span.start_time_unix_nano + 3_000_000
        said = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "get_rows", "fastmcp.server.name": "crm"}
        said |= {"mcp.protocol.version": "2026-07-28", "enduser.id": f"agent-{number % 1000}"}
        _attributes(span.attributes, said | {"enduser.scope": "mcp:read", "jsonrpc.request.id": str(number)})
    return request.SerializeToString()


def _attributes(into: Any, said: dict[str, str]) -> None:
    for key, value in said.items():
        pair = into.add()
        pair.key, pair.value.string_value = key, value


def _toolhive(number: int) -> bytes:
    moment = rfc3339(START + number / 1000)
    return msgspec.json.encode(
        {
            "time": moment,
            "level": "INFO+2",
            "msg": "audit_event",
            "audit_id": f"{number:032x}",
            "type": "mcp_tool_call",
            "logged_at": moment,
            "outcome": "success",
            "component": "crm-mcp",
            "source": {"type": "network", "value": "203.0.113.9", "extra": {"user_agent": "claude-code/2.1"}},
            "subjects": {"user_id": f"auth0|{number % 1000}", "user": "alice", "client_name": "desktop"},
            "target": {"endpoint": "/mcp", "method": "tools/call", "type": "tool", "name": "get_rows"},
            "metadata": {"extra": {"duration_ms": 15, "transport": "http", "backend_name": "crm"}},
        }
    )


def _kuadrant(number: int) -> bytes:
    return msgspec.json.encode(
        {
            "timestamp": rfc3339(START + number / 1000),
            "method": "POST",
            "path": "/mcp",
            "response_code": 200,
            "request_id": f"r-{number}",
            "traceparent": f"00-{number:032x}-00f067aa0ba902b7-01",
            "mcp_method": "tools/call",
            "mcp_tool_name": "create_issue",
            "mcp_server_name": "jira",
            "mcp_session_id": f"sess-{number % 1000}",
            "mcp_user_id": f"dev-{number % 1000}",
            "mcp_agent_id": "coding-agent-v2",
            "mcp_tool_params": "-",
            "duration_ms": 342,
            "bytes_sent": 1024,
            "bytes_received": 512,
        }
    )
