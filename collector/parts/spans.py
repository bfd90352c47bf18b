"""From an MCP span to an event: the semantic conventions, their older names, and what each emitter does differently."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from collector.format import RecordError
from collector.parts.otlp import Telemetry
from collector.parts.outcome import complete, outcome_of
from collector.parts.values import (
    address,
    integer,
    milliseconds,
    moment,
    name,
    number,
    session_of,
    size,
    text,
    texts,
    wire_object,
)
from tocsin_audit.arguments import keys
from tocsin_audit.event import FIELDS as EVENT_FIELDS
from tocsin_audit.event import STAMPED, AuditEvent

_NEVER: Final = {
    *("v", "on_behalf_of", "resource_tenants", "data_classes", "token", "token_ttl_s", "token_age_s"),
    *("audience", "tls", "origin", "args_hash", "recipients", "handles_presented", "handles_minted", "signals"),
    *("approval", "manifest", "change", "producer", "run", "seq", "agent", "echo"),
}
FIELDS: Final = frozenset(EVENT_FIELDS) - STAMPED - _NEVER
"""What spans and log records can tell of an event."""
STATELESS: Final = "2026-07-28"
"""The first protocol version without sessions."""
TOOLHIVE: Final = "github.com/stacklok/toolhive"
TOOLHIVE_RATE: Final = 0.1
"""ToolHive's own default; its spans do not say what was chosen."""

_CLIENT, _INTERNAL, _ERROR = 3, 1, 2

# Spans that name no method, by their names: (method, attribute of the target).
_BY_NAME: Final[Mapping[str, tuple[str, str]]] = {
    "tool.invoke": ("tools/call", "tool.name"),
    "resource.read": ("resources/read", "resource.uri"),
    "prompt.render": ("prompts/get", "prompt.id"),
    "mcp.tool.call": ("tools/call", "mcp.tool.name"),
    "mcp.prompt.get": ("prompts/get", "mcp.prompt.name"),
    "mcp.resource.read": ("resources/read", "mcp.resource.uri"),
    "ToolExecuted": ("tools/call", "ToolName"),
}
_METHODS: Final = ("mcp.method.name", "mcp.method", "mcp_method")
_TARGETS: Final = (
    "gen_ai.tool.name",
    "mcp.tool.name",
    "gen_ai.prompt.name",
    "mcp.prompt.name",
    "mcp.resource.uri",
    "mcp.resource.id",
    "tool.name",
    "resource.uri",
    "prompt.id",
    "ToolName",
)
_URIS: Final = ("mcp.resource.uri", "resource.uri", "mcp.resource.id")
_SERVERS: Final = (
    "mcp.server.name",
    "fastmcp.server.name",
    "mcp.provider.name",
    "mcp.backend.name",
    "mcp.target",
    "ServerName",
)
_USERS: Final = ("user.id", "user.email", "user.name", "jwt.sub")
_TENANTS: Final = ("tocsin.tenant", "tenant.id", "organization.id", "enduser.tenant", "jwt.org_id")
_STATUS: Final = ("http.response.status_code", "http.status_code", "http.status")
_ARGUMENTS: Final = ("gen_ai.tool.call.arguments", "mcp.tool.arguments")
_RESULTS: Final = ("gen_ai.tool.call.result", "mcp.tool.result")
_RATES: Final = ("tocsin.sample_rate", "sampling.probability", "sample_rate", "sampling.rate")
_THRESHOLD: Final = re.compile(r"(?:^|[;,])\s*(?:ot=)?(?:[^,]*;)?th:([0-9a-fA-F]{1,14})(?=$|[;,])")
_POWER: Final = re.compile(r"(?:^|[;,=])p:(\d{1,2})(?=$|[;,])")
_TEAM: Final = re.compile(r"(?:team|tenant|org)[:/=]", re.IGNORECASE)


