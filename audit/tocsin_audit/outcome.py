"""The outcome of one request: by whether it had credentials and by what was answered, never by the challenge alone."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tocsin_audit.text import clean_error

_UNKNOWN_THING: Final = re.compile(
    r"(?i)\b(unknown|no such|not found|does not exist|method not found|disabled)\b|\bnot (?:be )?found"
)
_BAD_INPUT: Final = re.compile(
    r"(?i)validation error|invalid (?:arguments?|params?|parameters?|input)\b|missing required"
)
_SESSION: Final = re.compile(r"(?i)session")
_ORIGIN: Final = re.compile(r"(?i)\b(origin|host header|misdirected)\b")
_DENIED: Final = re.compile(
    r"(?i)\b(insufficient[_ ]scope|access denied|permission denied|forbidden|not authori[sz]ed)"
)
_TIMEOUT: Final = re.compile(r"(?i)timed? ?out|deadline")
_DESCRIPTION: Final = re.compile(r'error_description="([^"]{1,500})"')
_CODED: Final = re.compile(r"MCP error -\d{1,6}: ")
_CHALLENGE: Final = re.compile(r'(?i)error="?([a-z_]{1,64})')

_CANCELLED: Final = -32800
"""What servers answer to a request that its client called off, as in the language server protocol."""
_PROTOCOL: Final = frozenset({-32700, -32600, -32020, -32021, -32022})
_BY_EXCEPTION: Final = {
    "NotFoundError": "not_found",
    "DisabledError": "not_found",
    "ResourceSecurityError": "not_found",
    "ValidationError": "invalid_params",
    "AuthorizationError": "authz_denied",
    "InsufficientScopeError": "authz_denied",
    "TimeoutError": "timeout",
    "CancelledError": "cancelled",
    "ToolError": "tool_error",
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one request got back, as far as it was seen.

    `credentials`: it carried an Authorization header. `message`: the JSON-RPC response. `text`: a body that is none.
    `failure`: the class of what the application raised into us. `inner`: the class of what the MCP layer raised.
    """

    status: int | None = None
    credentials: bool = False
    challenge: str = ""
    message: Mapping[str, Any] | None = None
    text: str = ""
    session: bool = False
    origin: bool = False
    disconnected: bool = False
    failure: str | None = None
    inner: str | None = None
    inner_text: str | None = None


def classify(answer: Answer) -> tuple[str, str | None]:
    """The outcome (reference: the taxonomy of `mcp.audit.v1`) and the reason in the server's own words."""
    status = answer.status
    if answer.disconnected:
        return "cancelled", "client disconnected"
    if answer.failure is not None:
        kind = _BY_EXCEPTION.get(answer.failure)
        return kind if kind in ("timeout", "cancelled") else "upstream_error", answer.failure
    if status is not None and status >= 400 and (by_status := _by_status(status, answer)) is not None:
        return by_status, _words(answer)
    if answer.message is not None:
        return _by_message(answer.message, answer)
    if answer.inner is not None:
        return _BY_EXCEPTION.get(answer.inner, "upstream_error"), clean_error(answer.inner_text)
    if status is not None and status >= 400:
        text = _words(answer)
        if _SESSION.search(answer.text):
            return "session_invalid", text
        return ("upstream_error" if status >= 500 else "protocol_violation"), text
    return "ok", None


def _by_status(status: int, answer: Answer) -> str | None:
    if status == 401:
        return "auth_invalid" if answer.credentials else "auth_missing"
    words = answer.text or _error_text(answer.message)
    if status in (403, 421):
        if "insufficient_scope" not in answer.challenge and _ORIGIN.search(words) and (answer.origin or status == 421):
            return "origin_rejected"
        return "authz_denied" if status == 403 else "origin_rejected"
    if status == 429:
        return "rate_limited"
    if status in (408, 504):
        return "timeout"
    if answer.message is None and status >= 500:
        return "upstream_error"
    if status == 404 and answer.session and answer.message is None:
        return "session_invalid"
    return None


