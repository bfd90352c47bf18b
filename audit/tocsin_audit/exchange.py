"""An exchange: what was seen of one HTTP request and of the MCP calls in it, before any of it is read."""

import time
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Final

from tocsin_audit.event import AuditEvent
from tocsin_audit.wire import Tap

Scope = MutableMapping[str, Any]

KEY: Final = "tocsin_audit.exchange"
"""Where the ASGI half leaves the exchange in the scope, for the MCP half of the same request."""


class InnerCall:
    """What the MCP half saw of one call: the typed message, what was returned or raised, and who was verified.

    Where the wire itself was seen, `answer` is the response on it and the sizes are those of both messages.
    """

    __slots__ = (
        "access",
        "answer",
        "client_version",
        "done",
        "error",
        "message",
        "method",
        "protocol",
        "request_bytes",
        "request_id",
        "response_bytes",
        "result",
        "seconds",
        "started",
        "transport",
    )

    def __init__(self, method: str, request_id: str | int | None, message: Any) -> None:
        self.method = method
        self.request_id = request_id
        self.message = message
        self.result: Any = None
        self.answer: Mapping[str, Any] | None = None
        self.request_bytes: int | None = None
        self.response_bytes: int | None = None
        self.error: BaseException | None = None
        self.access: Any = None
        self.protocol: str | None = None
        self.client_version: str | None = None
        self.transport: str | None = None
        self.started = time.perf_counter()
        self.seconds = 0.0
        self.done = False


CURRENT: Final[ContextVar[InnerCall | None]] = ContextVar("tocsin_audit_call", default=None)
"""The call being served in this context, so that mounted servers and tools that call tools are not told twice."""


class Exchange:
    """One HTTP request as it passed by, or none of it (`scope` null) where the transport is not HTTP."""

    __slots__ = (
        "caller",
        "denied",
        "detached",
        "disconnected",
        "failure",
        "inner",
        "only",
        "request",
        "response",
        "response_headers",
        "scope",
        "seconds",
        "started",
        "status",
        "submitted",
        "time",
    )

    def __init__(self, scope: Scope | None) -> None:
        self.scope = scope
        self.started = time.perf_counter()
        self.time = 0.0
        self.seconds = 0.0
        self.request = Tap()
        self.response = Tap()
        self.status: int | None = None
        self.response_headers: list[tuple[bytes, bytes]] = []
        self.inner: dict[tuple[str | None, str], InnerCall] = {}
        self.only: InnerCall | None = None
        self.failure: BaseException | None = None
        self.disconnected = False
        self.caller: AuditEvent | None = None
        self.denied: str | None = None
        self.detached = False
        self.submitted = False

    def settle(self, now: float) -> "Exchange":
        """Say that it is over: `now` in seconds since the epoch."""
        self.time = now
        self.seconds = time.perf_counter() - self.started
        return self

    @property
    def weight(self) -> int:
        """Roughly how many bytes it holds on to."""
        return 2_048 + self.request.weight + self.response.weight

    @property
    def running(self) -> bool:
        """Whether the MCP half is still working on a call of it."""
        return any(not call.done for call in self.inner.values())


def headers_of(raw: list[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers by lower-case name; of one that is repeated the values are joined by a comma."""
    found: dict[str, str] = {}
    for name, value in raw[:200]:
        key = name.decode("latin-1").lower()
        text = value[:8192].decode("latin-1") if key != "authorization" else value[:32_768].decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found
