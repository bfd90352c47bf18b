"""ToolHive's audit log: NDJSON of `pkg/audit`, one `audit_event` for each request that its proxy saw."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from collector.format import About, RecordError
from collector.parts.outcome import complete, outcome_of
from collector.parts.values import (
    address,
    child,
    decode_object,
    integer,
    join,
    milliseconds,
    moment,
    name,
    size,
    text,
    wire_object,
)
from tocsin_audit.arguments import keys
from tocsin_audit.event import AuditEvent

CAP: Final = 1024
"""Bytes of an answer that ToolHive captures unless told otherwise."""

_METHODS: Final = {
    "mcp_initialize": "initialize",
    "mcp_tool_call": "tools/call",
    "mcp_tools_list": "tools/list",
    "mcp_resource_read": "resources/read",
    "mcp_resources_list": "resources/list",
    "mcp_prompt_get": "prompts/get",
    "mcp_prompts_list": "prompts/list",
    "mcp_notification": "notifications/message",
    "mcp_ping": "ping",
    "mcp_logging": "logging/setLevel",
    "mcp_completion": "completion/complete",
    "mcp_roots_list_changed": "notifications/roots/list_changed",
    "sse_connection": "sse",
}
_VERBS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
_WORKFLOW: Final = "vmcp_workflow_"


class ToolHive:
    """Reads ToolHive's audit events."""

    name = "toolhive"
    about = About(
        title="ToolHive audit log",
        versions="ToolHive 0.6 to 0.9 (pkg/audit, toolhive-core)",
        fields=frozenset(
            {
                *("time", "id", "server", "kind", "method", "target", "action", "outcome", "user", "on_behalf_of"),
                *("auth", "identity", "source_ip", "ip_trust", "user_agent", "response_bytes", "bytes_quality"),
                *(
                    "duration_ms",
                    "request_id",
                    "transport",
                    "client_version",
                    "args_keys",
                    "error_code",
                    "error",
                    "ext",
                ),
            }
        ),
        blind="401 is not told from 403, nor missing from wrong credentials; errors inside SSE answers and `isError` "
        "pass as success; sizes are capped at what was captured; addresses are the first one forwarded; no tenant",
    )

    def fits(self, record: bytes) -> bool:
        """Whether it is one of ToolHive's audit events."""
        return b'"audit_id"' in record and b'"logged_at"' in record

    def parse(self, record: bytes) -> Sequence[AuditEvent]:
        """The event of one line; none for other lines of the same log."""
        tree = decode_object(record)
        kind = text(tree.get("type"), 128)
        if tree.get("audit_id") is None and tree.get("logged_at") is None and tree.get("msg") != "audit_event":
            return ()
        if kind is None:
            raise RecordError("missing", "type is not there", field="type", hint="is it an audit event?")
        return (_event(tree, kind),)


FORMAT: Final = ToolHive()


def _event(tree: Mapping[str, Any], kind: str) -> AuditEvent:
    said = tree.get("logged_at") or tree.get("time")
    if said is None:
        raise RecordError("missing", "logged_at is not there", field="logged_at", hint="is the line whole?")
    source, subjects, target = child(tree, "source"), child(tree, "subjects"), child(tree, "target")
    extra, beside = child(child(tree, "metadata"), "extra"), child(source, "extra")
    user = name(subjects.get("user_id")) or name(subjects.get("user"))
    event = AuditEvent(
        time=moment(said),
        server=text(extra.get("backend_name"), 256) or text(tree.get("component"), 256) or "toolhive",
        id=text(tree.get("audit_id"), 128),
        method=_method(kind, target),
        target=text(target.get("name")),
        user=user,
        identity="verified" if user is not None else None,
        on_behalf_of=_chain(child(tree, "delegation")),
        source_ip=address(source.get("value")) if source.get("type", "network") == "network" else None,
        user_agent=text(beside.get("user_agent")) or text(extra.get("user_agent")),
        response_bytes=size(extra.get("response_size_bytes")),
        duration_ms=milliseconds(extra.get("duration_ms")),
        request_id=text(beside.get("request_id"), 128),
        transport=_transport(extra.get("transport")),
        client_version=_client(subjects),
        error_code=integer(extra.get("jsonrpc_error_code")),
        error=text(extra.get("jsonrpc_error_message")),
    )
    if kind.startswith(_WORKFLOW):
        event.kind, event.method = "lifecycle", None
        event.target = event.target or text(child(tree, "metadata").get("workflow_name"))
    if event.source_ip is not None:
        # The first of the forwarded addresses, which whoever calls may write.
        event.ip_trust = "untrusted_xff"
    if event.response_bytes is not None:
        event.bytes_quality = "capped"
    _outcome(event, text(tree.get("outcome"), 64), kind, target)
    event.args_keys = _argument_names(tree)
    event.ext = wire_object(_ext(tree, kind, target))
    return complete(event)


def _method(kind: str, target: Mapping[str, Any]) -> str:
    said = text(target.get("method"), 128)
    if said is not None and said not in _VERBS:
        return said
    # What was refused before it was understood as MCP has only a verb.
    return _METHODS.get(kind, "http")


def _outcome(event: AuditEvent, said: str | None, kind: str, target: Mapping[str, Any]) -> None:
    if said == "success":
        event.outcome = "ok"
        event.auth = "valid" if event.user is not None else None
    elif said == "denied":
        # With a user the token was good, so what was refused is the use of it.
        known = event.user is not None
        event.outcome = "authz_denied" if known else "auth_invalid"
        event.auth = "valid" if known else None
        event.target = event.target or (text(target.get("endpoint")) if kind == "http_request" else None)
    elif said == "application_error":
        event.auth = "valid" if event.user is not None else None
        event.outcome = outcome_of(code=event.error_code, error=event.error, failed=True)
    elif said == "error":
        event.outcome = "upstream_error"
    elif said == "failure":
        event.outcome = "not_found" if kind == "http_request" else "protocol_violation"
    elif said is not None:
        event.outcome = "other"


def _chain(delegation: Mapping[str, Any]) -> tuple[str, ...]:
    chain = delegation.get("chain")
    if not isinstance(chain, list):
        return ()
    found = (join(link.get("iss"), link.get("sub")) for link in chain[:32] if isinstance(link, dict))
    return tuple(actor for actor in found if actor is not None)


def _client(subjects: Mapping[str, Any]) -> str | None:
    client, version = name(subjects.get("client_name")), name(subjects.get("client_version"))
    return f"{client}/{version}" if client is not None and version is not None else client


def _transport(value: Any) -> str | None:
    found = text(value, 32)
    return "http" if found is not None and found.startswith("streamable") else found


def _argument_names(tree: Mapping[str, Any]) -> tuple[str, ...]:
    request = child(child(tree, "data"), "request")
    return keys(child(request, "params").get("arguments"))


def _ext(tree: Mapping[str, Any], kind: str, target: Mapping[str, Any]) -> dict[str, Any]:
    ext = {"type": kind, "endpoint": target.get("endpoint"), "component": tree.get("component")}
    delegation = child(tree, "delegation")
    if delegation.get("truncated") is True or delegation.get("malformed") is True:
        ext["delegation"] = {key: delegation.get(key) for key in ("truncated", "omitted", "malformed")}
    return {key: value for key, value in ext.items() if value is not None}
