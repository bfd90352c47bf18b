"""Splunk's HTTP event collector, as its senders know it: `/services/collector/event`, `/raw`, `/health` and `/ack`.

Replies and codes: Splunk, "Troubleshoot HTTP Event Collector", possible error codes.
"""

import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.door import Refused, json_reply
from collector.formats.native import FORMAT as NATIVE
from collector.formats.native import deep
from collector.keys import Key
from collector.lines import TYPES
from collector.push.pushed import Delivery, Pushed
from collector.reading import Record
from stream.errors import UNREADABLE

NAME: Final = "hec"
ROOT: Final = "/services/collector"
CHANNELS: Final = 4096
"""Channels whose acknowledgements are remembered; beyond it the longest unused are forgotten."""
CHANNEL: Final = 128
"""Characters of a channel's name at most."""
ACKS: Final = 10_000
"""Acknowledgements asked for at once at most."""
EXAMPLE: Final = "send application/json, or no Content-Type"
TAKEN: Final = TYPES | {"application/x-www-form-urlencoded"}
"""Many senders leave what their HTTP library says by itself."""

_CODES: Final = {
    "none": (401, 2, "Token is required"),
    "unknown": (403, 4, "Invalid token"),
    "revoked": (403, 1, "Token disabled"),
    "busy": (503, 9, "Server is busy"),
}


class _Envelope(msgspec.Struct):
    event: msgspec.Raw = msgspec.Raw(b"")
    time: float | str | None = None
    sourcetype: str | None = None


class _Acks(msgspec.Struct):
    acks: list[int]


class _Wrong(NamedTuple):
    code: int
    text: str
    number: int


_ENVELOPES: Final = msgspec.json.Decoder(_Envelope)


class Hec:
    """Takes what is sent to a Splunk HTTP event collector; its token is a collector key.

    The sourcetype of an event names its format where there is one of that name; `?format=` names it for all.
    """

    def __init__(self, pushed: Pushed) -> None:
        self._pushed = pushed
        self._channels: OrderedDict[tuple[str, str], int] = OrderedDict()

        def route(paths: Sequence[str], handle: Any, method: str = "POST") -> Iterator[Route]:
            guarded = pushed.door.guarded(handle, scheme="splunk", answer=_answer)
            return (Route(f"{ROOT}{path}", guarded, methods=[method]) for path in paths)

        self.routes = [
            *route(("", "/event", "/event/1.0"), self._events),
            *route(("/raw", "/raw/1.0"), self._raw),
            *route(("/ack",), self._ack),
            *(Route(f"{ROOT}{path}", _health, methods=["GET"]) for path in ("/health", "/health/1.0")),
        ]

    async def _events(self, request: Request, key: Key) -> Response:
        async with self._pushed.door.body(request, key.scope, TAKEN, EXAMPLE) as body:
            delivery = self._pushed.begin(NAME, body, key)
            envelopes, wrong = split(body, self._pushed.door.limits.lines)
            # Events of one sourcetype that stand together are read together.
            at = 0
            while at < len(envelopes):
                sourcetype = envelopes[at].sourcetype
                end = at
                while end < len(envelopes) and envelopes[end].sourcetype == sourcetype:
                    end += 1
                form = self._pushed.asked(request, sourcetype)
                native = form is NATIVE
                records = [
                    Record(payload(envelope, native), number, _seconds(envelope.time))
                    for number, envelope in enumerate(envelopes[at:end], at)
                ]
                await self._pushed.read(delivery, records, form)
                at = end
            return await self._reply(request, key, delivery, wrong)

    async def _raw(self, request: Request, key: Key) -> Response:
        async with self._pushed.door.body(request, key.scope, TAKEN, EXAMPLE) as body:
            delivery = self._pushed.begin(NAME, body, key)
            most = self._pushed.door.limits.lines
            lines = body.split(b"\n", most)
            if len(lines) > most:
                raise Refused(413, f"more than {most} lines", "send fewer at a time", cause="large")
            form = self._pushed.asked(request, request.query_params.get("sourcetype"))
            records = [Record(line.rstrip(b"\r"), number) for number, line in enumerate(lines) if line.strip()]
            await self._pushed.read(delivery, records, form)
            return await self._reply(request, key, delivery, None)

    async def _reply(self, request: Request, key: Key, delivery: Delivery, wrong: _Wrong | None) -> Response:
        channel = _channel(request)
        good = len(delivery.admitted.events)
        await self._pushed.keep(delivery)
        if wrong is not None:
            self._pushed.tallies[NAME].refuse("malformed", f"an envelope: {wrong.text}", "see the sender's settings")
            return json_reply(400, {"text": wrong.text, "code": wrong.code, "invalid-event-number": wrong.number})
        if not delivery.records:
            return json_reply(400, {"text": "No data", "code": 5})
        if not good and delivery.admitted.rejected:
            first = delivery.admitted.rejected[0]
            text = f"Invalid data format: {first.error}"
            return json_reply(400, {"text": text, "code": 6, "invalid-event-number": first.line})
        reply: dict[str, Any] = {"text": "Success", "code": 0}
        if channel is not None:
            reply["ackId"] = self._given((key.id, channel))
        return json_reply(200, reply)

    async def _ack(self, request: Request, key: Key) -> Response:
        channel = _channel(request)
        if channel is None:
            return json_reply(400, {"text": "Data channel is missing", "code": 10})
        async with self._pushed.door.body(request, key.scope, TAKEN, EXAMPLE) as body:
            try:
                asked = msgspec.json.decode(body, type=_Acks).acks
            except UNREADABLE:
                return json_reply(400, {"text": "Invalid data format", "code": 6})
        # Whatever got a number was durable before it got it.
        given = self._channels.get((key.id, channel), 0)
        return json_reply(200, {"acks": {str(number): 0 <= number < given for number in asked[:ACKS]}})

    def _given(self, channel: tuple[str, str]) -> int:
        number = self._channels.pop(channel, 0)
        self._channels[channel] = number + 1
        if len(self._channels) > CHANNELS:
            self._channels.popitem(last=False)
        return number


