"""Assembly: from an exchange as it passed by to its audit events, one for each request in it."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from tocsin_audit import asking, outcome
from tocsin_audit.describe import Describer, mixed_up
from tocsin_audit.event import AuditEvent
from tocsin_audit.exchange import Exchange
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.onlooker import Onlooker
from tocsin_audit.pairing import Answered, Stray
from tocsin_audit.reading import Reading, key_of
from tocsin_audit.settings import Settings
from tocsin_audit.source import Network
from tocsin_audit.streams import Arrival, Streams
from tocsin_audit.text import clean
from tocsin_audit.wire import LiveTap, SseTap, messages

_QUIET: Final = frozenset({"ping"})


class Tellable(Protocol):
    """Something that passed by and makes its events itself."""

    @property
    def weight(self) -> int:
        """Roughly how many bytes it holds on to."""

    def tell(self, assembler: "Assembler", settings: Settings) -> list[AuditEvent]:
        """The events that are due with it."""


Passed = Exchange | Arrival | Tellable
"""Whatever passed by."""


class Assembler:
    """Makes events for one server, also where an answer takes another way than its request."""

    def __init__(
        self,
        server: str,
        fingerprints: Fingerprints,
        trusted: tuple[Network, ...],
        onlooker: Onlooker | None = None,
    ) -> None:
        self._describer = Describer(server, fingerprints, trusted, onlooker)
        self._streams = Streams()
        self._asking = asking.Asking()

    def tell(self, passed: Passed, settings: Settings) -> list[AuditEvent]:
        """The events that are due with what passed by."""
        if isinstance(passed, Exchange):
            return self.events(passed, settings)
        if isinstance(passed, Arrival):
            return self.arrive(passed, settings)
        return passed.tell(self, settings)

    def events(self, exchange: Exchange, settings: Settings) -> list[AuditEvent]:
        """The events of one exchange; none for notifications, streams and routes that are not MCP's."""
        if exchange.scope is None:
            if exchange.only is None:
                return []
            return [self._describer.of_inner(exchange, exchange.only, settings)]
        http = Reading(exchange)
        if exchange.only is not None:
            return [self._describer.of_call(http, http.request_of(exchange.only), settings)]
        found = []
        for request in http.requests:
            if "id" in request or http.rejected:
                event = self._describer.of_call(http, request, settings)
                if event.method in _QUIET and not http.rejected:
                    continue
                if (told := self._parted(http, request, event, settings)) is not None:
                    found.append(told)
            elif request.get("method") == "notifications/cancelled":
                found += self._called_off(http, request)
        if not http.requests and http.rejected and http.is_mcp:
            found.append(self._describer.of_call(http, {}, settings))
        for message, size in http.answers:
            found += self._asked(http, asking.questions(message, size), settings)
        for reply in http.replies:
            found += self._replied(http, reply)
        tap = exchange.response
        if isinstance(tap, SseTap):
            found += self._own(http, tap.own(), settings)
        if isinstance(tap, LiveTap) and tap.session is not None:
            # On the older transport nothing can be answered any more.
            found += self._streams.end(tap.session, "the stream ended before the answer")
            found += self._asking.end(tap.session, "the stream ended before the answer")
        return found

    def _parted(
        self, http: Reading, request: Mapping[str, Any], event: AuditEvent, settings: Settings
    ) -> AuditEvent | None:
        """The event of a request, unless its answer is still to come on the session's own stream."""
        minted = http.response_headers.get("mcp-session-id")
        if event.method == "initialize" and minted and http.exchange.status == 200:
            self._streams.begin(minted)
        session, key = http.session, key_of(request.get("id"))
        if session is None or key is None:
            return event
        if event.outcome == "cancelled" and not http.exchange.inner:
            self._streams.cut_off(session, key, event)
        elif (why := self._streams.called_off(session, key)) is not None and event.rows is None:
            event.outcome, event.reason = "cancelled", why[0] or event.reason
        elif http.exchange.status == 202 and event.outcome == "ok" and http.answer(request)[0] is None:
            event.response_bytes = None
            return self._streams.park(session, key, event, partial(self._complete, settings))
        else:
            self._streams.settled(session, key)
        return event

    def _called_off(self, http: Reading, notification: Mapping[str, Any]) -> list[AuditEvent]:
        """The event of a request that its client calls off, where that waited for its answer."""
        params = notification.get("params")
        params = params if isinstance(params, dict) else {}
        key = key_of(params.get("requestId"))
        if http.session is None or key is None:
            return []
        event = self._streams.call_off(http.session, key, clean(params.get("reason"), 200))
        return [event] if event is not None else []

    def arrive(self, arrival: Arrival, settings: Settings) -> list[AuditEvent]:
        """The events that a stream completes: answers to what was asked in its session."""
        exchange = arrival.exchange
        http = Reading(exchange)
        session = arrival.session or http.session
        if session is None:
            return []
        if arrival.session is not None:
            self._streams.begin(session)
        if exchange.caller is None:
            exchange.caller = AuditEvent(time=arrival.time, server=self._describer.server)
            self._describer.place(exchange.caller, http)
            self._describer.name(exchange.caller, http, None, settings)
        caller = exchange.caller
        complete = partial(self._complete, settings)
        events, strays = self._streams.arrive(
            session, arrival.texts, arrival.time, complete, resumed="last-event-id" in http.headers
        )
        for event in events:
            if caller.actor is not None and event.actor is not None and caller.actor != event.actor:
                mixed_up(event, "stream")
        own = self._own(http, arrival.texts, settings, arrival)
        return own + events + [self._stray(stray, settings) for stray in strays]

    def _own(
        self, http: Reading, texts: Iterable[bytes], settings: Settings, arrival: Arrival | None = None
    ) -> list[AuditEvent]:
        """What a server asks its client and says of itself on a stream."""
        events: list[AuditEvent] = []
        for text in texts:
            for message in messages(text) or ():
                if (method := asking.changed(message)) is not None:
                    events.append(asking.change(self.blank(arrival.time if arrival else http.exchange.time), method))
                elif "method" in message:
                    events += self._asked(http, asking.questions(message, len(text)), settings, arrival)
        return events

    def _asked(
        self, http: Reading, asked: Iterable[asking.Question], settings: Settings, arrival: Arrival | None = None
    ) -> list[AuditEvent]:
        session = (arrival.session if arrival is not None else None) or http.session
        events = []
        for question in asked:
            event = self.blank(arrival.time if arrival is not None else http.exchange.time)
            event.transport = "sse" if http.older or (arrival is not None and arrival.session) else "http"
            self._describer.place(event, http)
            if session is not None:
                event.session = self._describer.fingerprints.of(session)
            self._describer.name(event, http, None, settings)
            known = outcome.Answer(credentials=http.credentials[1] is not None)
            event.auth = outcome.auth_state(known, verified=event.identity == "verified")
            events.append(self._asking.ask(session, question, self.question(event, question)))
        return [event for event in events if event is not None]

    def question(self, event: AuditEvent, question: asking.Question) -> AuditEvent:
        """An event of server and client as that of a question between them."""
        event = asking.describe(event, question)
        self._describer.look(event, question.params)
        return event

    def _replied(self, http: Reading, reply: Mapping[str, Any]) -> list[AuditEvent]:
        if http.session is None:
            return []
        event = self._asking.answer(http.session, Answered(reply, http.exchange.request.seen, http.exchange.time))
        return [event] if event is not None else []

    def blank(self, now: float) -> AuditEvent:
        """An event that says no more than which server it is of; `now` in seconds since the epoch."""
        return AuditEvent(time=now, server=self._describer.server)

    def due(self, now: float, settings: Settings) -> list[AuditEvent]:
        """Events that are due without anything happening: answers and requests that wait in vain."""
        events, strays = self._streams.due(now)
        events += self._asking.due(now)
        return events + [self._stray(stray, settings) for stray in strays]

    def end(self) -> list[AuditEvent]:
        """The events of everything that still waits."""
        reason = "the audit ended before the answer"
        return self._streams.end(None, reason) + self._asking.end(None, reason)

    def _complete(self, settings: Settings, event: AuditEvent, message: Mapping[str, Any], size: int) -> AuditEvent:
        """An event with the answer that took another way than its request."""
        event.outcome, event.reason = outcome.classify(outcome.Answer(status=200, message=message))
        self._describer.error(event, message)
        self._describer.measure(event, message, settings)
        event.response_bytes, event.bytes_quality = size, "exact"
        if isinstance(result := message.get("result"), dict):
            self._describer.look(event, result)
            self._describer.learn_session(event, result)
        return event

    def _stray(self, stray: Stray, settings: Settings) -> AuditEvent:
        """The event of an answer that nobody asked for."""
        answer = stray.answer
        event = AuditEvent(
            time=answer.time, server=self._describer.server, transport="http", request_id=clean(stray.id, 128)
        )
        event.session = self._describer.fingerprints.of(str(stray.channel))
        return mixed_up(self._complete(settings, event, answer.message, answer.size), stray.kind)
