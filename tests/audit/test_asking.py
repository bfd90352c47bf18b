"""What a server asks of its client is told once, whichever era and whichever order its halves are seen in."""

import asyncio
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from fastmcp import Client, Context, FastMCP
from fastmcp.client.transports import SSETransport
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.conftest import Written
from tests.audit.serving import serving
from tocsin_audit.asking import Asking, Question, changed, describe, questions
from tocsin_audit.event import AuditEvent
from tocsin_audit.pairing import LONGEST, Answered

ASK = Question("elicitation/create", {"message": "sure?"}, "1", 90)


def event(at: float) -> AuditEvent:
    return describe(AuditEvent(time=at, server="crm"), ASK)


def accepted(at: float) -> Answered:
    return Answered({"jsonrpc": "2.0", "id": 1, "result": {"action": "accept", "content": {"a": "b"}}}, 40, at)


def test_question_and_answer_meet_in_either_order() -> None:
    asking = Asking()
    assert asking.ask("s", ASK, event(10.0)) is None
    told = asking.answer("s", accepted(12.5))
    assert told is not None
    assert (told.outcome, told.duration_ms, told.request_bytes, told.response_bytes) == ("ok", 2500.0, 90, 40)
    assert asking.answer("s", accepted(13.0)) is None
    assert asking.answer("t", accepted(20.0)) is None
    told = asking.ask("t", ASK, event(21.0))
    assert told is not None
    assert (told.outcome, told.duration_ms, told.time) == ("ok", None, 20.0)


def test_a_question_without_an_answer_is_told_in_the_end() -> None:
    asking = Asking()
    asking.ask("s", ASK, event(10.0))
    asking.ask("t", ASK, event(10.0))
    assert asking.due(11.0) == []
    (gone,) = asking.end("t", "the stream ended")
    assert (gone.outcome, gone.reason) == ("cancelled", "the stream ended")
    (late,) = asking.due(11.0 + LONGEST)
    assert (late.outcome, late.reason) == ("timeout", "no answer was seen")
    assert asking.end(None, "over") == []


def test_a_question_that_no_channel_carries_is_told_at_once() -> None:
    asking = Asking()
    told = asking.ask(None, ASK, event(10.0))
    assert told is not None
    assert told.outcome == "input_required"


def test_what_an_answer_asks_for_first_is_found() -> None:
    wanted = {
        "who": {"method": "elicitation/create", "params": {"requestedSchema": {"properties": {"password": {}}}}},
        "what": {"method": "sampling/createMessage", "params": {"messages": []}},
        "else": {"method": "tools/call"},
    }
    message = {"id": 1, "result": {"resultType": "input_required", "inputRequests": wanted}}
    found = list(questions(message, 500))
    assert [(one.method, one.key) for one in found] == [("elicitation/create", None), ("sampling/createMessage", None)]
    assert describe(AuditEvent(time=1.0, server="s"), found[0]).args_keys == ("password",)
    urls = {"elicitations": [{"mode": "url", "url": "https://login.example", "elicitationId": "e"}]}
    (found_url,) = questions({"id": 1, "error": {"code": -32042, "message": "sign in", "data": urls}}, 500)
    assert describe(AuditEvent(time=1.0, server="s"), found_url).target == "https://login.example"


def test_nothing_else_is_a_question() -> None:
    for method in ("ping", "tools/call", "notifications/progress", "logging/setLevel"):
        assert list(questions({"id": 1, "method": method}, 9)) == []
    assert list(questions({"method": "elicitation/create"}, 9)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("elicitation/create"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "method", "params", "result", "error", "code", "data", "inputRequests", "elicitations"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]), JSON))
def test_whatever_a_server_says_is_taken(message: dict[str, Any]) -> None:
    changed(message)
    asking = Asking()
    for one in questions(message, 10):
        asking.ask("s", one, describe(AuditEvent(time=1.0, server="s"), one))
    asking.answer("s", Answered(message, 10, 2.0))


@pytest.mark.parametrize("transport", ["http", "sse"])
def test_a_fastmcp_server_tells_what_it_asks(written: Written, tmp_path: Path, transport: Any) -> None:
    mcp: FastMCP = FastMCP("crm")

    @mcp.tool
    async def login(ctx: Context) -> str:
        return (await ctx.elicit("Your name?", response_type=str)).action

    async def answering(message: str, kind: Any, params: Any, context: Any) -> Any:
        return types.ElicitResult(action="accept", content={"value": "ann"})

    async def use(url: str) -> None:
        place: Any = SSETransport(f"{url}/mcp") if transport == "sse" else f"{url}/mcp"
        async with Client(place, mode="legacy", elicitation_handler=answering) as client:
            await client.call_tool("login", {})

    written.audit(mcp)
    with serving(mcp.http_app(transport=transport, path="/mcp")) as url:
        asyncio.run(use(url))
    asked = written.event("elicitation/create")
    assert (asked.outcome, asked.server, asked.args_keys) == ("ok", "crm", ("value",))
    call = written.event("tools/call")
    assert (call.outcome, call.session) == ("ok", asked.session)
