"""Lines of JSON-RPC over stdio become events."""

import itertools
import json
from typing import Any

import hypothesis
from hypothesis import strategies as st

from tocsin_audit.assemble import Assembler
from tocsin_audit.event import AuditEvent
from tocsin_audit.fingerprint import Fingerprints
from tocsin_audit.lines import Conversation, End, Line, LineTap
from tocsin_audit.settings import Document, Settings

RULES = ({"result": "[*].tenant_id"},)
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "desk", "version": "2"}}


class Spoken:
    """A conversation, said message by message."""

    def __init__(self, **said: Any) -> None:
        self.conversation = Conversation(**said)
        self.assembler = Assembler("crm", Fingerprints(b"key of the fleet", "k"), ())
        self.settings = Settings(Document(), server="crm", ownership=RULES)

    def client(self, message: Any) -> list[AuditEvent]:
        return self._say(message, from_server=False)

    def server(self, message: Any) -> list[AuditEvent]:
        return self._say(message, from_server=True)

    def end(self) -> list[AuditEvent]:
        return End(self.conversation, "the server ended (exit code 3)").tell(self.assembler, self.settings)

    def _say(self, message: Any, *, from_server: bool) -> list[AuditEvent]:
        data = message if isinstance(message, bytes) else json.dumps(message).encode()
        told = []
        for line, size, cut in LineTap(10_000).feed(data + b"\n"):
            passed = Line(self.conversation, line, size, cut=cut, from_server=from_server)
            told += passed.tell(self.assembler, self.settings)
        return told


def call(number: int, **arguments: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "rows", "arguments": arguments}}


def answer(number: int | str, **result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


@hypothesis.given(st.lists(st.binary(max_size=30)), st.lists(st.integers(0, 600), max_size=8))
def test_lines_are_the_same_however_the_bytes_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(line.replace(b"\n", b"") + b"\n" for line in lines)
    tap = LineTap(20)
    places = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    found = [line for a, b in itertools.pairwise(places) for line in tap.feed(stream[a:b])]
    wanted = [line.replace(b"\n", b"") for line in lines]
    assert [size for _, size, _ in found] == [len(line) for line in wanted if line]
    for (data, _, cut), line in zip(found, filter(None, wanted), strict=True):
        assert cut == (len(line) > 20)
        assert cut or data == line.strip()


def test_an_endless_line_keeps_only_its_ends() -> None:
    tap = LineTap(1_000_000)
    for _ in range(300):
        assert tap.feed(b"x" * 65_536) == []
    ((data, size, cut),) = tap.feed(b"\n")
    assert (size, cut) == (300 * 65_536, True)
    assert len(data) < 5_000


def test_a_call_is_told_with_its_answer() -> None:
    spoken = Spoken(user="host|ann", tenant="acme")
    assert spoken.client({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": INITIALIZE}) == []
    greeting = {"protocolVersion": "2025-06-18", "serverInfo": {"name": "crm", "version": "7"}}
    (opened,) = spoken.server(answer(0, **greeting))
    assert (opened.method, opened.protocol, opened.server_version) == ("initialize", "2025-06-18", "7")
    assert spoken.client({"jsonrpc": "2.0", "method": "notifications/initialized"}) == []
    assert spoken.client(call(1, count=2)) == []
    assert spoken.server({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}) == []
    rows = answer(1, content=[], structuredContent={"result": [{"tenant_id": "globex"}] * 2})
    (event,) = spoken.server(rows)
    assert (event.method, event.target, event.outcome, event.rows) == ("tools/call", "rows", "ok", 2)
    assert event.resource_tenants == ("globex",)
    assert (event.user, event.tenant, event.agent, event.identity) == ("host|ann", "acme", "desk", "claimed")
    assert (event.request_id, event.transport, event.client_version) == (1, "stdio", "desk/2")
    assert (event.request_bytes, event.response_bytes) == (len(json.dumps(call(1, count=2))), len(json.dumps(rows)))
    assert event.bytes_quality == "exact"


def test_a_modern_client_says_who_it_is_with_every_request() -> None:
    spoken = Spoken()
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "agent", "version": "1"},
    }
    asked = call(1)
    asked["params"]["_meta"] = meta
    spoken.client(asked)
    (event,) = spoken.server(answer(1, resultType="input_required", requestState="state-token-0123456789"))
    assert (event.protocol, event.client_version, event.outcome) == ("2026-07-28", "agent/1", "input_required")
    assert len(event.handles_minted) == 1
    again = call(2)
    again["params"] |= {"requestState": "state-token-0123456789", "inputResponses": {}}
    spoken.client(again)
    (event,) = spoken.server(answer(2, content=[]))
    assert len(event.handles_presented) == 1


def test_errors_cancellations_and_ends_have_their_outcomes() -> None:
    spoken = Spoken()
    spoken.client(call(1))
    error = {"code": -32602, "message": "Unknown tool: rows"}
    (failed,) = spoken.server({"jsonrpc": "2.0", "id": 1, "error": error})
    assert (failed.outcome, failed.error_code) == ("not_found", -32602)
    spoken.client(call(2))
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2, "reason": "bored"}}
    (cancelled,) = spoken.client(cancel)
    assert (cancelled.outcome, cancelled.reason) == ("cancelled", "bored")
    spoken.client(call(3))
    (cut,) = spoken.end()
    assert (cut.outcome, cut.reason) == ("upstream_error", "the server ended (exit code 3)")


