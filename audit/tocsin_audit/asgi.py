"""The outer half: an ASGI application around an MCP server's, which sees what the MCP layer cannot."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, Final, Protocol

import msgspec

from tocsin_audit import identity
from tocsin_audit.denials import Denial
from tocsin_audit.exchange import KEY, Exchange, Scope, headers_of
from tocsin_audit.settings import Settings
from tocsin_audit.source import Network, source
from tocsin_audit.streams import Arrival
from tocsin_audit.wire import Inflating, LiveTap, SseTap

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

DENIED_CODE: Final = -32000
_PEEK_SECONDS: Final = 0.05
_LISTEN: Final = b"subscriptions/listen"


class Watch(Protocol):
    """What the halves need of the recorder behind them; none of it blocks or raises."""

    settings: Settings
    trusted: tuple[Network, ...]

    def start(self) -> None:
        """Begin to deliver, where it has not begun."""

    def stop(self) -> None:
        """Deliver or spool what is left, within a bounded time."""

    def submit(self, passed: Exchange | Arrival) -> bool:
        """Hand over an exchange that is over, or what a stream has brought; false where there is no room."""

    def fingerprint(self, value: str) -> str:
        """The keyed fingerprint of a token."""

    def trouble(self, where: str, error: BaseException) -> None:
        """Note a fault of our own."""


class Outer:
    """Wraps one ASGI application; `inner` says that its MCP layer carries the other half."""

    def __init__(self, app: App, watch: Callable[[], Watch | None], *, inner: bool) -> None:
        self._app = app
        self._watch = watch
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; what passes is noted, never held up."""
        watch = self._watch()
        if watch is None or KEY in scope:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await _Request(self._app, watch, self._inner, scope, receive, send).serve()
        elif scope["type"] == "lifespan":
            await self._lifespan(watch, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _lifespan(self, watch: Watch, scope: Scope, receive: Receive, send: Send) -> None:
        async def passing(message: Message) -> None:
            if message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await asyncio.to_thread(watch.stop)
            await send(message)

        watch.start()
        await self._app(scope, receive, passing)


class _Request:
    """One HTTP request on its way through."""

    def __init__(self, app: App, watch: Watch, inner: bool, scope: Scope, receive: Receive, send: Send) -> None:
        self._app = app
        self._watch = watch
        self._inner = inner
        self._scope = scope
        self._receive = receive
        self._send = send
        self._exchange = Exchange(scope)
        self._peeked: list[Message] = []
        self._body_over = False
        self._checked = False
        self._started = False
        self._complete = False
        self._named = False
        self._inflating: Inflating | None = None

    async def serve(self) -> None:
        exchange, watch = self._exchange, self._watch
        watch.start()
        if watch.settings.denials and (denial := self._denied(self._source_facts())) is not None:
            await self._refuse(denial)
            watch.submit(exchange.settle(time.time()))
            return
        self._scope[KEY] = exchange
        try:
            await self._app(self._scope, self._incoming, self._outgoing)
        except BaseException as error:
            if exchange.denied is not None and isinstance(error, Exception):
                return  # it was told that the client has gone
            if not self._over:
                exchange.failure = error
            raise
        finally:
            self._finish()

    def _finish(self) -> None:
        exchange = self._exchange
        if exchange.submitted:
            return
        exchange.settle(time.time())
        # On the older transports an answer may come on another stream; then the MCP half has the last word.
        elsewhere = exchange.failure is None and exchange.denied is None
        if elsewhere and ((self._inner and exchange.status == 202 and self._calls) or exchange.running):
            exchange.detached = True
            return
        self._watch.submit(exchange)

    @property
    def _calls(self) -> bool:
        """Whether the request may be a call; what answers the server's own question is none."""
        bodies = self._exchange.request.bodies()
        return not bodies or b'"method"' in bodies[0]

    async def _incoming(self) -> Message:
        if self._peeked:
            return self._peeked.pop(0)
        message = await self._receive()
        try:
            self._note_request(message)
            if not self._checked and self._watch.settings.denials and not self._started:
                # Which tool is asked for is known at the end of the body alone, and until then nobody can act on it.
                self._checked = self._body_over or not self._watch.settings.denials.targets
                if (denial := self._denied(self._caller_facts(), self._targets())) is not None:
                    await self._read_on(message)
                    await self._refuse(denial)
        except Exception as error:  # noqa: BLE001 - our own faults must not reach the server
            self._watch.trouble("request", error)
        return {"type": "http.disconnect"} if self._exchange.denied is not None else message

    async def _outgoing(self, message: Message) -> None:
        exchange = self._exchange
        if exchange.denied is not None:
            return
        kind = message["type"]
        try:
            if kind == "http.response.start":
                self._started = True
                self._note_start(message)
                if message["status"] >= 400 and not self._body_over:
                    await self._peek()
        except Exception as error:  # noqa: BLE001 - our own faults must not reach the server
            self._watch.trouble("response", error)
        try:
            await self._send(message)
        except OSError:
            exchange.disconnected = True
            raise
        try:
            if kind == "http.response.body":
                if not exchange.submitted:
                    (self._inflating or exchange.response).feed(message.get("body", b""))
                    if isinstance(exchange.response, LiveTap):
                        self._hand_over(exchange.response)
                self._complete = not message.get("more_body", False)
        except Exception as error:  # noqa: BLE001 - our own faults must not reach the server
            self._watch.trouble("response", error)

    @property
    def _over(self) -> bool:
        """Whether what happens from here on changes nothing of what is told."""
        return self._complete or self._exchange.submitted

    def _note_request(self, message: Message) -> None:
        if message["type"] == "http.request":
            self._exchange.request.feed(message.get("body", b""))
            self._body_over = not message.get("more_body", False)
        elif message["type"] == "http.disconnect" and not self._over:
            self._exchange.disconnected = True

    def _note_start(self, message: Message) -> None:
        exchange = self._exchange
        exchange.status = message["status"]
        exchange.response_headers = list(message.get("headers", ()))
        kind = next((value for name, value in exchange.response_headers if name.lower() == b"content-type"), b"")
        if kind.startswith(b"text/event-stream"):
            live = self._scope["method"] == "GET"
            exchange.response = LiveTap(answers=not self._inner) if live else SseTap()
            encoding = headers_of(exchange.response_headers).get("content-encoding", "")
            if encoding in ("gzip", "deflate"):
                self._inflating = Inflating(exchange.response, encoding)
            if any(name == b"mcp-method" and value == _LISTEN for name, value in self._scope["headers"]):
                # A subscription may stay open for days; it is told when it begins.
                exchange.submitted = True
                self._watch.submit(exchange.settle(time.time()))

    def _hand_over(self, tap: LiveTap) -> None:
        """Hand over what a stream brought, and at first whose it is."""
        texts = tap.take() + tap.own()
        if texts or (tap.session is not None and not self._named):
            self._named = tap.session is not None
            self._watch.submit(Arrival(self._exchange, texts, tap.session))

    async def _peek(self) -> None:
        """Look at a body that a rejecting application did not read, if it is already here; it stays readable."""
        while not self._body_over and len(self._peeked) < 16:
            try:
                message = await asyncio.wait_for(self._receive(), _PEEK_SECONDS)
            except TimeoutError:
                return
            self._note_request(message)
            self._peeked.append(message)
            if message["type"] != "http.request":
                self._exchange.disconnected = False
                return

    async def _read_on(self, message: Message) -> None:
        if message["type"] == "http.request" and not self._body_over:
            await self._peek()

    def _source_facts(self) -> dict[str, str | None]:
        """What is known of a caller before the server has looked at it."""
        wanted = self._watch.settings.denials.keys
        facts: dict[str, str | None] = {"server": self._watch.settings.server}
        if wanted & {"source_ip", "token"}:
            headers = headers_of(self._scope.get("headers", []))
            forwarded = [headers["x-forwarded-for"]] if "x-forwarded-for" in headers else []
            facts["source_ip"] = source(self._scope.get("client"), forwarded, self._watch.trusted)[0]
            token = headers.get("authorization", "").partition(" ")[2].strip() or headers.get("x-api-key")
            facts["token"] = self._watch.fingerprint(token) if token else None
        return facts

    def _caller_facts(self) -> dict[str, str | None]:
        """The same with whom the server has verified by now."""
        facts = self._source_facts()
        facts["tenant"] = None
        user = self._scope.get("user")
        access = getattr(user, "access_token", None)
        if access is not None:
            facts |= verified_facts(access, self._watch.settings)
        elif user is not None:
            facts["user"] = identity.authenticated(user).user
        return facts

    def _targets(self) -> Collection[str]:
        """What is asked for; what cannot be read is taken for what is refused, so that padding hides nothing."""
        refused, request = self._watch.settings.denials.targets, self._exchange.request
        if not refused or not self._body_over or not request.seen:
            return ()
        bodies = request.bodies()
        return targets_in(bodies[0], refused) if bodies else refused

    def _denied(self, facts: dict[str, str | None], targets: Collection[str] = ()) -> Denial | None:
        return self._watch.settings.denials.find_among(facts, targets, time.time())

    async def _refuse(self, denial: Denial) -> None:
        """Answer 403 in the server's stead; what the server still says goes nowhere."""
        exchange = self._exchange
        if not self._body_over and not exchange.request.seen:
            await self._peek()
        exchange.denied = denial.incident
        exchange.status = 403
        body = msgspec.json.encode(
            {
                "jsonrpc": "2.0",
                "id": _id_in(exchange.request.bodies()),
                "error": {"code": DENIED_CODE, "message": f"Access denied by the security team ({denial.incident})"},
            }
        )
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": 403, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
        self._complete = True


def verified_facts(access: Any, settings: Settings) -> dict[str, str | None]:
    """Whom a verified access token names, as a denial's subject would."""
    who = identity.verified(access, settings.tenant_claims, 0.0)
    return {"user": who.user, "client": who.client, "agent": who.agent, "tenant": who.tenant}


class _Params(msgspec.Struct):
    name: Any = None
    uri: Any = None


class _Asked(msgspec.Struct):
    params: _Params | None = None


def targets_in(body: bytes, refused: Collection[str]) -> Collection[str]:
    """Which of the refused tools, prompts and resources a request or a batch asks for; all where it cannot be read."""
    try:
        asked = msgspec.json.decode(body, type=list[_Asked] | _Asked)
    except (ValueError, RecursionError):
        return refused
    calls = asked if isinstance(asked, list) else [asked]
    named = [value for call in calls if call.params for value in (call.params.name, call.params.uri)]
    return [value for value in named if isinstance(value, str) and value in refused]


class _Id(msgspec.Struct):
    id: str | int | None = None


def _id_in(bodies: list[bytes]) -> str | int | None:
    try:
        return msgspec.json.decode(bodies[0], type=_Id).id if bodies else None
    except ValueError:
        return None
