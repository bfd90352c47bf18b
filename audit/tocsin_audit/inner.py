"""The inner half: a FastMCP middleware, which sees typed results and verified claims on every transport."""

import time
from collections.abc import Callable
from typing import Any

from fastmcp.server.dependencies import get_access_token
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from mcp.shared.exceptions import MCPError

from tocsin_audit.asgi import DENIED_CODE, Watch, verified_facts
from tocsin_audit.exchange import CURRENT, KEY, Exchange, InnerCall
from tocsin_audit.text import clean


class Inner(Middleware):
    """Outermost in the chain of a FastMCP server; leaves what it saw with the ASGI half, or speaks alone."""

    def __init__(self, watch: Callable[[], Watch | None]) -> None:
        self._watch = watch

    async def on_message(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Serve one message; only requests of clients are noted, each once."""
        watch = self._watch()
        outside = CURRENT.get()
        if watch is None or context.type != "request" or (outside is not None and not outside.done):
            return await call_next(context)
        try:
            call, exchange = _begin(context)
        except Exception as error:  # noqa: BLE001 - our own faults must not reach the server
            watch.trouble("inner half", error)
            return await call_next(context)
        if call is None or exchange is None:
            return await call_next(context)
        watch.start()
        token = CURRENT.set(call)
        try:
            if exchange.scope is None:
                _obey(watch, call, exchange)
            call.result = await call_next(context)
        except BaseException as error:
            call.error = error
            raise
        else:
            return call.result
        finally:
            CURRENT.reset(token)
            _end(watch, call, exchange)


def _begin(context: MiddlewareContext[Any]) -> tuple[InnerCall | None, Exchange | None]:
    """A call and the exchange it belongs to; no call where it is the SDK's own look-up inside another request."""
    server_context = context.fastmcp_context
    request_context = server_context.request_context if server_context is not None else None
    request = getattr(request_context, "request", None)
    scope = getattr(request, "scope", None)
    exchange = scope.get(KEY) if scope is not None else None
    if exchange is None and scope is not None:
        # Without the ASGI half the routing header alone tells a call from the listing that checks its parameters.
        asked = dict(scope.get("headers", ())).get(b"mcp-method")
        if asked is not None and asked.decode("latin-1") != context.method:
            return None, None
    request_id = request_context.request_id if request_context is not None else None
    call = InnerCall(context.method or "", request_id, context.message)
    call.access = get_access_token()
    if server_context is not None:
        call.transport = {"streamable-http": "http"}.get(server_context.transport or "", server_context.transport)
    if request_context is not None:
        call.protocol = request_context.protocol_version
        call.client_version = _client(request_context.session)
    if exchange is None:
        return call, Exchange(None)
    exchange.inner.setdefault((request_id, call.method), call)
    return call, exchange


def _client(session: Any) -> str | None:
    info = getattr(getattr(session, "client_params", None), "client_info", None)
    name, version = clean(getattr(info, "name", None), 128), clean(getattr(info, "version", None), 64)
    return f"{name}/{version}" if name and version else name


def _obey(watch: Watch, call: InnerCall, exchange: Exchange) -> None:
    """Refuse a denied caller where no ASGI half could."""
    settings = watch.settings
    if not settings.denials or (call.access is None and not settings.denials.targets):
        return
    facts: dict[str, str | None] = {}
    if call.access is not None:
        facts = verified_facts(call.access, settings)
        token = getattr(call.access, "token", None)
        facts["token"] = watch.fingerprint(token) if token else None
    facts["server"] = settings.server
    named = (getattr(call.message, name, None) for name in ("name", "uri"))
    targets = [str(value) for value in named if value is not None]
    if (denial := settings.denials.find_among(facts, targets, time.time())) is not None:
        exchange.denied = denial.incident
        raise MCPError(code=DENIED_CODE, message=f"Access denied by the security team ({denial.incident})")


def _end(watch: Watch, call: InnerCall, exchange: Exchange) -> None:
    call.seconds = time.perf_counter() - call.started
    call.done = True
    if exchange.scope is None:
        exchange.only = call
        watch.submit(exchange.settle(time.time()))
    elif exchange.detached:
        late = Exchange(exchange.scope)
        for name in ("request", "response", "response_headers", "status", "inner", "disconnected", "started"):
            setattr(late, name, getattr(exchange, name))
        late.only = call
        watch.submit(late.settle(time.time()))