def test_answers_that_nobody_asked_for_are_mixups() -> None:
    spoken = Spoken()
    (orphan,) = spoken.server(answer(9, structuredContent={"result": [{"tenant_id": "globex"}]}))
    assert (orphan.outcome, orphan.signals) == ("protocol_violation", ("mixup:orphan",))
    assert (orphan.resource_tenants, orphan.method) == (("globex",), None)
    spoken.client(call(1))
    spoken.server(answer(1))
    (double,) = spoken.server(answer(1))
    assert (double.outcome, double.signals) == ("protocol_violation", ("mixup:double",))


def test_a_question_of_the_server_is_told_with_its_answer_and_never_taken_for_a_call() -> None:
    spoken = Spoken()
    spoken.client(call(1))
    asked = {"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {"message": "sure?"}}
    assert spoken.server(asked) == []
    (told,) = spoken.client(answer(1, action="decline"))
    assert (told.method, told.outcome, told.reason) == ("elicitation/create", "cancelled", "declined")
    spoken.server({**asked, "id": 2})
    (first, last) = spoken.end()
    assert (first.method, last.method, last.outcome) == ("tools/call", "elicitation/create", "cancelled")


def test_pings_progress_and_logs_of_the_server_make_no_events() -> None:
    spoken = Spoken()
    assert spoken.server({"jsonrpc": "2.0", "id": 9, "method": "ping"}) == []
    assert spoken.client({"jsonrpc": "2.0", "id": 9, "result": {}}) == []
    for method in ("notifications/progress", "notifications/message", "notifications/resources/updated"):
        assert spoken.server({"jsonrpc": "2.0", "method": method, "params": {}}) == []
    assert spoken.end() == []


def test_a_list_that_changed_is_told_as_the_servers_doing() -> None:
    spoken = Spoken()
    (event,) = spoken.server({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    assert (event.kind, event.method, event.actor) == ("config", "notifications/tools/list_changed", None)
    assert json.loads(bytes(event.change)) == {"object": "tools", "action": "list_changed"}


def test_an_answer_to_what_was_called_off_is_no_mixup() -> None:
    spoken = Spoken()
    spoken.client(call(2))
    spoken.client({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}})
    assert spoken.server(answer(2)) == []
    (orphan,) = spoken.server(answer(2))
    assert orphan.signals == ("mixup:orphan",)


def test_an_answer_beyond_the_bound_is_paired_and_told_as_capped() -> None:
    spoken = Spoken()
    spoken.client(call(7))
    # The TypeScript SDK writes the id behind the result.
    huge = b'{"result":{"content":[{"type":"text","text":"%s"}]},"jsonrpc":"2.0","id":7}' % (b"x" * 20_000)
    (event,) = spoken.server(huge)
    assert (event.target, event.response_bytes, event.bytes_quality) == ("rows", len(huge), "capped")
    spoken.client({**call(8), "params": {"name": "rows", "arguments": {"blob": "x" * 20_000}}})
    (event,) = spoken.server(answer(8, content=[]))
    assert event.method == "tools/call"


def test_a_server_that_logs_to_its_output_is_told_once() -> None:
    spoken = Spoken()
    (event,) = spoken.server(b"Starting up...")
    assert (event.outcome, event.signals) == ("protocol_violation", ())
    assert spoken.server(b"Still here") == []


def test_a_batch_is_told_call_by_call() -> None:
    spoken = Spoken()
    assert spoken.client([call(1), call(2)]) == []
    events = spoken.server([answer(2, content=[]), answer(1, content=[])])
    assert [event.request_id for event in events] == [2, 1]


@hypothesis.given(st.lists(st.tuples(st.booleans(), st.binary(max_size=80) | st.sampled_from([b'{"id":{}}', b"[[]]"]))))
def test_nothing_that_is_written_breaks_the_watching(lines: list[tuple[bool, bytes]]) -> None:
    spoken = Spoken()
    for from_server, data in lines:
        (spoken.server if from_server else spoken.client)(data)
