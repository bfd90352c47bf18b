"""Assembly: from an exchange as it passed by to its audit events, one for each request in it."""

import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin_audit import action, arguments, identity, measure, outcome
from tocsin_audit.event import AuditEvent
from tocsin_audit.exchange import Exchange, InnerCall, headers_of
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.ownership import header_text
from tocsin_audit.settings import Settings
from tocsin_audit.source import Network, source
from tocsin_audit.text import clean, clean_error
from tocsin_audit.typed import message_of, params_of
from tocsin_audit.wire import messages, plain

_META: Final = "io.modelcontextprotocol/"
_STATELESS: Final = "2026-07-28"
_TRACE: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")
_METHOD: Final = re.compile(rb'"method"\s*:\s*"([^"\\]{1,128})"')
_QUIET: Final = frozenset({"ping"})
_REMEMBERED: Final = 10_000


class Assembler:
    """Makes events for one server; remembers per session and per tool what only an earlier answer said."""

    def __init__(self, server: str, fingerprints: Fingerprints, trusted: tuple[Network, ...]) -> None:
        self.server = server
        self._fingerprints = fingerprints
        self._trusted = trusted
        self._clients: OrderedDict[str, tuple[str | None, str | None]] = OrderedDict()
        self._annotations: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._server_version: str | None = None

    def events(self, exchange: Exchange, settings: Settings) -> list[AuditEvent]:
        """The events of one exchange; none for notifications, streams and routes that are not MCP's."""
        if exchange.scope is None:
            if exchange.only is None:
                return []
            return [self._of_inner(exchange, exchange.only, settings)]
        http = _Http(exchange)
        if exchange.only is not None:
            return [self._of_call(http, http.request_of(exchange.only), settings)]
        found = []
        for request in http.requests:
            if "id" in request or http.rejected:
                event = self._of_call(http, request, settings)
                if event.method not in _QUIET or http.rejected:
                    found.append(event)
        if not http.requests and http.rejected and http.is_mcp:
            found.append(self._of_call(http, {}, settings))
        return found

    def _of_call(self, http: "_Http", request: Mapping[str, Any], settings: Settings) -> AuditEvent:
        exchange = http.exchange
        method = clean(request.get("method"), 128) or http.header_method
        params = request.get("params")
        params = params if isinstance(params, Mapping) else {}
        inner = exchange.inner.get((_key(request.get("id")), method or ""))
        answer, size = http.answer(request)
        late = answer is None and inner is not None and inner.done
        message = message_of(inner) if late and inner is not None else answer
        event = AuditEvent(time=exchange.time, server=self.server, kind="request" if method else "auth", method=method)
        event.transport = "http"
        event.duration_ms = round(exchange.seconds * 1e3, 3)
        event.request_id = _request_id(request.get("id"))
        self._place(event, http)
        self._name(event, http, inner, settings)
        self._describe(event, params, http.headers, settings)
        self._judge(event, http, message, inner, cut_off=exchange.disconnected and answer is None)
        if http.misleading is not None and event.outcome == "ok":
            event.reason = http.misleading
        event.request_bytes = exchange.request.seen
        if not http.body_seen and exchange.request.seen == 0:
            event.request_bytes = None
        self._measure(event, message, settings)
        event.response_bytes = size
        event.bytes_quality = "absent" if size is None else "capped" if http.capped else "exact"
        if http.foreign_response:
            event.signals = ("mixup:response-id",)
        if exchange.denied is not None:
            event.outcome, event.reason = "authz_denied", f"tocsin.denied:{exchange.denied}"
        self._remember(event, http, message)
        return event

    def _of_inner(self, exchange: Exchange, inner: InnerCall, settings: Settings) -> AuditEvent:
        """The event of a call that no HTTP request carried."""
        params = params_of(inner)
        message = message_of(inner)
        event = AuditEvent(time=exchange.time, server=self.server, method=clean(inner.method, 128))
        event.transport = inner.transport
        event.request_id = clean(inner.request_id, 128)
        event.duration_ms = round(inner.seconds * 1e3, 3)
        event.protocol, event.client_version = clean(inner.protocol, 32), clean(inner.client_version)
        if inner.access is not None:
            self._put(event, identity.verified(inner.access, settings.tenant_claims, exchange.time))
            event.auth = "valid"
            self._token(event, getattr(inner.access, "token", None))
        else:
            event.auth = "none"
            # One process serves one client here, so its self-given name groups no strangers.
            event.agent = clean(_product(inner.client_version))
        self._describe(event, params, {}, settings)
        failed = inner.error
        seen = outcome.Answer(
            message=message, inner=_class(failed), inner_text=str(failed) if failed else None, disconnected=False
        )
        event.outcome, event.reason = outcome.classify(seen)
        self._error(event, message)
        self._measure(event, message, settings)
        event.request_bytes = _length(params)
        event.response_bytes = _length(message.get("result")) if message is not None else None
        event.bytes_quality = "exact" if event.response_bytes is not None else "absent"
        if exchange.denied is not None:
            event.outcome, event.reason = "authz_denied", f"tocsin.denied:{exchange.denied}"
        return event

    def _place(self, event: AuditEvent, http: "_Http") -> None:
        """Where the request came from and over what."""
        scope, headers = http.exchange.scope, http.headers
        assert scope is not None
        forwarded = [headers["x-forwarded-for"]] if "x-forwarded-for" in headers else []
        event.source_ip, event.ip_trust = source(scope.get("client"), forwarded, self._trusted)
        event.user_agent = clean(headers.get("user-agent"))
        event.origin = clean(headers.get("origin"))
        event.protocol = http.protocol
        tls = scope.get("extensions", {}).get("tls") if isinstance(scope.get("extensions"), Mapping) else None
        if isinstance(tls, Mapping):
            event.tls = {0x0303: "1.2", 0x0304: "1.3"}.get(tls.get("tls_version", 0))
        if http.session is not None:
            event.session = self._fingerprints.of(http.session)
        trace = _TRACE.match(headers.get("traceparent") or str(http.meta.get("traceparent") or ""))
        event.trace = trace[1] if trace is not None else None
        event.client_version = _version(http.client_info)
        event.server_version = self._server_version

    def _name(self, event: AuditEvent, http: "_Http", inner: InnerCall | None, settings: Settings) -> None:
        """Who called."""
        scope, now = http.exchange.scope, http.exchange.time
        assert scope is not None
        user = scope.get("user")
        access = getattr(user, "access_token", None) or (inner.access if inner is not None else None)
        scheme, token = http.credentials
        if access is not None:
            who = identity.verified(access, settings.tenant_claims, now)
            token = token or getattr(access, "token", None)
        elif user is not None and http.exchange.status != 401 and identity.authenticated(user) is not identity.NOBODY:
            who = identity.authenticated(user)
        elif token is not None and scheme == "bearer":
            who = identity.claimed(token, settings.tenant_claims, now)
        else:
            who = identity.NOBODY
        self._put(event, who)
        self._token(event, token)
        if inner is not None:
            event.protocol = event.protocol or clean(inner.protocol, 32)
            event.client_version = event.client_version or clean(inner.client_version)
        if event.client_version is None and event.session is not None:
            known = self._clients.get(event.session)
            if known is not None:
                event.client_version = known[0]
                event.protocol = event.protocol or known[1]

    def _token(self, event: AuditEvent, token: str | None) -> None:
        if token:
            event.token = self._fingerprints.of(token)

    @staticmethod
    def _put(event: AuditEvent, who: identity.Identity) -> None:
        for name in identity.Identity.__struct_fields__:
            setattr(event, name, getattr(who, name))

    def _describe(
        self, event: AuditEvent, params: Mapping[str, Any], headers: Mapping[str, str], settings: Settings
    ) -> None:
        """What was asked for."""
        method = event.method or ""
        name = params.get("name") if method in ("tools/call", "prompts/get") else params.get("uri")
        if method == "completion/complete" and isinstance(ref := params.get("ref"), Mapping):
            name = ref.get("uri") or ref.get("name")
        target = name if isinstance(name, str) else header_text(headers["mcp-name"]) if "mcp-name" in headers else None
        event.target = clean(target, 1024)
        if method == "tools/call" and event.target is not None:
            event.action = action.of_tool(event.target, self._annotations.get(event.target))
        else:
            event.action = action.of_method(method)
        given = params.get("arguments")
        event.args_keys = arguments.keys(given)
        event.args_hash = arguments.digest(given, self._fingerprints)
        event.recipients = arguments.recipients(given, self._fingerprints)
        presented = {key: value for key, value in params.items() if key not in ("_meta", "arguments")}
        event.handles_presented = arguments.handles({**presented, "arguments": given}, self._fingerprints)
        trusted = headers if (event.protocol or "") >= _STATELESS else {}
        event.resource_tenants = tuple(sorted(settings.ownership.asked(target, given, trusted)))

    def _judge(
        self,
        event: AuditEvent,
        http: "_Http",
        message: Mapping[str, Any] | None,
        inner: InnerCall | None,
        *,
        cut_off: bool,
    ) -> None:
        """How it ended."""
        exchange = http.exchange
        failed = inner.error if inner is not None else None
        seen = outcome.Answer(
            status=exchange.status,
            credentials=http.credentials[1] is not None,
            challenge=http.challenge,
            message=message,
            text=http.text,
            session=http.session is not None or event.protocol is None or event.protocol < _STATELESS,
            origin=event.origin is not None,
            disconnected=cut_off,
            failure=_class(exchange.failure),
            inner=_class(failed),
            inner_text=str(failed) if failed is not None else None,
        )
        event.outcome, event.reason = outcome.classify(seen)
        event.auth = outcome.auth_state(seen, verified=event.identity == "verified")
        self._error(event, message)

    @staticmethod
    def _error(event: AuditEvent, message: Mapping[str, Any] | None) -> None:
        error = message.get("error") if message is not None else None
        if isinstance(error, Mapping):
            code = error.get("code")
            event.error_code = code if isinstance(code, int) else clean(code, 64)
            event.error = clean_error(error.get("message"))
        elif message is not None and event.outcome not in ("ok", "input_required"):
            event.error = event.reason

    def _measure(
        self,
        event: AuditEvent,
        message: Mapping[str, Any] | None,
        settings: Settings,
    ) -> None:
        """What came back."""
        result = message.get("result") if message is not None else None
        if not isinstance(result, Mapping):
            return
        inside = measure.payload(result)
        if result.get("isError") is not True:
            event.rows = measure.rows(event.method or "", result, inside)
        owners = set(event.resource_tenants) | settings.ownership.returned(inside)
        event.resource_tenants = tuple(sorted(owners))
        minted = {key: value for key, value in result.items() if key not in ("_meta", "content", "contents", "tools")}
        event.handles_minted = arguments.handles(minted, self._fingerprints)
        if event.handles_minted and event.handles_presented:
            event.handles_minted = tuple(h for h in event.handles_minted if h not in event.handles_presented)
        if event.method == "tools/list" and isinstance(tools := result.get("tools"), list):
            event.manifest = msgspec.Raw(msgspec.json.encode(measure.manifest(tools)))
            for tool in tools[:1000]:
                if isinstance(tool, Mapping) and isinstance(noted := tool.get("annotations"), Mapping):
                    _keep(self._annotations, str(tool.get("name"))[:1024], noted)

    def _remember(self, event: AuditEvent, http: "_Http", message: Mapping[str, Any] | None) -> None:
        """What only this answer says and later events need: the session's client, the server's version."""
        result = message.get("result") if message is not None else None
        if not isinstance(result, Mapping):
            return
        meta = result.get("_meta")
        said = result.get("serverInfo") or (meta.get(f"{_META}serverInfo") if isinstance(meta, Mapping) else None)
        if isinstance(said, Mapping):
            self._server_version = event.server_version = clean(said.get("version"), 64)
        if event.method == "initialize":
            event.protocol = clean(result.get("protocolVersion"), 32) or event.protocol
            minted = http.response_headers.get("mcp-session-id")
            if minted and http.exchange.status == 200:
                event.session = self._fingerprints.of(minted)
                _keep(self._clients, event.session, (event.client_version, event.protocol))