def span_event(span: Telemetry) -> AuditEvent | None:
    """The event that an MCP span tells of; null where it is no such span, or only repeats the one above it.

    Raises RecordError where it has no time.
    """
    seen = span.attributes
    method, target = _what(span)
    if method is None or _repeats(span):
        return None
    nano = span.end or span.start
    if not nano:
        raise RecordError("time", "a span without a time", field="endTimeUnixNano", hint="look at the exporter")
    protocol = text(seen.get("mcp.protocol.version"), 64)
    code, kind = _first(seen, ("rpc.response.status_code", "mcp.error.code", "rpc.jsonrpc.error_code")), None
    kind = seen.get("error.type")
    words = text(_first(seen, ("error.message", "mcp.error.message", "exception.message", "error"))) or text(
        span.message
    )
    status = _first(seen, _STATUS)
    user, client = _who(span)
    event = AuditEvent(
        time=moment(nano),
        server=_server(span),
        id=f"{span.trace}.{span.span}" if span.trace and span.span else None,
        method=method,
        target=target,
        outcome=_outcome(span, status, code, kind, words),
        error_code=integer(code) if integer(code) else _code_of(kind),
        error=words,
        user=user,
        client=client,
        tenant=_tenant(span),
        identity=_trust(span) if user or client else None,
        scopes=texts(_first(seen, ("enduser.scope", "oauth.scope"))),
        source_ip=address(_first(seen, ("client.address", "net.peer.ip", "src.addr"))),
        user_agent=text(_first(seen, ("user_agent.original", "http.user_agent"))),
        request_bytes=size(_first(seen, ("http.request.body.size", "http.request_content_length"))),
        response_bytes=size(_first(seen, ("http.response.body.size", "http.response_content_length"))),
        rows=_rows(seen),
        duration_ms=_duration(span),
        session=_session(seen, protocol),
        request_id=text(_first(seen, ("jsonrpc.request.id", "mcp.request.id")), 128),
        trace=span.trace or None,
        protocol=protocol,
        transport=_transport(seen),
        server_version=text(span.resource.get("service.version"), 128),
        client_version=_client_version(seen),
        args_keys=_argument_names(seen),
        sample_rate=sample_rate(span),
    )
    if event.source_ip is not None:
        event.ip_trust = "peer" if "client.address" in seen else "unknown"
    ext = _ext(span)
    if ext:
        event.ext = wire_object(ext)
    return complete(event)


def sample_rate(span: Telemetry) -> float | None:
    """The share of spans that is sent, as far as a span or its resource says; null where nothing speaks of sampling."""
    for values in (span.attributes, span.resource):
        found = number(_first(values, _RATES))
        if found is not None and 0 < found <= 1:
            return found if found < 1 else None
        # Honeycomb's convention: one in so many.
        each = number(values.get("SampleRate"))
        if each is not None and each > 1:
            return 1 / each
    state = span.state[:512]
    if state and (match := _THRESHOLD.search(state)) is not None:
        kept = 1 - int(match[1].ljust(14, "0"), 16) / 2**56
        return kept if 0 < kept < 1 else None
    if state and (match := _POWER.search(state)) is not None and 0 < int(match[1]) < 63:
        return math.ldexp(1.0, -int(match[1]))
    if span.scope.startswith(TOOLHIVE) and number(span.resource.get("tocsin.sample_rate")) is None:
        return TOOLHIVE_RATE
    return None


def _what(span: Telemetry) -> tuple[str | None, str | None]:
    seen = span.attributes
    method = text(_first(seen, _METHODS), 128)
    if method is None:
        if span.name not in _BY_NAME:
            return None, None
        method, attribute = _BY_NAME[span.name]
        return method, text(seen.get(attribute)) or text(_first(seen, _TARGETS))
    if method.startswith("resources/") or "resources/" in method:
        return method, text(_first(seen, _URIS))
    return method, text(_first(seen, _TARGETS))


def _repeats(span: Telemetry) -> bool:
    # FastMCP opens such a span below the request's own for each mounted server that it asks.
    return span.kind == _INTERNAL and span.name.startswith("delegate ")


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    for each in names:
        if (found := values.get(each)) is not None:
            return found
    return None


def _server(span: Telemetry) -> str:
    seen = span.attributes
    named = text(_first(seen, _SERVERS), 256)
    service = name(span.resource.get("service.name"))
    if service is not None and service.startswith("unknown_service"):
        service = None
    if span.kind == _CLIENT and named is None:
        # A caller's own service name is not the server's.
        named = text(seen.get("server.address"), 256)
    return named or service or text(seen.get("server.address"), 256) or "unnamed"


