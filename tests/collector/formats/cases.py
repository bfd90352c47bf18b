"""Samples written by hand after each producer's source, and the events that come of them.

`python -m tests.collector.formats.cases` writes what comes of them now into `expected/`, to be read before it is kept.
"""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.discovery import load_format
from collector.format import read
from tocsin_audit.event import to_wire

SAMPLES = Path(__file__).parent / "samples"
EXPECTED = Path(__file__).parent / "expected"
TRACE = "5b8efff798038103d269b633813fc60c"
START = 1_795_154_905_256_863_568


class Case(NamedTuple):
    """One sample: the format's name, which product wrote it and how that was checked, what it shows, and its bytes."""

    form: str
    product: str
    verified: str
    about: str
    record: bytes
    silent: bool

    @property
    def outcome(self) -> dict[str, Any]:
        """What comes of it now."""
        made = read(load_format(self.form), self.record)
        events = [json.loads(to_wire(event)) for event in made.events]
        return {"about": self.about, "events": events, "error": made.error and [made.error.reason, made.error.what]}


def names() -> list[str]:
    """The formats that have samples."""
    return sorted(path.stem for path in SAMPLES.glob("*.yaml"))


def cases(form: str) -> Iterator[Case]:
    """The samples of a format."""
    said = _read(form)
    for each in said["cases"]:
        yield Case(form, said["product"], said["verified"], each["about"], _record(each), each.get("events") == [])


@cache
def _read(form: str) -> Any:
    return yaml.safe_load((SAMPLES / f"{form}.yaml").read_text(encoding="utf-8"))


def expected(form: str) -> list[dict[str, Any]]:
    """What is to come of them."""
    found: list[dict[str, Any]] = json.loads((EXPECTED / f"{form}.json").read_text(encoding="utf-8"))
    return found


def protobuf(record: bytes) -> bytes:
    """An OTLP request in JSON as protobuf."""
    tree = json.loads(record)
    request: Any = ExportTraceServiceRequest() if "resourceSpans" in tree else ExportLogsServiceRequest()
    for span in _items(tree):
        # Generic helpers read ids as base64.
        for key in ("traceId", "spanId"):
            if key in span:
                span[key] = _base64(bytes.fromhex(span[key]))
    return bytes(ParseDict(tree, request).SerializeToString())


def _record(said: dict[str, Any]) -> bytes:
    if "line" in said:
        return str(said["line"]).encode()
    if "json" in said:
        return json.dumps(said["json"], separators=(",", ":"), ensure_ascii=False).encode()
    return json.dumps(_export(said), separators=(",", ":")).encode()


def _export(said: dict[str, Any]) -> dict[str, Any]:
    group = said.get("spans") or said["logs"]
    resource = {"attributes": _pairs(group["resource"])}
    scope = {"name": group["scope"]}
    if "spans" in said:
        spans = [_span(at, span) for at, span in enumerate(group["spans"])]
        return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]}
    records = [_log(record) for record in group["records"]]
    return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": records}]}]}


def _span(at: int, said: dict[str, Any]) -> dict[str, Any]:
    return {
        "traceId": TRACE,
        "spanId": f"eee19b7ec3c1b1{at:02x}",
        "traceState": said.get("state", ""),
        "name": said["name"],
        "kind": said["kind"],
        "startTimeUnixNano": str(START + at),
        "endTimeUnixNano": str(START + at + 2_976_800),
        "attributes": _pairs(said["attributes"]),
        "status": said.get("status", {}),
    }


def _log(said: dict[str, Any]) -> dict[str, Any]:
    attributes = _pairs(said.get("attributes", {}))
    record: dict[str, Any] = {"timeUnixNano": str(START), "traceId": TRACE, "attributes": attributes}
    return record | ({"body": {"stringValue": said["body"]}} if "body" in said else {})


def _pairs(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _any(value)} for key, value in said.items()]


def _any(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def _items(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in tree.get("resourceSpans", tree.get("resourceLogs", [])):
        for scope in group.get("scopeSpans", group.get("scopeLogs", [])):
            yield from scope.get("spans", scope.get("logRecords", []))


def _base64(raw: bytes) -> str:
    from base64 import b64encode

    return b64encode(raw).decode()


if __name__ == "__main__":
    EXPECTED.mkdir(exist_ok=True)
    for _form in sys.argv[1:] or names():
        _found = [case.outcome for case in cases(_form)]
        _text = json.dumps(_found, indent=1, ensure_ascii=False)
        (EXPECTED / f"{_form}.json").write_text(_text + "\n", encoding="utf-8")
