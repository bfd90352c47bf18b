"""CloudEvents 1.0 over HTTP in all three modes (binary, structured, batched), their data in any format."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.door import Refused, json_reply, media_type
from collector.format import RecordError
from collector.formats.native import FORMAT as NATIVE
from collector.formats.native import deep
from collector.keys import Key
from collector.lines import TYPES
from collector.push.pushed import Pushed
from collector.reading import Record
from stream.errors import RejectedError
from tocsin_audit.event import seconds

NAME: Final = "cloudevents"
STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
EXAMPLE: Final = f"send {STRUCTURED}, {BATCHED}, or binary mode: ce-* headers and the data as body"
_REQUIRED: Final = ("specversion", "id", "source", "type")


class _Event(msgspec.Struct):
    specversion: str = ""
    id: str = ""
    source: str = ""
    type: str = ""
    time: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: bytes | None = None


_Zoned = Annotated[datetime, msgspec.Meta(tz=True)]
_ONE: Final = msgspec.json.Decoder(_Event)
_MANY: Final = msgspec.json.Decoder(list[_Event])


class CloudEvents:
    """Takes CloudEvents; data in the native form that lack an id or a time have those of their envelope.

    `?format=` names the format of the data; without it they are native.
    """

    def __init__(self, pushed: Pushed) -> None:
        self._pushed = pushed
        self.routes = [Route("/v1/cloudevents", pushed.door.guarded(self._post), methods=["POST"])]

    async def _post(self, request: Request, key: Key) -> Response:
        types = (*TYPES, STRUCTURED, BATCHED)
        async with self._pushed.door.body(request, key.scope, types, EXAMPLE) as body:
            delivery = self._pushed.begin(NAME, body, key)
            form = self._pushed.asked(request)
            events = self._split(request, body)
            records = []
            for number, event in enumerate(events, 1):
                try:
                    records.append(Record(_data(event, form is NATIVE), number, _moment(event)))
                except RecordError as error:
                    delivery.records += 1
                    delivery.admitted.refuse(number, error)
            await self._pushed.read(delivery, records, form)
            good = len(delivery.admitted.events)
            kept = await self._pushed.keep(delivery)
        rejected = delivery.admitted.rejected
        reply: dict[str, Any] = {"accepted": kept.accepted, "duplicates": kept.duplicates, "rejected": rejected}
        if good or not rejected:
            return json_reply(200, reply)
        hint = "see `rejected` for each one's fault"
        return json_reply(400, {"error": "no event could be used", "hint": hint, **reply})

    def _split(self, request: Request, body: bytes) -> Sequence[_Event]:
        content = media_type(request)
        try:
            if content == BATCHED:
                events = _MANY.decode(body) if not body.count(b"{") > 50 * self._pushed.door.limits.lines else None
                if events is None or len(events) > self._pushed.door.limits.lines:
                    raise Refused(413, "too many events", "send fewer at a time", cause="large")
                return events
            if content == STRUCTURED:
                return [_ONE.decode(body)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RejectedError(f"not in the JSON form of CloudEvents ({str(error)[:200]})", hint=EXAMPLE) from error
        said = {name: request.headers.get(f"ce-{name}", "")[:1024] for name in _REQUIRED}
        return [
            _Event(
                specversion=said["specversion"],
                id=said["id"],
                source=said["source"],
                type=said["type"],
                time=request.headers.get("ce-time"),
                data=msgspec.Raw(body.strip()),
            )
        ]


def _data(event: _Event, native: bool) -> bytes:
    """The data of an event; raises RecordError where the envelope lacks what it must have."""
    for name in _REQUIRED:
        if not getattr(event, name):
            raise RecordError("missing", f"the attribute {name} is not there", field=name, hint=EXAMPLE)
    if not event.specversion.startswith("1."):
        what = f"specversion {event.specversion[:20]!r} is not known"
        raise RecordError("field", what, field="specversion", hint="send CloudEvents 1.0")
    data = event.data_base64 if event.data_base64 is not None else bytes(event.data)
    if not data:
        raise RecordError("missing", "there are no data", field="data", hint="put the audit event into data")
    if data[:1] == b'"' and data[-1:] == b'"' and event.data_base64 is None:
        try:
            data = msgspec.json.decode(data, type=str).encode("utf-8", "replace")
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return data
    if deep(data):
        return data
    try:
        if native:
            return _completed(data, event)
        return msgspec.json.format(data, indent=-1) if b"\n" in data and data[:1] in b"{[" else data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return data


def _completed(data: bytes, event: _Event) -> bytes:
    fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    added: dict[str, Any] = {}
    if "id" not in fields and not ("seq" in fields and "run" in fields and "producer" in fields):
        added["id"] = f"{event.source}|{event.id}"
    if "time" not in fields and (moment := _moment(event)) is not None:
        added["time"] = moment
    return msgspec.json.encode({**added, **fields}) if added else msgspec.json.format(data, indent=-1)


def _moment(event: _Event) -> float | None:
    if event.time is None:
        return None
    try:
        return seconds(msgspec.convert(event.time, _Zoned))
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None
