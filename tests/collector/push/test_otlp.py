"""The official exporters' spans and logs arrive, and replies are those that they act upon."""

import gzip
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import zstandard
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind

PROTOBUF = "application/x-protobuf"
ATTRIBUTES = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "get_rows", "enduser.id": "agent-a"}


@pytest.fixture(params=[Compression.NoCompression, Compression.Gzip], ids=["plain", "gzip"])
def provider(site: Any, request: Any) -> Iterator[TracerProvider]:
    """A tracer provider whose spans go to the site, as a server sets it up."""
    provider = TracerProvider(resource=Resource({"service.name": "crm-mcp"}))
    exporter = OTLPSpanExporter(
        f"{site.url}/v1/traces",
        headers={"Authorization": f"Bearer {site.key(tenants=['acme'])}"},
        compression=request.param,
        timeout=20,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def test_spans_of_the_official_exporter_become_events(provider: TracerProvider, stored: Any, site: Any) -> None:
    tracer = provider.get_tracer("fastmcp")
    for index in range(3):
        with tracer.start_as_current_span("tools/call get_rows", kind=SpanKind.SERVER, attributes=ATTRIBUTES):
            pass
        with tracer.start_as_current_span(f"SELECT {index}"):
            pass
    assert provider.force_flush(20_000)
    assert [(event.server, event.method, event.target, event.tenant) for event in stored()] == [
        ("crm-mcp", "tools/call", "get_rows", "acme")
    ] * 3
    summary = site.listener.tallies["otlp"].summary()
    assert (summary["received"], summary["accepted"], summary["refused"]) == (6, 3, {})


def span(number: int, **more: Any) -> dict[str, Any]:
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in ATTRIBUTES.items()]
    return {
        "traceId": f"{number + 1:032x}",
        "spanId": f"{number + 1:016x}",
        "name": "tools/call get_rows",
        "kind": 2,
        "startTimeUnixNano": "1763700000000000001",
        "endTimeUnixNano": "1763700000000500001",
        "attributes": attributes,
        **more,
    }


def export(*spans: dict[str, Any]) -> bytes:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "crm-mcp"}}]}
    return msgspec.json.encode({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]})


def post(site: Any, content: bytes, path: str = "/v1/traces", key: str | None = None, **headers: str) -> Any:
    said = {"authorization": f"Bearer {key or site.key()}", "content-type": "application/json"}
    said |= {name.replace("_", "-"): text for name, text in headers.items()}
    return site.client.post(f"{site.url}{path}", content=content, headers=said)


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
def test_json_is_answered_in_json(site: Any, stored: Any, encoding: str) -> None:
    body = export(span(0), span(1))
    packed = {"identity": body, "gzip": gzip.compress(body), "zstd": zstandard.compress(body)}[encoding]
    answer = post(site, packed, content_encoding=encoding)
    assert (answer.status_code, answer.json(), answer.headers["content-type"]) == (200, {}, "application/json")
    assert len({event.id for event in stored()}) == 2


def test_a_replay_decodes_what_was_folded(site: Any, stored: Any) -> None:
    from stream.frame import unpack
    from stream.log import EVENTS
    from tocsin_audit.event import DECODER, seconds

    assert post(site, export(span(0))).status_code == 200
    (record,) = site.log.read(EVENTS, 0)
    (again,) = DECODER.decode_lines(unpack(record.frame))
    assert (seconds(again.time), again.id) == (stored()[0].time, stored()[0].id)


def test_a_batch_as_large_as_exporters_send_is_taken(site: Any, stored: Any) -> None:
    answer = post(site, export(*(span(number) for number in range(512))))
    assert (answer.status_code, answer.json()) == (200, {})
    assert len(stored()) == 512


def test_the_same_request_again_counts_once(site: Any, stored: Any) -> None:
    key = site.key()
    for _ in range(2):
        assert post(site, export(span(0)), key=key).status_code == 200
    assert len(stored()) == 1


def test_spans_outside_the_keys_scope_are_a_partial_success(site: Any, stored: Any) -> None:
    answer = post(site, export(span(0), span(1)), key=site.key(servers=["billing"]))
    assert answer.status_code == 200
    partial = answer.json()["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert "outside this key's scope" in partial["errorMessage"]
    assert stored() == []


def test_a_partial_success_is_told_in_protobuf_too(site: Any) -> None:
    request = ExportTraceServiceRequest()
    made = request.resource_spans.add().scope_spans.add().spans.add()
    made.attributes.add(key="mcp.method.name").value.string_value = "tools/call"
    made.start_time_unix_nano = 1763700000000000000
    key = site.key(servers=["billing"])
    answer = post(site, request.SerializeToString(), key=key, content_type=PROTOBUF)
    assert (answer.status_code, answer.headers["content-type"]) == (200, PROTOBUF)
    assert ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 50_000, b"\xff\xff\xff", b'{"resourceSpans": 7}', b'{"resourceSpans":' * 40_000]
)
def test_what_is_no_request_is_permanently_wrong_or_empty(site: Any, content: bytes) -> None:
    for content_type in ("application/json", PROTOBUF):
        answer = post(site, content, content_type=content_type)
        assert answer.status_code in ((200, 400) if content_type == PROTOBUF else (400,))
        assert answer.headers["content-type"] == content_type


def test_refusals_are_a_status_in_the_requests_own_type(site: Any) -> None:
    answer = site.client.post(f"{site.url}/v1/traces", content=b"", headers={"content-type": PROTOBUF})
    assert (answer.status_code, answer.headers["content-type"]) == (401, PROTOBUF)
    status = ExportTracePartialSuccess.FromString(answer.content)  # the same on the wire as google.rpc.Status
    assert (status.rejected_spans, "collector key" in status.error_message) == (16, True)


def test_a_full_disk_is_told_so_that_exporters_come_again(site: Any) -> None:
    site.free = 0
    answer = post(site, export(span(0)))
    assert (answer.status_code, answer.json()["code"]) == (503, 14)
    assert int(answer.headers["retry-after"]) > 0


def test_logs_have_a_door_of_their_own(site: Any, stored: Any) -> None:
    attributes = [
        {"key": "mcp.method.name", "value": {"stringValue": "tools/call"}},
        {"key": "gen_ai.tool.name", "value": {"stringValue": "get_rows"}},
    ]
    record = {"timeUnixNano": "1763700000000000000", "attributes": attributes}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}
    answer = post(site, msgspec.json.encode(body), path="/v1/logs")
    assert answer.status_code == 200
    assert len(stored()) + int(answer.json().get("partialSuccess", {}).get("rejectedLogRecords", 0)) in (0, 1)
