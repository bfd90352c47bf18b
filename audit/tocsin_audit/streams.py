"""Streams: answers that take another way than their requests, on the stream of the session that they share."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from tocsin_audit.event import AuditEvent
from tocsin_audit.exchange import Exchange
from tocsin_audit.pairing import Answered, Pairing, Stray
from tocsin_audit.reading import key_of
from tocsin_audit.wire import messages

_MOST_SESSIONS: Final = 10_000
_COPY: Final = AuditEvent.__struct_fields__

Complete = Callable[[AuditEvent, Mapping[str, Any], int], AuditEvent]


class Arrival:
    """What a stream has brought since it was last looked at: JSON texts, or the session that it is of."""

    __slots__ = ("exchange", "session", "texts", "time")

    def __init__(self, exchange: Exchange, texts: list[bytes], session: str | None) -> None:
        self.exchange = exchange
        self.texts = texts
        self.session = session
        self.time = time.time()

    @property
    def weight(self) -> int:
        """Roughly how many bytes it holds on to."""
        return 512 + sum(map(len, self.texts))


class Parked(msgspec.Struct):
    """An event that waits for its answer; `told` where it was shipped already, as cut off."""

    event: AuditEvent
    told: bool


class Streams:
    """The sessions of one server with what waits in them; bounded, and used by the recorder's thread alone."""

    def __init__(self) -> None:
        self._pairing: Pairing[Parked] = Pairing()
        self._whole: OrderedDict[str, None] = OrderedDict()
        self._called_off: OrderedDict[tuple[str, str], str | None] = OrderedDict()

    def begin(self, session: str) -> None:
        """Note a session whose beginning was seen: in it every answer has its request."""
        self._whole[session] = None
        if len(self._whole) > _MOST_SESSIONS:
            self._whole.popitem(last=False)

    def settled(self, session: str, key: str | None) -> None:
        """Note that a request had its answer on its own stream."""
        if session in self._whole:
            self._pairing.settled(session, key)

    def park(self, session: str, key: str | None, event: AuditEvent, complete: Complete) -> AuditEvent | None:
        """Let an event wait for its answer; the event, complete, where the answer came first."""
        early = self._pairing.ask(session, key, Parked(event, told=False), event.time)
        if early is None:
            return None
        event.duration_ms = None
        event.time = early.time
        return complete(event, early.message, early.size)

    def call_off(self, session: str, key: str, reason: str | None) -> AuditEvent | None:
        """Note that the client does not want the answer any more; the request's event, where that waited for it."""
        parked = self._pairing.abandon(session, key)
        if parked is None:
            self._called_off[session, key] = reason
            if len(self._called_off) > _MOST_SESSIONS:
                self._called_off.popitem(last=False)
            return None
        parked.event.outcome, parked.event.reason, parked.event.bytes_quality = "cancelled", reason, "absent"
        return None if parked.told else parked.event

    def called_off(self, session: str, key: str) -> tuple[str | None] | None:
        """Why the client called a request off, at most once; null where it did not."""
        return (self._called_off.pop((session, key)),) if (session, key) in self._called_off else None

    def cut_off(self, session: str, key: str | None, event: AuditEvent) -> None:
        """Remember a request whose stream was cut off, in case somebody fetches its answer."""
        copy = AuditEvent(**{name: getattr(event, name) for name in _COPY})
        self._pairing.ask(session, key, Parked(copy, told=True), event.time)

    def arrive(
        self, session: str, texts: list[bytes], now: float, complete: Complete, *, resumed: bool
    ) -> tuple[list[AuditEvent], list[Stray]]:
        """The events that the texts of a stream complete, and the answers that are strays at once."""
        events: list[AuditEvent] = []
        strays: list[Stray] = []
        for text in texts:
            found = messages(text) or []
            for message in found:
                key = key_of(message.get("id"))
                if "method" in message or key is None or not ("result" in message or "error" in message):
                    continue
                size = len(text) if len(found) == 1 else len(msgspec.json.encode(message))
                met = self._meet(session, key, Answered(message, size, now), resumed)
                if isinstance(met, Parked):
                    event = met.event
                    event.duration_ms = round((now - event.time) * 1e3 + (event.duration_ms or 0.0), 3)
                    event.time = now
                    events.append(complete(event, message, size))
                elif met is not None:
                    strays.append(met)
        return events, strays

    def _meet(self, session: str, key: str, answer: Answered, resumed: bool) -> Parked | Stray | None:
        if session in self._whole and not resumed:
            return self._pairing.answer(session, key, answer)
        return self._pairing.forget(session, key)

    def due(self, now: float) -> tuple[list[AuditEvent], list[Stray]]:
        """Events whose answer never came, and answers whose request never came."""
        events = [parked.event for parked in self._pairing.overdue(now) if not parked.told]
        for event in events:
            event.outcome, event.reason, event.bytes_quality = "timeout", "no answer was seen", "absent"
        return events, self._pairing.strays(now)

    def end(self, session: str | None, reason: str) -> list[AuditEvent]:
        """The events of a session whose stream is over; of all sessions without one."""
        parked = self._pairing.close(session) if session is not None else self._pairing.close_all()
        events = [each.event for each in parked if not each.told]
        for event in events:
            event.outcome, event.reason, event.bytes_quality = "cancelled", reason, "absent"
        return events
