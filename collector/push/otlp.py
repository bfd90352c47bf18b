"""OTLP/HTTP: `POST /v1/traces` and `/v1/logs`, protobuf and JSON, with the replies of the OTLP specification 1.9.

Spans and log records that have nothing to do with MCP are taken and left aside; whoever sends them need not filter.
"""

import asyncio
from typing import Any, Final, Literal

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.door import Handler, Refused, media_type
from collector.format import RecordError
from collector.formats import otel
from collector.keys import Key
from collector.push.pushed import Pushed

NAME: Final = "otlp"
JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"
EXAMPLE: Final = f"send {PROTOBUF} or {JSON}"
_GRPC: Final = {400: 3, 401: 16, 403: 7, 413: 8, 415: 3, 429: 8, 503: 14}
"""gRPC status codes of what is refused: INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED, …"""

Signal = Literal["traces", "logs"]


class Otlp:
    """Takes what OpenTelemetry exporters and collectors send; one handler for each signal."""

    def __init__(self, pushed: Pushed) -> None:
        self._pushed = pushed
        self.routes = [
            Route(f"/v1/{signal}", pushed.door.guarded(self._handler(signal), answer=_answer), methods=["POST"])
            for signal in ("traces", "logs")
        ]

    def _handler(self, signal: Signal) -> Handler:
        async def post(request: Request, key: Key) -> Response:
            return await self._post(request, key, signal)

        return post

    async def _post(self, request: Request, key: Key, signal: Signal) -> Response:
        content = media_type(request)
        async with self._pushed.door.body(request, key.scope, (JSON, PROTOBUF), EXAMPLE) as body:
            delivery = self._pushed.begin(NAME, body, key)
            read = otel.traces if signal == "traces" else otel.logs
            try:
                # A large request takes a while; others go on meanwhile.
                export = await asyncio.to_thread(read, body, content)
            except RecordError as error:
                self._pushed.tallies[NAME].refuse(error.reason, error.what, error.hint)
                large = error.reason == "too_long"
                raise Refused(413 if large else 400, error.what, error.hint, cause="content") from error
            for index, fault in export.refused:
                delivery.admitted.refuse(index, fault)
            await self._pushed.take(delivery, export.events, export.origins, export.records)
            await self._pushed.keep(delivery)
        rejected = delivery.admitted.rejected
        count = len({each.line for each in rejected})
        said = f"{rejected[0].error}; {rejected[0].hint}"[:500] if rejected else ""
        return _taken(content, signal, count, said)


def _taken(content: str, signal: Signal, rejected: int, said: str) -> Response:
    name = "rejectedSpans" if signal == "traces" else "rejectedLogRecords"
    if content == JSON:
        partial: dict[str, Any] = {"partialSuccess": {name: str(rejected), "errorMessage": said}} if rejected else {}
        return Response(msgspec.json.encode(partial), media_type=JSON)
    reply = ExportTraceServiceResponse() if signal == "traces" else ExportLogsServiceResponse()
    if rejected and isinstance(reply, ExportTraceServiceResponse):
        reply.partial_success.rejected_spans = rejected
    elif rejected and isinstance(reply, ExportLogsServiceResponse):
        reply.partial_success.rejected_log_records = rejected
    if rejected:
        reply.partial_success.error_message = said
    return Response(reply.SerializeToString(), media_type=PROTOBUF)


def _answer(request: Request, refused: Refused) -> Response:
    """A refusal as `google.rpc.Status` in the request's own content type."""
    code = _GRPC.get(refused.status, 2)
    said = f"{refused.error}; {refused.hint}"
    if media_type(request) == PROTOBUF:
        # On the wire a Status (code = 1, message = 2) is the same as this message, which is at hand.
        status = ExportTracePartialSuccess(rejected_spans=code, error_message=said)
        return Response(status.SerializeToString(), refused.status, refused.headers, media_type=PROTOBUF)
    content = msgspec.json.encode({"code": code, "message": said})
    return Response(content, refused.status, refused.headers, media_type=JSON)
