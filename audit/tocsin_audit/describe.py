"""Describing: one request with its answer as an audit event."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin_audit import action, arguments, identity, measure, outcome
from tocsin_audit.event import AuditEvent
from tocsin_audit.exchange import Exchange, InnerCall
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.onlooker import Onlooker
from tocsin_audit.ownership import header_text
from tocsin_audit.reading import META, STATELESS, Reading, key_of
from tocsin_audit.settings import Settings
from tocsin_audit.source import Network, source
from tocsin_audit.text import clean, clean_error
from tocsin_audit.typed import dump, message_of, params_of

_TRACE: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-")
_REMEMBERED: Final = 10_000


class Describer:
    """Describes the requests of one server; remembers per session, tool and task what only an earlier answer said."""

    def __init__(
        self,
        server: str,
        fingerprints: Fingerprints,
        trusted: tuple[Network, ...],
        onlooker: Onlooker | None = None,
    ) -> None:
        self.server = server
        self._onlooker = onlooker
        self.fingerprints = fingerprints
        self._trusted = trusted
        self._clients: OrderedDict[str, tuple[str | None, str | None]] = OrderedDict()
        self._annotations: OrderedDict[str, Mapping[str, Any]] = OrderedDict()
        self._tasks: OrderedDict[str, tuple[str | None, str | None]] = OrderedDict()
        self._server_version: str | None = None

    def of_call(self, http: Reading, request: Mapping[str, Any], settings: Settings) -> AuditEvent:
        """The event of a request that came over HTTP."""
        exchange = http.exchange
        method = clean(request.get("method"), 128) or http.header_method
        params = request.get("params")
        params = params if isinstance(params, dict) else {}
        inner = exchange.inner.get((key_of(request.get("id")), method or ""))
        answer, size = http.answer(request)
        late = answer is None and inner is not None and inner.done
        message = message_of(inner) if late and inner is not None else answer
        event = AuditEvent(time=exchange.time, server=self.server, kind="request" if method else "auth", method=method)
        event.transport = "sse" if http.older else "http"
        event.duration_ms = round(exchange.seconds * 1e3, 3)
        event.request_id = _request_id(request.get("id"))
        self._learn(exchange, params.get("name"))
        self.place(event, http)
        self.name(event, http, inner, settings)
        self._describe(event, params, http.headers, settings)
        self._judge(event, http, message, inner, cut_off=exchange.disconnected and answer is None)
        if http.misleading is not None and event.outcome == "ok":
            event.reason = http.misleading
        event.request_bytes = exchange.request.seen
        if not http.body_seen and exchange.request.seen == 0:
            event.request_bytes = None
        self.measure(event, message, settings)
        event.response_bytes = size
        event.bytes_quality = "absent" if size is None else "capped" if http.capped else "exact"
        if (mixup := http.mixup_of(request)) is not None:
            if answer is None and http.foreign is not None:
                self.measure(event, http.foreign[0], settings)  # whose data the caller was given
            mixed_up(event, mixup)
        if exchange.denied is not None:
            event.outcome, event.reason = "authz_denied", f"tocsin.denied:{exchange.denied}"
        if self._onlooker is not None:
            returned = message.get("result") if message is not None else None
            self._onlooker.look(event, params.get("arguments"), returned if isinstance(returned, dict) else None)
        self._remember(event, http, message)
        return event

    def of_inner(self, exchange: Exchange, inner: InnerCall, settings: Settings) -> AuditEvent:
        """The event of a call that no HTTP request carried."""
        params = params_of(inner)
        message = message_of(inner)
        event = AuditEvent(time=exchange.time, server=self.server, method=clean(inner.method, 128))
        event.server_version = self._server_version
        event.transport = inner.transport
        event.request_id = _request_id(inner.request_id)
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
        self.error(event, message)
        self.measure(event, message, settings)
        event.request_bytes = inner.request_bytes or _length(params)
        returned = message.get("result") if message is not None else None
        event.response_bytes = inner.response_bytes or _length(returned)
        event.bytes_quality = "exact" if event.response_bytes is not None else "absent"
        if exchange.denied is not None:
            event.outcome, event.reason = "authz_denied", f"tocsin.denied:{exchange.denied}"
        if isinstance(returned, dict):
            self.learn_server(event, returned)
        return event

    def look(self, event: AuditEvent, result: Mapping[str, Any]) -> None:
        """Let the onlooker see a result that took another way than its request."""
        if self._onlooker is not None:
            self._onlooker.look(event, None, result)

    def learn_session(self, event: AuditEvent, result: Mapping[str, Any]) -> None:
        """Note what the answer to an `initialize` says that took another way."""
        self.learn_server(event, result)
        if event.method == "initialize" and event.session is not None:
            event.protocol = clean(result.get("protocolVersion"), 32) or event.protocol
            _keep(self._clients, event.session, (event.client_version, event.protocol))

    def place(self, event: AuditEvent, http: Reading) -> None:
        """Where the request came from and over what."""
        scope, headers = http.exchange.scope, http.headers
        assert scope is not None
        forwarded = [headers["x-forwarded-for"]] if "x-forwarded-for" in headers else []
        event.source_ip, event.ip_trust = source(scope.get("client"), forwarded, self._trusted)
        event.user_agent = clean(headers.get("user-agent"))
        event.origin = clean(headers.get("origin"))
        event.protocol = http.protocol
        tls = scope.get("extensions", {}).get("tls") if isinstance(scope.get("extensions"), dict) else None
        if isinstance(tls, dict):
            event.tls = {0x0303: "1.2", 0x0304: "1.3"}.get(tls.get("tls_version", 0))
        if http.session is not None:
            event.session = self.fingerprints.of(http.session)
        trace = _TRACE.match(headers.get("traceparent") or str(http.meta.get("traceparent") or ""))
        event.trace = trace[1] if trace is not None else None
        event.client_version = _version(http.client_info)
        event.server_version = self._server_version

    def name(self, event: AuditEvent, http: Reading, inner: InnerCall | None, settings: Settings) -> None:
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
            who = self._bearer(token, settings, now)
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

    def _bearer(self, token: str, settings: Settings, now: float) -> identity.Identity:
        """Who a bearer token names: proved where somebody here can check it, else as it claims."""
        proved = self._onlooker.claims(token, self.server, now) if self._onlooker is not None else None
        if proved is not None:
            return identity.checked(proved, settings.tenant_claims, now)
        return identity.claimed(token, settings.tenant_claims, now)

    def _token(self, event: AuditEvent, token: str | None) -> None:
        if token:
            event.token = self.fingerprints.of(token)

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
        if method == "completion/complete" and isinstance(ref := params.get("ref"), dict):
            name = ref.get("uri") or ref.get("name")
        target = name if isinstance(name, str) else header_text(headers["mcp-name"]) if "mcp-name" in headers else None
        event.target = clean(target, 1024)
        if method == "tools/call" and event.target is not None:
            event.action = action.of_tool(event.target, self._annotations.get(event.target))
        else:
            event.action = action.of_method(method)
        given = params.get("arguments")
        event.args_keys = arguments.keys(given)
        event.args_hash = arguments.digest(given, self.fingerprints)
        event.recipients = arguments.recipients(given, self.fingerprints)
        presented = {key: value for key, value in params.items() if key not in ("_meta", "arguments")}
        event.handles_presented = arguments.handles({**presented, "arguments": given}, self.fingerprints)
        if method.startswith("tasks/"):
            # What a task delivers is the doing of the tool that began it.
            known = next((self._tasks[each] for each in event.handles_presented if each in self._tasks), None)
            event.target, event.action = known or (event.target, event.action)
        trusted = headers if (event.protocol or "") >= STATELESS else {}
        event.resource_tenants = tuple(sorted(settings.ownership.asked(target, given, trusted)))

    def _judge(
        self,
        event: AuditEvent,
        http: Reading,
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
            session=http.session is not None or event.protocol is None or event.protocol < STATELESS,
            origin=event.origin is not None,
            disconnected=cut_off,
            failure=_class(exchange.failure),
            inner=_class(failed),
            inner_text=str(failed) if failed is not None else None,
        )
        event.outcome, event.reason = outcome.classify(seen)
        event.auth = outcome.auth_state(seen, verified=event.identity == "verified")
        self.error(event, message)

    @staticmethod
    def error(event: AuditEvent, message: Mapping[str, Any] | None) -> None:
        """What went wrong, in the server's words."""
        error = message.get("error") if message is not None else None
        if isinstance(error, dict):
            code = error.get("code")
            event.error_code = code if isinstance(code, int) else clean(code, 64)
            event.error = clean_error(error.get("message"))
        elif message is not None and event.outcome not in ("ok", "input_required"):
            event.error = event.reason

    def measure(
        self,
        event: AuditEvent,
        message: Mapping[str, Any] | None,
        settings: Settings,
    ) -> None:
        """What came back."""
        result = message.get("result") if message is not None else None
        if not isinstance(result, dict):
            return
        minting, result = result, measure.delivered(event.method or "", result)
        inside = measure.payload(result)
        if result.get("isError") is not True:
            event.rows = measure.rows(event.method or "", result, inside)
        owners = set(event.resource_tenants) | settings.ownership.returned(inside)
        event.resource_tenants = tuple(sorted(owners))
        minted = {key: each for key, each in minting.items() if key not in ("_meta", "content", "contents", "tools")}
        event.handles_minted = arguments.handles(minted, self.fingerprints)
        if event.handles_minted and event.handles_presented:
            event.handles_minted = tuple(h for h in event.handles_minted if h not in event.handles_presented)
        if event.method == "tools/call":
            for handle in event.handles_minted:
                _keep(self._tasks, handle, (event.target, event.action))
        if event.method == "tools/list" and isinstance(tools := result.get("tools"), list):
            event.manifest = msgspec.Raw(msgspec.json.encode(measure.manifest(tools)))
            for tool in tools[:1000]:
                if isinstance(tool, dict) and isinstance(noted := tool.get("annotations"), dict):
                    _keep(self._annotations, str(tool.get("name"))[:1024], noted)

    def _learn(self, exchange: Exchange, tool: Any) -> None:
        """Note the tools' annotations from the listing that the SDK made for itself inside a call."""
        if not exchange.inner or tool in self._annotations:
            return
        for call in exchange.inner.values():
            if call.method == "tools/list" and call.done and isinstance(call.result, Sequence):
                for listed in call.result[:1000]:
                    noted = dump(getattr(listed, "annotations", None))
                    _keep(self._annotations, str(listed.name)[:1024], noted if isinstance(noted, dict) else {})

    def learn_server(self, event: AuditEvent, result: Mapping[str, Any]) -> None:
        """Note what a result says of the server."""
        meta = result.get("_meta")
        said = result.get("serverInfo") or (meta.get(f"{META}serverInfo") if isinstance(meta, dict) else None)
        if isinstance(said, dict):
            self._server_version = event.server_version = clean(said.get("version"), 64)

    def _remember(self, event: AuditEvent, http: Reading, message: Mapping[str, Any] | None) -> None:
        """What only this answer says and later events need: the session's client, the server's version."""
        result = message.get("result") if message is not None else None
        if not isinstance(result, dict):
            return
        self.learn_server(event, result)
        if event.method == "initialize":
            event.protocol = clean(result.get("protocolVersion"), 32) or event.protocol
            minted = http.response_headers.get("mcp-session-id")
            if minted and http.exchange.status == 200:
                event.session = self.fingerprints.of(minted)
                _keep(self._clients, event.session, (event.client_version, event.protocol))


def mixed_up(event: AuditEvent, kind: str) -> AuditEvent:
    """An event whose response belongs to another request, or to none: `double`, `foreign`, `orphan` or `stream`."""
    event.outcome, event.reason = "protocol_violation", _MIXUPS[kind]
    event.signals = (*event.signals, f"mixup:{kind}")
    return event


_MIXUPS: Final = {
    "double": "the request had its answer already",
    "foreign": "the answer belongs to another request",
    "orphan": "nobody asked for this answer",
    "stream": "the answer went to another caller's stream",
}


def _request_id(request_id: Any) -> str | int | None:
    if isinstance(request_id, int) and not isinstance(request_id, bool) and abs(request_id) < 2**53:
        return request_id
    return clean(key_of(request_id), 128)


def _version(info: Any) -> str | None:
    if not isinstance(info, dict):
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


def _keep(table: "OrderedDict[Any, Any]", key: Any, value: Any) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _REMEMBERED:
        table.popitem(last=False)
