"""`AuditMiddleware`: one line that audits an MCP server."""

import atexit
import os
import socket
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final, cast

from tocsin_audit.asgi import App, Outer, Receive, Send
from tocsin_audit.change import changed
from tocsin_audit.event import AuditEvent
from tocsin_audit.exchange import CURRENT, Scope
from tocsin_audit.onlooker import Onlooker
from tocsin_audit.options import NO_LIMITS, options
from tocsin_audit.recorder import Recorder
from tocsin_audit.troubles import LOG

_FACTORIES: Final = ("http_app", "streamable_http_app", "sse_app")


class AuditMiddleware:
    """Audits a FastMCP server, an `MCPServer` of the official SDK, or any ASGI application that serves MCP.

    A server object is audited in place, whichever way it is run afterwards: `AuditMiddleware(mcp)`. An application is
    wrapped: `app = AuditMiddleware(app, server="billing")` or `app.add_middleware(AuditMiddleware, server="billing")`.
    What it watches goes on unchanged whatever happens here.

    Options not given are taken from the environment: `TOCSIN_URL`, `TOCSIN_KEY`, `TOCSIN_FINGERPRINT_KEY` and those
    in this package's README. `limits` changes `queue`, `queue_bytes`,
    `spool_bytes`, `heartbeat_s` and `stop_s`; `onlooker` is what a proxy adds.

    Raises TypeError when `app` is neither a server nor an application.
    """

    def __init__(
        self,
        app: Any,
        *,
        server: str | None = None,
        producer: str | None = None,
        url: str | None = None,
        key: str | None = None,
        path: str | os.PathLike[str] | None = None,
        spool: str | os.PathLike[str] | None = None,
        spool_key: str | None = None,
        fingerprint_key: str | None = None,
        tenant_claim: str | None = None,
        trusted_proxies: Iterable[str] | None = None,
        ownership: Iterable[Any] = (),
        limits: Mapping[str, Any] = NO_LIMITS,
        onlooker: Onlooker | None = None,
    ) -> None:
        factories = [name for name in _FACTORIES if callable(getattr(app, name, None))]
        if not factories and not callable(app):
            raise TypeError(
                f"{type(app).__name__} is neither an MCP server nor an ASGI application; "
                "hint: pass the FastMCP object, or what streamable_http_app() returned"
            )
        name = getattr(app, "name", None) if factories else None
        self._options = options(
            os.environ,
            name=name if isinstance(name, str) else None,
            host=socket.gethostname(),
            server=server,
            producer=producer,
            url=url,
            key=key,
            path=path,
            spool=spool,
            spool_key=spool_key,
            fingerprint_key=fingerprint_key,
            tenant_claim=tenant_claim,
            trusted_proxies=trusted_proxies,
            ownership=ownership,
            limits=limits,
            onlooker=onlooker,
        )
        for fault in self._options.faults:
            LOG.error("tocsin-audit: %s", fault)
        self._recorder: Recorder | None = None
        self._app: App | None = None
        if self._options.enabled:
            _stop_at_exit(self)
        else:
            LOG.warning(
                "tocsin-audit: %s is not audited: neither TOCSIN_URL and TOCSIN_KEY nor path= are set",
                self._options.server,
            )
        if factories:
            self._attach(app, factories)
        else:
            self._app = Outer(app, self._watch, inner=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as the wrapped ASGI application."""
        if self._app is None:
            self._app = cast(App, self._make())
        await self._app(scope, receive, send)

    def record(self, event: AuditEvent) -> None:
        """Ship an event that the server saw by itself, such as a login at its token endpoint.

        Its `server` and `time` (seconds since the epoch) may be empty and 0.
        """
        if (recorder := self._watch()) is not None:
            event.server = event.server or self._options.server
            event.time = event.time or time.time()
            recorder.record(event)

    def permission(self, object: str, action: str, grantee: str | None = None, **said: Any) -> None:
        """Tell of a change of who may do what: `audit.permission("crm", "grant", "role:support", after="read")`.

        `object` is what it is about, `action` what was done (`grant`, `revoke`, …), `grantee` to whom; `before` and
        `after` are any JSON. Further fields of an event (`user`, `tenant`, `approval`, `outcome`, …) may be said too;
        inside a call of a FastMCP server the verified caller is filled in. Never raises for what it is given.
        """
        self._change("permission", object, action, grantee, said)

    def config(self, object: str, action: str = "update", **said: Any) -> None:
        """Tell of a change of configuration: `audit.config("limits", before={"rows": 100}, after={"rows": 10_000})`.

        As `permission`, without a grantee. Do not pass secrets: a digest is enough to see that one changed.
        """
        self._change("config", object, action, None, said)

    def _change(self, kind: str, thing: str, action: str, grantee: str | None, said: dict[str, Any]) -> None:
        recorder = self._watch()
        if recorder is None:
            return
        try:
            call = CURRENT.get()
            access = call.access if call is not None else None
            change = {**said, "object": thing, "action": action, "grantee": grantee}
            claims = recorder.settings.tenant_claims
            recorder.record(changed(kind, self._options.server, change, access, claims, time.time()))
        except Exception as error:  # noqa: BLE001 - our own faults must not reach the server
            recorder.trouble(f"{kind} change", error)

    def start(self) -> None:
        """Begin to send heartbeats and to hear of denials before the first request; that would do it too."""
        if (recorder := self._watch()) is not None:
            recorder.start()

    def stop(self) -> None:
        """Deliver or spool what is left, within a bounded time; the end of the process does it too."""
        if self._recorder is not None and self._recorder.pid == os.getpid():
            self._recorder.stop()

    def _watch(self) -> Recorder | None:
        """The recorder of this process: a fork is a run of its own."""
        recorder = self._recorder
        if recorder is None or recorder.pid != os.getpid():
            if not self._options.enabled:
                return None
            recorder = self._recorder = Recorder(self._options)
        return recorder

    def _attach(self, server: Any, factories: list[str]) -> None:
        """Both halves for a FastMCP, the outer one for any other server that makes its own application."""
        inner = hasattr(server, "middleware") and hasattr(server, "add_middleware")
        if inner:
            from tocsin_audit.inner import Inner

            server.middleware.insert(0, Inner(self._watch))
        for name in factories:
            setattr(server, name, self._wrapped(getattr(server, name), inner))
        self._make = getattr(server, factories[0])

    def _wrapped(self, factory: Callable[..., Any], inner: bool) -> Callable[..., Any]:
        @wraps(factory)
        def make(*args: Any, **kwargs: Any) -> Any:
            app = factory(*args, **kwargs)
            build = app.build_middleware_stack
            # The application stays the object that its users know, with its state, routes and lifespan; only what it
            # serves through is wrapped, outside of every middleware that is added to it later.
            app.build_middleware_stack = lambda: Outer(build(), self._watch, inner=inner)
            return app

        return make


def _stop_at_exit(middleware: AuditMiddleware) -> None:
    """Stop at the end of the process without keeping the middleware alive until then."""
    reference = weakref.ref(middleware)

    def stop() -> None:
        if (alive := reference()) is not None:
            alive.stop()

    atexit.register(stop)