def _who(span: Telemetry) -> tuple[str | None, str | None]:
    seen = span.attributes
    end = name(seen.get("enduser.id"))
    user = next((found for key in _USERS if key in seen and (found := name(seen[key])) is not None), None)
    if span.scope.startswith("fastmcp"):
        # FastMCP writes the OAuth client's id there.
        return user, end
    return user or end, name(_first(seen, ("oauth.client_id", "client.id")))


def _trust(span: Telemetry) -> str:
    """Whether the server checked who it is; other attributes may have come with the caller's own baggage."""
    checked = "jwt.sub" in span.attributes or "enduser.id" in span.attributes or span.scope.startswith("mcpgateway")
    return "verified" if checked else "claimed"


def _tenant(span: Telemetry) -> str | None:
    found = name(_first(span.attributes, _TENANTS)) or name(_first(span.resource, _TENANTS[:3]))
    if found is None and (team := name(span.attributes.get("team.scope"))) is not None:
        found = team if team not in ("public", "admin", "all", "*") else None
        if found is not None and (match := _TEAM.match(found)) is not None:
            found = found[match.end() :] or None
    return found


def _outcome(span: Telemetry, status: Any, code: Any, kind: Any, words: str | None) -> str | None:
    seen = span.attributes
    failed = seen.get("mcp.tool.result.is_error") is True or seen.get("success") is False
    found = outcome_of(status=status, code=code, error=words, kind=kind, failed=failed)
    if found in (None, "ok") and span.status == _ERROR:
        return outcome_of(error=words, failed=True)
    if found is None:
        # An emitter that knows of no error says nothing of it.
        return "ok"
    return found


def _code_of(kind: Any) -> int | None:
    found = integer(kind)
    return found if found is not None and found < 0 else None


def _rows(seen: Mapping[str, Any]) -> int | None:
    return size(_first(seen, ("mcp.result.rows", "db.response.returned_rows")))


def _duration(span: Telemetry) -> float | None:
    if span.start and span.end:
        return round((span.end - span.start) / 1e6, 6) if span.end >= span.start else None
    return milliseconds(_first(span.attributes, ("duration.ms", "duration_ms", "http.duration_ms")))


def _session(seen: Mapping[str, Any], protocol: str | None) -> str | None:
    if protocol is not None and protocol >= STATELESS:
        # There are no sessions any more; what stands here is made up for each request.
        return None
    return session_of(_first(seen, ("mcp.session.id", "langfuse.session.id")))


def _transport(seen: Mapping[str, Any]) -> str | None:
    found = text(_first(seen, ("network.transport", "mcp.transport")), 32)
    if found == "pipe":
        return "stdio"
    if found in ("tcp", "quic", "streamable-http", "streamable_http"):
        return "http"
    return found


def _client_version(seen: Mapping[str, Any]) -> str | None:
    found = text(_first(seen, ("mcp.client.name", "ClientName")), 128)
    version = text(_first(seen, ("mcp.client.version", "ClientVersion")), 128)
    return f"{found}/{version}" if found is not None and version is not None else found


def _argument_names(seen: Mapping[str, Any]) -> tuple[str, ...]:
    given = _first(seen, _ARGUMENTS)
    if isinstance(given, str):
        # What was cut, or is written as key=value, is no object: nothing can be said of it.
        try:
            given = msgspec.json.decode(given)
        except (msgspec.DecodeError, ValueError, RecursionError):
            given = None
    if isinstance(given, dict):
        return keys(given)
    prefix = "mcp.request.argument."
    return tuple(sorted(found for key in seen if key.startswith(prefix) and (found := text(key[len(prefix) :], 64))))


def _ext(span: Telemetry) -> dict[str, Any]:
    ext: dict[str, Any] = {}
    if span.scope:
        ext["scope"] = span.scope
    if span.kind == _CLIENT:
        ext["vantage"] = "client"
    for member, keys_ in (("arguments", _ARGUMENTS), ("result", _RESULTS)):
        if (content := _first(span.attributes, keys_)) is not None:
            ext[member] = content
    for key in ("mcp.tools.count", "mcp.tool.result.content_count", "mcp.server.type"):
        if (found := span.attributes.get(key)) is not None:
            ext[key] = found
    return ext
