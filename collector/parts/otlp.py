"""OTLP export requests, protobuf or JSON, as plain spans and log records: the one form that is mapped to events."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.format import RecordError
from collector.parts.values import decode_object, integer

JSON_TYPE: Final = "application/json"
PROTOBUF_TYPE: Final = "application/x-protobuf"
MOST: Final = 50_000
"""Spans or log records of one request at most."""
BRACKETS: Final = 500_000
"""Opening brackets of a request in JSON at most: some thousands of spans with all that they carry."""
ATTRIBUTES: Final = 512
"""Attributes of one span at most; what comes after them is not looked at."""

_DEPTH: Final = 16
_KINDS: Final = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_STATUS: Final = {"OK": 1, "ERROR": 2}
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{16}){1,2}")
_CAMEL: Final = re.compile(r"_([a-z])")


@dataclass(slots=True)
class Telemetry:
    """A span or a log record. Times are nanoseconds since the epoch, 0 where there is none; ids are lower hex."""

    attributes: dict[str, Any]
    resource: Mapping[str, Any]
    scope: str = ""
    name: str = ""
    trace: str = ""
    span: str = ""
    state: str = ""
    start: int = 0
    end: int = 0
    kind: int = 0
    status: int = 0
    message: str = ""
    body: Any = None


def spans(body: bytes, content_type: str) -> Iterator[Telemetry]:
    """The spans of an export request; raises RecordError where it is none, or holds too many."""
    if json_said(body, content_type):
        return _json(decode_object(body, BRACKETS), "resourceSpans", "scopeSpans", "spans", _json_span)
    request = _parsed(ExportTraceServiceRequest(), body)
    _few(sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans))
    return _protobuf_spans(request)


def records(body: bytes, content_type: str) -> Iterator[Telemetry]:
    """The log records of an export request; raises RecordError as `spans` does."""
    if json_said(body, content_type):
        return _json(decode_object(body, BRACKETS), "resourceLogs", "scopeLogs", "logRecords", _json_log)
    request = _parsed(ExportLogsServiceRequest(), body)
    _few(sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs))
    return _protobuf_logs(request)


def json_said(body: bytes, content_type: str) -> bool:
    """Whether a body is to be JSON: by its content type, else by how it begins."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in (JSON_TYPE, PROTOBUF_TYPE):
        return kind == JSON_TYPE
    return body.lstrip()[:1] == b"{"


def _parsed(message: Any, body: bytes) -> Any:
    try:
        message.ParseFromString(body)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(
            "malformed", "not an OTLP export request in protobuf", hint=f"look at Content-Type: {JSON_TYPE} or protobuf"
        ) from error
    return message


def _few(count: int) -> None:
    if count > MOST:
        raise RecordError("too_long", f"more than {MOST} records in one request", hint="export smaller batches")


def _protobuf_spans(request: Any) -> Iterator[Telemetry]:
    for group in request.resource_spans:
        resource = _pairs(group.resource.attributes)
        for scope in group.scope_spans:
            name = scope.scope.name
            for span in scope.spans:
                yield Telemetry(
                    _pairs(span.attributes),
                    resource,
                    name,
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.trace_state,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.kind,
                    span.status.code,
                    span.status.message,
                )


def _protobuf_logs(request: Any) -> Iterator[Telemetry]:
    for group in request.resource_logs:
        resource = _pairs(group.resource.attributes)
        for scope in group.scope_logs:
            for record in scope.log_records:
                yield Telemetry(
                    _pairs(record.attributes),
                    resource,
                    scope.scope.name,
                    name=record.event_name,
                    trace=record.trace_id.hex(),
                    span=record.span_id.hex(),
                    start=record.time_unix_nano or record.observed_time_unix_nano,
                    body=_any(record.body) if record.HasField("body") else None,
                )


def _pairs(attributes: Sequence[Any]) -> dict[str, Any]:
    return {pair.key: _any(pair.value) for pair in attributes[:ATTRIBUTES]}


