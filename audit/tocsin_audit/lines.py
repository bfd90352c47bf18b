"""Newline-delimited JSON-RPC (stdio): the lines of one connection, read as they pass, and the events they make."""

import re
import time
from typing import Any, Final

from tocsin_audit import asking
from tocsin_audit.assemble import Assembler
from tocsin_audit.describe import mixed_up
from tocsin_audit.event import AuditEvent
from tocsin_audit.exchange import Exchange, InnerCall
from tocsin_audit.pairing import Answered, Pairing, Stray
from tocsin_audit.reading import META, key_of
from tocsin_audit.settings import Settings
from tocsin_audit.text import clean
from tocsin_audit.wire import MOST_BODY, messages

_HEAD: Final = 4096
_TAIL: Final = 512
_METHOD: Final = re.compile(rb'"method"\s*:\s*"([^"\\]{1,128})"')
_ID: Final = re.compile(rb'"id"\s*:\s*(?:"((?:[^"\\]|\\.){0,256})"|(-?\d{1,18}))')
_QUIET: Final = frozenset({"ping"})
_STDIO: Final = "stdio"


class LineTap:
    """Cuts one direction into lines; of a line beyond the bound only the ends are kept, and its size."""

    def __init__(self, most: int = MOST_BODY) -> None:
        self._most = most
        self._parts: list[bytes] = []
        self._seen = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> list[tuple[bytes, int, bool]]:
        """The lines that a chunk completes: bytes, size, and whether it was cut."""
        *ends, rest = chunk.split(b"\n")
        found = []
        for end in ends:
            self._add(end)
            if self._seen:
                found.append(self._line())
        self._add(rest)
        return found

    def _add(self, part: bytes) -> None:
        self._seen += len(part)
        if self._seen > self._most:
            if not self._tail:  # from here on the ends are enough
                kept = b"".join(self._parts) + part
                self._parts, self._tail = [kept[:_HEAD]], kept[-_TAIL:]
            elif part:
                self._tail = (self._tail + part[-_TAIL:])[-_TAIL:]
        elif part:
            self._parts.append(part)

    def _line(self) -> tuple[bytes, int, bool]:
        cut = self._seen > self._most
        line = (b"".join(self._parts) + (b"\n" + self._tail if cut else b"")).strip(), self._seen, cut
        self._parts, self._seen, self._tail = [], 0, b""
        return line


class Line:
    """One line on its way, as the recorder takes it."""

    __slots__ = ("conversation", "cut", "data", "from_server", "moment", "size", "time")

    def __init__(self, conversation: "Conversation", data: bytes, size: int, *, cut: bool, from_server: bool) -> None:
        self.conversation = conversation
        self.data = data
        self.size = size
        self.cut = cut
        self.from_server = from_server
        self.time = time.time()
        self.moment = time.perf_counter()

    @property
    def weight(self) -> int:
        """Roughly how many bytes it holds on to."""
        return 256 + len(self.data)

    def tell(self, assembler: Assembler, settings: Settings) -> list[AuditEvent]:
        """The events that are due with this line."""
        return self.conversation.tell(self, assembler, settings)


class End:
    """The end of a conversation: what still waits gets no answer any more."""

    __slots__ = ("conversation", "reason", "time")
    weight: Final = 256

    def __init__(self, conversation: "Conversation", reason: str) -> None:
        self.conversation = conversation
        self.reason = reason
        self.time = time.time()

    def tell(self, assembler: Assembler, settings: Settings) -> list[AuditEvent]:
        """The events of the calls that were cut off."""
        return self.conversation.end(self, assembler, settings)


