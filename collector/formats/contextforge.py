"""ContextForge: the security events that its SIEM export sends, as JSON, CEF or LEEF, and its structured log lines."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from collector.format import UNTIMED, About, RecordError
from collector.parts.cef import read_cef
from collector.parts.outcome import complete
from collector.parts.values import address, child, decode_object, milliseconds, moment, name, text, texts, wire_object
from tocsin_audit.event import AuditEvent

# What each type of event means: kind, outcome, auth.
_TYPES: Final[Mapping[str, tuple[str, str | None, str | None]]] = {
    "authentication_failure": ("auth", "auth_invalid", "invalid"),
    "authentication_success": ("auth", "ok", "valid"),
    "authorization_failure": ("request", "authz_denied", "valid"),
    "rate_limit_exceeded": ("request", "rate_limited", None),
    "brute_force_attempt": ("auth", "auth_invalid", "invalid"),
    "token_manipulation": ("auth", "auth_invalid", "invalid"),
    "privilege_escalation": ("request", "authz_denied", "valid"),
    "data_exfiltration": ("request", None, None),
    "injection_attempt": ("request", None, None),
    "suspicious_activity": ("request", None, None),
    "anomalous_behavior": ("request", None, None),
}
_PERMISSIONS: Final = frozenset({"role", "permission", "team", "team_member", "user_role", "token", "user"})
_READS: Final = frozenset({"view", "list", "get", "read"})
_INVOKED: Final[Mapping[str, tuple[str, str]]] = {
    "tool": ("tools/call", "tool_name"),
    "resource": ("resources/read", "resource_uri"),
    "prompt": ("prompts/get", "prompt_name"),
}
_CEF_MARKS: Final = (b"CEF:0|IBM|ContextForge|", b"LEEF:2.0|IBM|ContextForge|", b"LEEF:1.0|IBM|ContextForge|")


class ContextForge:
    """Reads the events of ContextForge's SIEM export."""

    name = "contextforge"
    about = About(
        title="ContextForge SIEM export (JSON, CEF, LEEF) and structured log",
        versions="mcp-context-forge 1.0 (schema_version 1.0)",
        fields=frozenset(
            {
                *("time", "id", "server", "kind", "method", "target", "action", "outcome", "reason", "user", "tenant"),
                *("auth", "source_ip", "ip_trust", "user_agent", "duration_ms", "request_id", "server_version"),
                *("signals", "change", "error", "ext", "bytes_quality", "identity"),
            }
        ),
        blind="calls of tools are in the structured log and the spans alone, not in the export; tokens that are merely "
        "invalid, and passwords that are wrong, are not exported (only revoked tokens and disabled accounts are); "
        "CEF and LEEF name no user, since mail addresses are redacted; the address is the peer's, perhaps a "
        "balancer's; no sizes",
    )

    def fits(self, record: bytes) -> bool:
        """Whether it is an event of the export, or a structured log line about a call."""
        if b'"event_type"' in record and b'"action_taken"' in record:
            return True
        if b'"resource_action"' in record and b'"component"' in record:
            return True
        return any(mark in record for mark in _CEF_MARKS)

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The event of one record; none for log lines that are not about a call."""
        if record.lstrip()[:1] != b"{":
            return (_event(_of_cef(read_cef(record))),)
        tree = decode_object(record)
        if "event_type" in tree:
            return (_event(tree),)
        made = _invocation(tree)
        return () if made is None else (made,)


FORMAT: Final = ContextForge()


def _event(tree: Mapping[str, Any]) -> AuditEvent:
    what = text(tree.get("event_type"), 128)
    if what is None:
        raise RecordError("missing", "event_type is not there", field="event_type", hint="is the record whole?")
    if tree.get("timestamp") is None:
        raise RecordError("missing", "timestamp is not there", field="timestamp", hint="is the record whole?")
    what = what.lower()
    actor, context, source = child(tree, "actor"), child(tree, "context"), child(tree, "source")
    kind, outcome, auth = _TYPES.get(what, ("request", None, None))
    object_type = text(context.get("resource_type"), 64)
    action = text(context.get("action"), 64) or (what[6:] if what.startswith("audit_") else None)
    user = name(actor.get("user_id")) or name(actor.get("user_email"))
    event = AuditEvent(
        time=moment(tree["timestamp"]),
        server=text(source.get("service"), 128) or "mcpgateway",
        id=text(tree.get("event_id"), 128),
        kind=kind,
        outcome=outcome,
        auth=auth,
        user=user,
        identity="verified" if user is not None and auth == "valid" else "claimed" if user is not None else None,
        tenant=name(context.get("team_id")),
        target=text(context.get("resource_id")),
        source_ip=address(actor.get("client_ip")),
        user_agent=text(actor.get("user_agent")),
        request_id=text(context.get("correlation_id"), 128),
        server_version=text(source.get("version"), 128),
        reason=text(tree.get("description")) if outcome != "ok" else None,
        signals=("injection:contextforge",) if what == "injection_attempt" else (),
    )
    if event.source_ip is not None:
        event.ip_trust = "peer"
    if what.startswith("audit_"):
        _administration(event, tree, object_type, action)
    elif event.kind == "request":
        event.method = _method(object_type, action, what)
    if event.outcome is None and text(tree.get("action_taken"), 64) in ("denied", "blocked", "rejected"):
        event.outcome = "authz_denied"
    event.ext = wire_object(_ext(tree, what))
    return complete(event)


def _administration(event: AuditEvent, tree: Mapping[str, Any], object_type: str | None, action: str | None) -> None:
    event.outcome = "authz_denied" if text(tree.get("action_taken"), 64) in ("denied", "failed") else "ok"
    event.reason = None
    if action in _READS:
        event.method = f"registry/{action}"
        event.action = "read"
        return
    event.kind = "permission" if object_type in _PERMISSIONS else "config"
    event.action = action if action in ("create", "update", "delete") else None
    event.change = wire_object({"object": f"{object_type or 'object'}:{event.target or '?'}", "action": action})


def _method(object_type: str | None, action: str | None, what: str) -> str:
    if object_type is not None and object_type in _INVOKED:
        return _INVOKED[object_type][0]
    return action or what


def _invocation(tree: Mapping[str, Any]) -> AuditEvent | None:
    kind, action = text(tree.get("resource_type"), 64), text(tree.get("resource_action"), 64)
    if kind is None or kind not in _INVOKED or action not in ("invoke", "read", "get"):
        return None
    custom = child(tree, "custom_fields")
    method, key = _INVOKED[kind]
    said = tree.get("timestamp") or tree.get("time")
    if said is None:
        raise RecordError("missing", "timestamp is not there", field="timestamp", hint="is the line whole?")
    error = child(tree, "error_details").get("error_message") or custom.get("error")
    failed = custom.get("success") is False or text(tree.get("level"), 16) in ("ERROR", "error")
    user = name(tree.get("user_id")) or name(tree.get("user_email"))
    event = AuditEvent(
        time=moment(said),
        server=text(custom.get("server_name"), 256) or text(custom.get("server_id"), 256) or "mcpgateway",
        method=method,
        target=text(custom.get(key)) or text(tree.get("resource_id")),
        outcome="tool_error" if failed else "ok",
        user=user,
        identity="verified" if user is not None else None,
        tenant=name(tree.get("team_id")) or name(custom.get("team_id")),
        source_ip=address(tree.get("client_ip")),
        user_agent=text(tree.get("user_agent")),
        request_id=text(tree.get("correlation_id"), 128),
        duration_ms=milliseconds(tree.get("duration_ms") or custom.get("duration_ms")),
        error=text(error),
    )
    if event.source_ip is not None:
        event.ip_trust = "peer"
    return complete(event)


def _of_cef(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a CEF or LEEF line where the JSON form has them."""

    def first(*keys: str) -> Any:
        return next((pairs[key] for key in keys if pairs.get(key)), None)

    return {
        "event_type": first("_event"),
        # The export itself writes no time into these lines; the syslog header has it.
        "timestamp": first("rt", "end", "devTime", "eventTime", "timestamp") or UNTIMED,
        "event_id": first("externalId", "eventId"),
        "description": first("msg", "_name", "description"),
        "source": {"service": "mcpgateway", "version": first("_version")},
        "actor": {
            "user_email": first("suser", "usrName"),
            "client_ip": first("src"),
            "user_agent": first("requestClientApplication"),
        },
        "context": {"correlation_id": first("CorrelationID", "cs1", "correlationId")},
        "threat": {
            "score": first("ThreatScore", "cfp1", "threatScore"),
            "failed_attempts": first("FailedAttempts", "cn1"),
        },
        "action_taken": first("act", "action"),
    }


def _ext(tree: Mapping[str, Any], what: str) -> dict[str, Any]:
    threat, context = child(tree, "threat"), child(tree, "context")
    ext = {
        "type": what,
        "severity": tree.get("severity"),
        "threat": threat.get("score"),
        "indicators": list(texts(threat.get("indicators"))) or None,
        "failed_attempts": threat.get("failed_attempts"),
        "auth_method": context.get("auth_method"),
    }
    return {key: value for key, value in ext.items() if value is not None}
