"""Whatever passes by becomes events or nothing, and never an error."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tocsin_audit.assemble import Assembler
from tocsin_audit.event import DECODER, OUTCOMES, to_wire
from tocsin_audit.exchange import Exchange
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.settings import Document, Settings
from tocsin_audit.wire import SseTap

RULES = ({"result": "[*].tenant"}, {"argument": "a.b"}, {"uri": "x://{tenant}/**"}, {"header": "Mcp-Param-T"})
SETTINGS = Settings(Document(), server="crm", ownership=RULES)
WORDS = [
    "jsonrpc",
    "id",
    "method",
    "params",
    "name",
    "uri",
    "arguments",
    "_meta",
    "result",
    "error",
    "code",
    "message",
    "structuredContent",
    "content",
    "contents",
    "tools",
    "isError",
    "serverInfo",
    "clientInfo",
    "version",
    "taskId",
    "cursor",
    "requestState",
    "annotations",
    "resultType",
    "protocolVersion",
    "ref",
    "to",
    "act",
]

leaf = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
)
anything = st.recursive(
    leaf | st.sampled_from(["tools/call", "tools/list", "initialize", "2.0", "x://acme/1", "rows", "\ud800", "a" * 20]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)
message = anything.flatmap(
    lambda extra: st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0"), "id": st.sampled_from([1, "1", None, 2**70, True])},
        optional={
            "method": st.sampled_from(
                ["tools/call", "tools/list", "initialize", "resources/read", "tasks/get", "ping", 5]
            ),
            "params": st.just(extra) | st.dictionaries(st.sampled_from(WORDS), anything, max_size=5),
            "result": st.just(extra) | st.dictionaries(st.sampled_from(WORDS), anything, max_size=5),
            "error": anything,
        },
    )
)
body = st.one_of(message, st.lists(message, max_size=3), anything).map(
    lambda value: json.dumps(value).encode("utf-8", "surrogatepass")
) | st.binary(max_size=60)
header = st.sampled_from(
    [
        (b"authorization", b"Bearer ey.x.y"),
        (b"authorization", b"Basic"),
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", b"tools/call"),
        (b"mcp-name", b"=?base64?!!?="),
        (b"mcp-session-id", b"s\xff\x00"),
        (b"x-forwarded-for", b",,,"),
        (b"traceparent", b"00-zz"),
        (b"accept", b"text/event-stream"),
        (b"mcp-param-t", b"acme"),
    ]
)


@given(
    body,
    body,
    st.lists(header, max_size=5),
    st.none() | st.sampled_from([200, 202, 400, 401, 403, 404, 429, 500]),
    st.booleans(),
    st.booleans(),
)
@example(b"[" * 9000, b"{" * 9000, [], 400, True, True)
def test_no_exchange_can_make_it_fail(
    asked: bytes, answered: bytes, headers: list[tuple[bytes, bytes]], status: int | None, stream: bool, cut: bool
) -> None:
    exchange = Exchange({"type": "http", "method": "POST", "headers": headers, "client": ("192.0.2.1", 1)})
    exchange.request.feed(asked)
    if stream:
        exchange.response = SseTap()
        answered = b"data: " + answered + b"\n\n"
    exchange.response.feed(answered)
    exchange.status, exchange.disconnected = status, cut
    assembler = Assembler("crm", Fingerprints(b"key", "k"), ())
    for event in assembler.events(exchange.settle(1.8e9), SETTINGS):
        assert event.outcome in OUTCOMES
        line: Any = to_wire(event)
        assert DECODER.decode(line).server == "crm"
        assert len(line) < 65_536