def _any(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    found = getattr(value, which)
    if which == "array_value":
        return [_any(item) for item in found.values[:ATTRIBUTES]]
    if which == "kvlist_value":
        return _pairs(found.values)
    return base64.b64encode(found).decode() if which == "bytes_value" else found


def _json(
    tree: dict[str, Any],
    groups: str,
    scopes: str,
    items: str,
    make: Callable[[dict[str, Any], Mapping[str, Any], str], Telemetry],
) -> Iterator[Telemetry]:
    tree = _camel(tree)
    if not isinstance(tree.get(groups), list):
        raise RecordError(
            "missing", f"{groups} is not there", field=groups, hint="send an OTLP export request in its JSON form"
        )
    count = 0
    for group in _objects(tree[groups]):
        resource = _json_pairs(_camel(group.get("resource")).get("attributes"))
        for scope in _objects(group.get(scopes)):
            name = _string(_camel(scope.get("scope")).get("name"))
            for item in _objects(scope.get(items)):
                _few(count := count + 1)
                yield make(item, resource, name)


def _json_span(item: dict[str, Any], resource: Mapping[str, Any], scope: str) -> Telemetry:
    status = _camel(item.get("status"))
    return Telemetry(
        _json_pairs(item.get("attributes")),
        resource,
        scope,
        _string(item.get("name")),
        _id(item.get("traceId"), 16),
        _id(item.get("spanId"), 8),
        _string(item.get("traceState")),
        _nanoseconds(item.get("startTimeUnixNano")),
        _nanoseconds(item.get("endTimeUnixNano")),
        _enum(item.get("kind"), _KINDS),
        _enum(status.get("code"), _STATUS),
        _string(status.get("message")),
    )


def _json_log(item: dict[str, Any], resource: Mapping[str, Any], scope: str) -> Telemetry:
    return Telemetry(
        _json_pairs(item.get("attributes")),
        resource,
        scope,
        name=_string(item.get("eventName")),
        trace=_id(item.get("traceId"), 16),
        span=_id(item.get("spanId"), 8),
        start=_nanoseconds(item.get("timeUnixNano")) or _nanoseconds(item.get("observedTimeUnixNano")),
        body=_json_any(item.get("body")),
    )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (_camel(item) for item in value if isinstance(item, dict))


def _camel(value: Any) -> dict[str, Any]:
    """An object with the keys of OTLP's JSON; generic helpers for protobuf write them with underscores."""
    if not isinstance(value, dict):
        return {}
    if not any("_" in key for key in value):
        return value
    return {_CAMEL.sub(lambda match: match[1].upper(), key): item for key, item in value.items()}


def _json_pairs(value: Any, depth: int = 0) -> dict[str, Any]:
    if not isinstance(value, list):
        return {}
    return {
        pair["key"]: _json_any(pair.get("value"), depth)
        for pair in value[:ATTRIBUTES]
        if isinstance(pair, dict) and isinstance(pair.get("key"), str)
    }


def _json_any(value: Any, depth: int = 0) -> Any:
    if not isinstance(value, dict) or depth > _DEPTH:
        return None
    for key, found in _camel(value).items():
        if key in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            return found
        if key == "intValue":
            return integer(found)
        if key == "arrayValue":
            return [_json_any(item, depth + 1) for item in _objects(_camel(found).get("values"))]
        if key == "kvlistValue":
            return _json_pairs(_camel(found).get("values"), depth + 1)
    return None


def _id(value: Any, length: int) -> str:
    """An id in lower hex, also from the base64 that generic helpers for protobuf write."""
    if not isinstance(value, str) or len(value) > 64:
        return ""
    if len(value) == 2 * length and _HEX.fullmatch(value):
        return value.lower()
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return raw.hex() if len(raw) == length else ""


def _enum(value: Any, names: Mapping[str, int]) -> int:
    if isinstance(value, str):
        return names.get(value.rpartition("_")[2], 0)
    return value if isinstance(value, int) else 0


def _nanoseconds(value: Any) -> int:
    found = integer(value)
    return found if found is not None and found > 0 else 0


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""