class _Http:
    """The readable side of one HTTP exchange."""

    def __init__(self, exchange: Exchange) -> None:
        scope = exchange.scope
        assert scope is not None
        self.exchange = exchange
        self.headers = headers_of(scope.get("headers", []))
        self.response_headers = headers_of(exchange.response_headers)
        self.challenge = self.response_headers.get("www-authenticate", "")[:2048]
        bodies = exchange.request.bodies()
        self.body_seen = bool(bodies)
        found = messages(bodies[0]) if bodies else None
        self._malformed = bool(bodies) and found is None
        self.requests = found or []
        if not self.requests and exchange.inner:
            self.requests = [_request_of(call) for call in exchange.inner.values()]
        if not self.requests and (method := self._method_unread()) is not None:
            self.requests = [{"method": method, "id": None}]
        # Posted responses answer the server's own requests; they are no requests of the client.
        self.requests = [request for request in self.requests if "method" in request][:100]
        params = self.requests[0].get("params") if self.requests else None
        opening: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
        meta = opening.get("_meta")
        self.meta: Mapping[str, Any] = meta if isinstance(meta, Mapping) else {}
        version = self.headers.get("mcp-protocol-version") or self.meta.get(f"{_META}protocolVersion")
        self.protocol = clean(version or opening.get("protocolVersion"), 32)
        self.client_info = self.meta.get(f"{_META}clientInfo") or opening.get("clientInfo")
        self.header_method = clean(self.headers.get("mcp-method"), 128)
        session = self.headers.get("mcp-session-id")
        self.session = session if session and (self.protocol or "") < _STATELESS else None
        self.capped = exchange.response.truncated
        self._read_answers()

    def _method_unread(self) -> str | None:
        """The method of a request whose body was not kept: by its header, else by the first place that names it."""
        if (named := self.headers.get("mcp-method")) is not None:
            return clean(named, 128)
        if self.exchange.request.truncated:
            match = _METHOD.search(b"".join(self.exchange.request.chunks))
            return match[1].decode("utf-8", "replace") if match is not None else None
        return None

    def _read_answers(self) -> None:
        self._answers: dict[str | None, tuple[Mapping[str, Any], int]] = {}
        self.text = ""
        encoding = self.response_headers.get("content-encoding", "")
        unnamed: list[tuple[Mapping[str, Any], int]] = []
        asked = {_key(request.get("id")) for request in self.requests if "id" in request}
        self.foreign_response = False
        for body in self.exchange.response.bodies():
            text = plain(body, encoding)
            if text is None:
                self.capped = True
                continue
            found = messages(text)
            if found is None:
                self.text = text[:2000].decode("utf-8", "replace")
                continue
            for message in found:
                if "method" in message or not ("result" in message or "error" in message):
                    continue
                size = len(text) if len(found) == 1 else len(msgspec.json.encode(message))
                if (key := _key(message.get("id"))) in asked:
                    self._answers[key] = (message, size)
                elif "error" in message:
                    unnamed.append((message, size))
                elif asked and self.body_seen:
                    self.foreign_response = True
        for key in asked - self._answers.keys():
            if unnamed:  # an error before the request was understood carries no id, or the server's own
                self._answers[key] = unnamed[0]
        self._unnamed = unnamed

    def request_of(self, call: InnerCall) -> Mapping[str, Any]:
        """The request that a call of the MCP layer serves."""
        for request in self.requests:
            if _key(request.get("id")) == call.request_id and request.get("method") == call.method:
                return request
        return _request_of(call)

    def answer(self, request: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, int | None]:
        """The JSON-RPC response to a request and its size in bytes; of what was not readable the size alone."""
        if (known := self._answers.get(_key(request.get("id")))) is not None:
            return known
        if not request and self._unnamed:
            return self._unnamed[0]
        response = self.exchange.response
        alone = len(self.requests) <= 1
        return None, response.seen if alone and response.seen and self.exchange.status is not None else None

    @property
    def rejected(self) -> bool:
        """Whether the HTTP layer refused the request, or somebody else ended it."""
        status = self.exchange.status
        return self.exchange.denied is not None or (status is not None and status >= 400)

    @property
    def is_mcp(self) -> bool:
        """Whether a rejected request without a readable call was meant for an MCP endpoint."""
        status = self.exchange.status
        if self._malformed and self.exchange.status == 400:
            return bool(self._unnamed)
        marks = any(name.startswith("mcp-") for name in self.headers) or "resource_metadata" in self.challenge
        streams = "text/event-stream" in self.headers.get("accept", "")
        return (marks or streams or self.exchange.denied is not None) and status not in (404, 405, 406, 415)

    @property
    def credentials(self) -> tuple[str | None, str | None]:
        """The scheme, in lower case, and the value of the Authorization header, or an API key."""
        value = self.headers.get("authorization", "").strip()
        if not value:
            key = self.headers.get("x-api-key", "").strip()
            return ("apikey", key) if key else (None, None)
        scheme, _, token = value.partition(" ")
        return scheme.lower(), token.strip() or None

    @property
    def misleading(self) -> str | None:
        """How the routing headers disagree with the body, where they do and the server let it pass."""
        if not self.requests or not self.body_seen or (self.protocol or "") < _STATELESS:
            return None
        request = self.requests[0]
        if self.header_method is not None and self.header_method != request.get("method"):
            return "Mcp-Method header disagrees with the body"
        params = request.get("params")
        named = params.get("name", params.get("uri")) if isinstance(params, Mapping) else None
        if "mcp-name" in self.headers and named is not None and header_text(self.headers["mcp-name"]) != named:
            return "Mcp-Name header disagrees with the body"
        return None


def _request_of(call: InnerCall) -> dict[str, Any]:
    return {"method": call.method, "id": call.request_id, "params": params_of(call)}


def _key(request_id: Any) -> str | None:
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float):
        return None
    return str(request_id)


def _request_id(request_id: Any) -> str | int | None:
    if isinstance(request_id, int) and not isinstance(request_id, bool) and abs(request_id) < 2**53:
        return request_id
    return clean(_key(request_id), 128)


def _version(info: Any) -> str | None:
    if not isinstance(info, Mapping):
        return None
    name, version = clean(info.get("name"), 128), clean(info.get("version"), 64)
    return f"{name}/{version}" if name and version else name


def _product(client_version: str | None) -> str | None:
    return client_version.rpartition("/")[0] or client_version if client_version else None


def _class(error: BaseException | None) -> str | None:
    return type(error).__name__ if error is not None else None


def _length(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return len(msgspec.json.encode(value))
    except (TypeError, ValueError):
        return None


def _keep(table: "OrderedDict[str, Any]", key: str, value: Any) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _REMEMBERED:
        table.popitem(last=False)