def _by_message(message: Mapping[str, Any], answer: Answer) -> tuple[str, str | None]:
    error = message.get("error")
    if isinstance(error, dict):
        code, text = error.get("code"), _error_text(message)
        return _by_code(code if isinstance(code, int) else None, text, answer), clean_error(text)
    result = message.get("result")
    if not isinstance(result, dict):
        return "ok", None
    if "taskId" in result:
        if result.get("status") == "failed" and isinstance(failed := result.get("error"), dict):
            return _by_message({"error": failed}, answer)
        if isinstance(inner := result.get("result"), dict):
            result = inner
    if result.get("isError") is True:
        text = _first_text(result)
        return _of_tool_error(text, answer.inner), clean_error(text)
    if result.get("resultType") == "input_required":
        return "input_required", None
    return "ok", None


def _by_code(code: int | None, text: str, answer: Answer) -> str:
    by_exception = _BY_EXCEPTION.get(answer.inner or "")
    if code == -32600 and answer.status in (400, 404) and _SESSION.search(text):
        return "session_invalid"
    if code in _PROTOCOL:
        return "protocol_violation"
    if code in (-32601, -32002):
        return "not_found"
    if code == -32602:
        if by_exception in ("not_found", "invalid_params"):
            return by_exception
        return "not_found" if _UNKNOWN_THING.search(text) else "invalid_params"
    if code == _CANCELLED:
        return "cancelled"
    if code == -32042:
        return "input_required"
    if by_exception is not None:
        return by_exception
    # Below -32000 the codes are the implementation's own, so only the words are left.
    if _SESSION.search(text) and answer.status in (400, 404):
        return "session_invalid"
    if _DENIED.search(text):
        return "authz_denied"
    if _TIMEOUT.search(text):
        return "timeout"
    return "upstream_error" if code == -32603 else "tool_error"


def _of_tool_error(text: str, inner: str | None) -> str:
    if inner is not None and inner in _BY_EXCEPTION:
        return _BY_EXCEPTION[inner]
    # The TypeScript SDK makes tool errors of protocol errors, with their code in front.
    head = _CODED.sub("", text[:200])
    if re.match(r"(?i)unknown tool\b|tool .{1,100} not found", head):
        return "not_found"
    if _BAD_INPUT.search(head):
        return "invalid_params"
    return "tool_error"


def _words(answer: Answer) -> str | None:
    described = _DESCRIPTION.search(answer.challenge)
    if described is not None:
        return clean_error(described[1])
    if (text := _error_text(answer.message)) or (text := _plain(answer.text)):
        return clean_error(text)
    named = _CHALLENGE.search(answer.challenge)
    return clean_error(named[1]) if named is not None else None


def _plain(text: str) -> str:
    """The telling part of a body that is no JSON-RPC: OAuth's error object, or short plain text."""
    if text.startswith("{"):
        try:
            body = msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return ""
        for key in ("error_description", "message", "detail", "error"):
            if isinstance(body.get(key), str):
                return str(body[key])
        return ""
    return "" if text.lstrip().startswith("<") else text


def _error_text(message: Mapping[str, Any] | None) -> str:
    error = message.get("error") if message is not None else None
    text = error.get("message") if isinstance(error, dict) else error
    return text if isinstance(text, str) else ""


def _first_text(result: Mapping[str, Any]) -> str:
    content = result.get("content")
    if isinstance(content, list):
        for block in content:
            if isinstance(block, dict) and isinstance(block.get("text"), str):
                return str(block["text"])
    return ""


def auth_state(answer: Answer, *, verified: bool) -> str:
    """How the caller's authentication stood: `none presented valid invalid insufficient_scope`."""
    if "insufficient_scope" in answer.challenge:
        return "insufficient_scope"
    if answer.status == 401:
        return "invalid" if answer.credentials else "none"
    if verified:
        return "valid"
    return "presented" if answer.credentials else "none"