def split(body: bytes, most: int) -> tuple[Sequence[_Envelope], _Wrong | None]:
    """The envelopes of a body, one JSON object after the other, up to the first that is wrong.

    Raises Refused where there are more than `most`.
    """
    if body.lstrip()[:1] == b"[":
        return (), _Wrong(6, "Invalid data format", 0)
    try:
        envelopes = _ENVELOPES.decode_lines(body)
        wrong = None
    except UNREADABLE:
        envelopes, wrong = _up_to_the_wrong_one(body, most)
    if len(envelopes) > most:
        raise Refused(413, f"more than {most} events", "send fewer at a time", cause="large")
    for number, envelope in enumerate(envelopes):
        event = bytes(envelope.event)
        if not event:
            return envelopes[:number], _Wrong(12, "Event field is required", number)
        if event in (b'""', b"null"):
            return envelopes[:number], _Wrong(13, "Event field cannot be blank", number)
    return envelopes, wrong


def _up_to_the_wrong_one(body: bytes, most: int) -> tuple[list[_Envelope], _Wrong]:
    found: list[_Envelope] = []
    text, at = body.decode("utf-8", "replace"), 0
    decoder = json.JSONDecoder()
    while len(found) <= most:
        while at < len(text) and text[at].isspace():
            at += 1
        try:
            _, end = decoder.raw_decode(text, at)
            found.append(_ENVELOPES.decode(text[at:end]))
        except (ValueError, RecursionError, msgspec.MsgspecError):
            break
        at = end
    return found, _Wrong(6, "Invalid data format", len(found))


def payload(envelope: _Envelope, native: bool) -> bytes:
    """What a format is to read of an envelope: a text as it is, an object with its time where it is `native`."""
    event = bytes(envelope.event)
    try:
        return _opened(event, envelope, native)
    except UNREADABLE:
        return event  # a line of its own kind of wrong, which its format refuses by name


def _opened(event: bytes, envelope: _Envelope, native: bool) -> bytes:
    if event[:1] == b'"':
        text: str = msgspec.json.decode(event, type=str)
        return text.encode()
    if native and event[:1] == b"{" and (moment := _seconds(envelope.time)) is not None and not deep(event):
        fields = msgspec.json.decode(event, type=dict[str, msgspec.Raw])
        if "time" not in fields:
            event = msgspec.json.encode({"time": moment, **fields})
    return msgspec.json.format(event, indent=-1) if b"\n" in event and not deep(event) else event


def _seconds(time: float | str | None) -> float | None:
    try:
        moment = float(time) if time is not None else None
    except ValueError:
        return None
    return moment if moment is not None and 0 < moment < 253_402_300_800 else None


def _channel(request: Request) -> str | None:
    said = request.headers.get("x-splunk-request-channel") or request.query_params.get("channel")
    if said is not None and (len(said) > CHANNEL or not said.isprintable()):
        raise Refused(400, "Invalid data channel", "", cause="content")
    return said


async def _health(_: Request) -> Response:
    return json_reply(200, {"text": "HEC is healthy", "code": 17})


def _answer(_: Request, refused: Refused) -> Response:
    """A refusal in Splunk's words, so that senders know which to repeat."""
    status, code, text = _CODES.get(refused.cause, (refused.status, 6, refused.error))
    if refused.status in (503, 500) and refused.cause != "busy":
        status, code, text = 503, 9, f"Server is busy: {refused.error}"
    return json_reply(status, {"text": text, "code": code}, {**refused.headers})
