"""Outcomes from what foreign records say of them: HTTP status, JSON-RPC code, error type, or a word."""

import re
from typing import Any, Final

from collector.parts.values import integer, text
from tocsin_audit.action import of_method, of_tool
from tocsin_audit.event import AuditEvent
from tocsin_audit.outcome import Answer, classify
from tocsin_audit.text import clean_error

_EXCEPTION: Final = re.compile(r"[A-Za-z_][\w.]{2,120}")
_CODE: Final = re.compile(r"-?\d{3,6}")
_ANY_ERROR: Final = frozenset({"MCPError", "McpError"})
"""Exceptions of the official SDK that stand for every code; only their words tell them apart."""


def outcome_of(
    *,
    status: Any = None,
    code: Any = None,
    error: Any = None,
    kind: Any = None,
    failed: bool = False,
    credentials: bool = True,
) -> str | None:
    """The outcome (reference: the taxonomy of `mcp.audit.v1`); null where nothing says anything of it.

    `status` is HTTP's and `code` JSON-RPC's, `kind` OpenTelemetry's `error.type`, `error` the text, `failed` says that
    something went wrong without more. `credentials` is whether there were any; who does not know lets it be.
    """
    kind_text, error_text = text(kind, 200), text(error) or ""
    if kind_text == "tool_error":
        return "not_found" if error_text.lower().startswith("unknown tool") else "tool_error"
    if kind_text is not None and _CODE.fullmatch(kind_text):
        number = int(kind_text)
        if number < 0:
            code = number if code is None else code
        elif status is None:
            status = number
    status, code = integer(status), integer(code)
    if status is not None and not 100 <= status <= 599:
        status = None
    inner = None
    if kind_text is not None and not _CODE.fullmatch(kind_text) and _EXCEPTION.fullmatch(kind_text):
        inner = kind_text.rpartition(".")[2]
        if inner in _ANY_ERROR and status is None and code is None and error_text:
            return _of_any_error(error_text)
    message = None
    if code is not None and code != 0:
        message = {"error": {"code": code, "message": error_text}}
    elif status is None and inner is None:
        return _by_words(error_text, failed)
    answer = Answer(
        status=status,
        credentials=credentials,
        message=message,
        text=error_text,
        inner=inner,
        inner_text=error_text or None,
        session=True,
        origin="origin" in error_text.lower(),
    )
    found = classify(answer)[0]
    return "tool_error" if found == "ok" and failed else found


def _of_any_error(words: str) -> str:
    found = classify(Answer(message={"error": {"code": -32602, "message": words}}))[0]
    return found if found == "not_found" else classify(Answer(message={"error": {"code": -32000, "message": words}}))[0]


def _by_words(words: str, failed: bool) -> str | None:
    if not words and not failed:
        return None
    if not words:
        return "tool_error"
    return classify(Answer(message={"error": {"code": -32000, "message": words}}))[0]


def complete(event: AuditEvent) -> AuditEvent:
    """Add, in place, what follows from other fields: the action, and what the sizes are worth."""
    if event.action is None and event.kind == "request" and event.method is not None:
        if event.method == "tools/call":
            event.action = of_tool(event.target, None) if event.target is not None else None
        else:
            event.action = of_method(event.method)
    if event.bytes_quality is None and event.kind == "request":
        event.bytes_quality = "absent" if event.response_bytes is None else "exact"
    if event.error is not None:
        event.error = clean_error(event.error)
    if event.reason is not None:
        event.reason = clean_error(event.reason)
    return event
