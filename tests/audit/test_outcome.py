from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_audit.event import OUTCOMES
from tocsin_audit.outcome import Answer, auth_state, classify

TOKEN = 'Bearer error="invalid_token", error_description="The token has expired"'
SCOPE = 'Bearer error="insufficient_scope", scope="write"'


def error(code: int, text: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": text}}


def failed(text: str) -> dict[str, Any]:
    return {"result": {"isError": True, "content": [{"type": "text", "text": text}]}}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"status": 401}, "auth_missing"),
        ({"status": 401, "challenge": TOKEN}, "auth_missing"),
        ({"status": 401, "credentials": True}, "auth_invalid"),
        ({"status": 403, "challenge": SCOPE, "credentials": True}, "authz_denied"),
        ({"status": 403, "text": "Forbidden Origin", "origin": True}, "origin_rejected"),
        ({"status": 403, "text": "policy", "origin": True}, "authz_denied"),
        ({"status": 421}, "origin_rejected"),
        ({"status": 429}, "rate_limited"),
        ({"status": 504}, "timeout"),
        ({"status": 502, "text": "<html>"}, "upstream_error"),
        ({"status": 404, "message": error(-32600, "Session not found")}, "session_invalid"),
        ({"status": 400, "message": error(-32600, "Bad Request: Missing session ID")}, "session_invalid"),
        ({"status": 400, "message": error(-32600, "Invalid request")}, "protocol_violation"),
        ({"status": 400, "message": error(-32020, "header mismatch")}, "protocol_violation"),
        ({"status": 404, "message": error(-32601, "Method not found")}, "not_found"),
        ({"status": 200, "message": error(-32602, "Unknown tool: x")}, "not_found"),
        ({"status": 200, "message": error(-32602, "missing name")}, "invalid_params"),
        ({"status": 200, "message": error(-32002, "Resource not found")}, "not_found"),
        ({"status": 200, "message": error(-32603, "boom")}, "upstream_error"),
        ({"status": 200, "message": error(-32042, "visit")}, "input_required"),
        ({"status": 200, "message": failed("db down")}, "tool_error"),
        ({"status": 200, "message": failed("Unknown tool: x")}, "not_found"),
        ({"status": 200, "message": failed("MCP error -32602: Tool x not found")}, "not_found"),
        ({"status": 200, "message": failed("MCP error -32602: Input validation error: x")}, "invalid_params"),
        ({"status": 200, "message": failed("x"), "inner": "NotFoundError"}, "not_found"),
        ({"status": 200, "message": failed("the user was not found"), "inner": "ToolError"}, "tool_error"),
        ({"status": 200, "message": failed("1 validation error for call[x]")}, "invalid_params"),
        ({"status": 200, "message": {"result": {"resultType": "input_required"}}}, "input_required"),
        ({"status": 200, "message": {"result": {}}}, "ok"),
        ({"status": 200, "disconnected": True}, "cancelled"),
        ({"failure": "TimeoutError"}, "timeout"),
        ({"failure": "ValueError"}, "upstream_error"),
        ({"inner": "CancelledError"}, "cancelled"),
        ({"inner": "AuthorizationError", "inner_text": "no"}, "authz_denied"),
    ],
)
def test_outcomes_follow_credentials_and_status(given: dict[str, Any], outcome: str) -> None:
    assert classify(Answer(**given))[0] == outcome


def test_the_reason_is_in_the_servers_words() -> None:
    assert classify(Answer(status=401, credentials=True, challenge=TOKEN))[1] == "The token has expired"
    assert classify(Answer(status=401, text='{"error":"invalid_token","error_description":"bad signature"}'))[1] == (
        "bad signature"
    )
    assert classify(Answer(status=403, challenge=SCOPE))[1] == "insufficient_scope"


def test_how_authentication_stood() -> None:
    assert auth_state(Answer(status=401), verified=False) == "none"
    assert auth_state(Answer(status=401, credentials=True), verified=False) == "invalid"
    assert auth_state(Answer(status=403, challenge=SCOPE), verified=True) == "insufficient_scope"
    assert auth_state(Answer(status=200), verified=True) == "valid"
    assert auth_state(Answer(status=200, credentials=True), verified=False) == "presented"


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "message", "result", "isError", "content", "text"]), inner)
    ),
    max_leaves=12,
)


@given(
    st.none() | st.integers(100, 599),
    st.booleans(),
    st.none() | st.dictionaries(st.sampled_from(["error", "result"]), ANY),
    st.text(max_size=50),
)
def test_every_answer_has_an_outcome(status: int | None, credentials: bool, message: Any, text: str) -> None:
    outcome, reason = classify(Answer(status=status, credentials=credentials, message=message, text=text))
    assert outcome in OUTCOMES
    assert reason is None or len(reason) <= 300