class Conversation:
    """One connection: who speaks on it, and which requests wait; used by the recorder's thread alone."""

    def __init__(self, *, user: str | None = None, tenant: str | None = None) -> None:
        self._user = user
        self._tenant = tenant
        self._pairing: Pairing[InnerCall] = Pairing()
        self._asking = asking.Asking()
        self._protocol: str | None = None
        self._client: str | None = None
        self._babbled = False
        self.lost = False
        """Whether lines could not be handed over; then an answer without a request means nothing."""

    def tell(self, line: Line, assembler: Assembler, settings: Settings) -> list[AuditEvent]:
        """The events that are due with a line: those of the requests that it answers."""
        found = [_cut_message(line)] if line.cut else messages(line.data)
        if found is None:
            return self._babble(line, assembler, settings)
        events: list[AuditEvent] = []
        for message in found[:1000]:
            size = line.size if len(found) == 1 else 0
            if line.from_server:
                events += self._heard(message, size, line, assembler, settings)
            else:
                events += self._asked(message, size, line, assembler, settings)
        return events

    def end(self, end: End, assembler: Assembler, settings: Settings) -> list[AuditEvent]:
        """The events of what still waits."""
        return [
            self._event(call, None, None, end.time, assembler, settings, ("upstream_error", end.reason))
            for call in self._pairing.close(_STDIO)
        ] + self._asking.end(_STDIO, end.reason)

    def _asked(
        self, message: dict[str, Any], size: int, line: Line, assembler: Assembler, settings: Settings
    ) -> list[AuditEvent]:
        params = message.get("params")
        params = params if isinstance(params, dict) else {}
        method = clean(message.get("method"), 128)
        if method == "notifications/cancelled":
            call = self._pairing.abandon(_STDIO, key_of(params.get("requestId")))
            if call is not None:
                call.seconds = line.moment - call.started
            said = ("cancelled", clean(params.get("reason"), 200))
            return [self._event(call, None, None, line.time, assembler, settings, said)] if call is not None else []
        key = key_of(message.get("id"))
        if method is None or key is None:
            replied = self._asking.answer(_STDIO, Answered(message, size, line.time)) if key is not None else None
            return [replied] if replied is not None else []
        self._meet(method, params)
        call = InnerCall(method, message.get("id"), params)
        call.started, call.request_bytes, call.transport = line.moment, size or None, _STDIO
        self._pairing.ask(_STDIO, key, call, line.time)
        return [
            self._event(waited, None, None, line.time, assembler, settings, ("timeout", "no answer was seen"))
            for waited in self._pairing.overdue(line.time)
        ] + self._asking.due(line.time)

    def _meet(self, method: str, params: dict[str, Any]) -> None:
        """Who the client says it is, in either era."""
        meta = params.get("_meta")
        meta = meta if isinstance(meta, dict) else {}
        info = params.get("clientInfo") if method == "initialize" else meta.get(f"{META}clientInfo")
        if isinstance(info, dict):
            name, version = clean(info.get("name"), 128), clean(info.get("version"), 64)
            self._client = f"{name}/{version}" if name and version else name
        said = params.get("protocolVersion") if method == "initialize" else meta.get(f"{META}protocolVersion")
        self._protocol = clean(said, 32) or self._protocol

    def _heard(
        self, message: dict[str, Any], size: int, line: Line, assembler: Assembler, settings: Settings
    ) -> list[AuditEvent]:
        if "method" in message:
            if (method := asking.changed(message)) is not None:
                return [asking.change(assembler.blank(line.time), method)]
            return self._questions(message, size, line, assembler, settings)
        if not (line.cut or "result" in message or "error" in message):
            return []
        key = key_of(message.get("id"))
        if key is None and (line.cut or "error" in message):
            key = self._pairing.only(_STDIO)
        if key is None:
            return []
        answer = Answered(message, size, line.time)
        found = self._pairing.answer(_STDIO, key, answer)
        if isinstance(found, InnerCall):
            found.seconds = line.moment - found.started
            if found.method == "initialize" and isinstance(result := message.get("result"), dict):
                self._protocol = clean(result.get("protocolVersion"), 32) or self._protocol
            if found.method in _QUIET and "error" not in message:
                return []
            said = None if line.cut else message
            event = self._event(found, said, size or None, line.time, assembler, settings, capped=line.cut)
            return [event, *self._questions(message, size, line, assembler, settings)]
        # On one pipe no answer can come before its request.
        strays = [found] if isinstance(found, Stray) else self._pairing.strays(line.time, 0.0)
        return [] if self.lost else [self._stray(stray, assembler, settings) for stray in strays]

    def _questions(
        self, message: dict[str, Any], size: int, line: Line, assembler: Assembler, settings: Settings
    ) -> list[AuditEvent]:
        """What the server asks of its client."""
        events = []
        for question in asking.questions(message, size):
            call = InnerCall(question.method, question.key, {})
            call.transport = _STDIO
            event = self._event(call, None, None, line.time, assembler, settings)
            event.duration_ms = None
            events.append(self._asking.ask(_STDIO, question, assembler.question(event, question)))
        return [event for event in events if event is not None]

    def _stray(self, stray: Stray, assembler: Assembler, settings: Settings) -> AuditEvent:
        call = InnerCall("", stray.id, {})
        call.transport = _STDIO
        event = self._event(call, stray.answer.message, stray.answer.size, stray.answer.time, assembler, settings)
        return mixed_up(event, stray.kind)

    def _babble(self, line: Line, assembler: Assembler, settings: Settings) -> list[AuditEvent]:
        """A line that is no JSON-RPC: told once a conversation, since a server that logs there never stops."""
        if self._babbled:
            return []
        self._babbled = True
        call = InnerCall("", None, {})
        call.transport = _STDIO
        who = "server" if line.from_server else "client"
        said = ("protocol_violation", f"the {who} wrote a line that is no JSON-RPC")
        return [self._event(call, None, line.size, line.time, assembler, settings, said)]

    def _event(
        self,
        call: InnerCall,
        message: dict[str, Any] | None,
        size: int | None,
        now: float,
        assembler: Assembler,
        settings: Settings,
        said: tuple[str, str | None] | None = None,
        *,
        capped: bool = False,
    ) -> AuditEvent:
        call.answer, call.done, call.response_bytes = message, True, size
        call.protocol, call.client_version = self._protocol, self._client
        exchange = Exchange(None)
        exchange.only, exchange.time = call, now
        (event,) = assembler.events(exchange, settings)
        event.user, event.tenant = event.user or self._user, event.tenant or self._tenant
        if self._user is not None or self._tenant is not None:
            event.identity = "claimed"
        if said is not None:
            event.outcome, event.reason = said
        if capped:
            event.bytes_quality = "capped"
        return event


def _cut_message(line: Line) -> dict[str, Any]:
    """What the ends of a line say that was too long to keep."""
    found: dict[str, Any] = {}
    if (match := _ID.search(line.data[:_HEAD]) or _ID.search(line.data[-_TAIL:])) is not None:
        found["id"] = int(match[2]) if match[2] is not None else match[1].decode("utf-8", "replace")
    if (match := _METHOD.search(line.data)) is not None and not line.from_server:
        found["method"] = match[1].decode("utf-8", "replace")
    return found
