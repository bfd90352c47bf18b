"""Signed webhooks, as ContextForge's SIEM export sends them: one record a body, an HMAC over it in a header.

The signature: hex HMAC-SHA256 of the body (ContextForge, `siem_export_service`). It signs what orjson writes and lets
its HTTP client write the same value anew, which with older clients differs in spaces and escapes; so the compact form
of the body is tried too.
"""

import hmac
from datetime import datetime
from typing import ClassVar, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from collector.door import Refused, json_reply, plain
from collector.format import Format
from collector.formats.native import deep
from collector.input import Scope
from collector.keys import Key
from collector.lines import TYPES
from collector.push.pushed import Pushed
from collector.reading import Record

SHORTEST: Final = 16
"""Characters of a secret at least."""
EXAMPLE: Final = "send application/json"


class WebhookOptions(Scope, frozen=True, kw_only=True):
    """What signs the bodies, and where they say when they were made."""

    secret: str
    """The secret that sender and receiver share (ContextForge: `hmac_secret`)."""
    format: str = "contextforge"
    """The format of the body; `tocsin formats` lists them."""
    header: str = "X-SIEM-Signature"
    """The header with the signature in hex; `sha256=` before it is passed over."""
    time: str = "timestamp"
    """The key of the body with the time of the event, in RFC 3339."""
    window: float = 600.0
    """How old an event may be, in seconds, so that what was overheard cannot be sent again later."""

    def faults(self) -> list[str]:
        """What is wrong beyond the types."""
        found = list(super().faults())
        if len(self.secret) < SHORTEST:
            found.append(f"the secret is shorter than {SHORTEST} characters")
        if not 1 <= self.window <= 600:
            found.append("window must be between 1 and 600 seconds: a repeat is known for so long")
        return found


class Webhook:
    """Answers at `/v1/webhooks/NAME`."""

    kind: ClassVar[str] = "webhook"
    Options: ClassVar[type[Scope]] = WebhookOptions

    def __init__(self, name: str, options: WebhookOptions, form: Format, pushed: Pushed) -> None:
        self._name = name
        self._options = options
        self._form = form
        self._key: Key = options.key(name)
        self._pushed = pushed
        self.route = Route(f"/v1/webhooks/{name}", self._post, methods=["POST"])

    async def _post(self, request: Request) -> Response:
        try:
            return await self._taken(request)
        except Refused as refused:
            reason = "signature" if refused.status == 401 else str(refused.status)
            self._pushed.tallies[self._name].refuse(reason, refused.error, refused.hint)
            return plain(request, refused)

    async def _taken(self, request: Request) -> Response:
        async with self._pushed.door.body(request, self._key.scope, TYPES, EXAMPLE) as body:
            signature = request.headers.get(self._options.header, "").removeprefix("sha256=")
            if not signed(body, signature, self._options.secret):
                hint = f"sign the body with HMAC-SHA256 in {self._options.header}, with the secret that is configured"
                raise Refused(401, "the signature is not that of the body", hint)
            delivery = self._pushed.begin(self._name, body, self._key)
            record, made = _opened(body, self._options.time)
            if made is not None and abs(made - delivery.received) > self._options.window:
                hint = f"look at both clocks; an event may be {self._options.window:g} seconds old"
                raise Refused(400, "the event is too old, or from the future", hint)
            if made is None and body.lstrip()[:1] == b"{":
                raise Refused(400, f"{self._options.time} is not there, or no time", "see `time` of this input")
            await self._pushed.read(delivery, [Record(record, 1, made)], self._form)
            kept = await self._pushed.keep(delivery)
        rejected = delivery.admitted.rejected
        reply = {"accepted": kept.accepted, "duplicates": kept.duplicates, "rejected": rejected}
        return json_reply(400 if rejected and not kept.accepted else 200, reply)


def signed(body: bytes, signature: str, secret: str) -> bool:
    """Whether a signature in hex is that of a body; compared in constant time."""
    said = signature.lower().encode("ascii", "replace")
    good = False
    for form in (body, _compact(body)):
        expected = hmac.new(secret.encode(), form, "sha256").hexdigest().encode()
        good = hmac.compare_digest(expected, said) or good
    return good


def _compact(body: bytes) -> bytes:
    if deep(body):
        return body
    try:
        return msgspec.json.encode(msgspec.json.decode(body))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return body


def _opened(body: bytes, name: str) -> tuple[bytes, float | None]:
    """The record in a body, and when it says that it was made; a JSON text holds a CEF or LEEF line."""
    try:
        if body.lstrip()[:1] == b'"':
            return msgspec.json.decode(body, type=str).encode(), None
        if deep(body):
            return body, None
        said = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get(name)
        moment = datetime.fromisoformat(msgspec.json.decode(said, type=str).replace("Z", "+00:00")) if said else None
        return body, moment.timestamp() if moment is not None and moment.tzinfo is not None else None
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return body, None


INPUT: Final = Webhook
