"""A real proxy between real clients and real servers, well and badly behaved."""

import asyncio
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import Client, FastMCP
from fastmcp.client.transports import SSETransport
from mcp.client.client import Client as SdkClient
from mcp.server.mcpserver import MCPServer

from collector.proxy.forward import Forward
from collector.proxy.route import Upstream
from stream.errors import ConfigError
from tests.audit.serving import serving, until
from tests.audit.tiny_collector import KEY, TinyCollector
from tests.collector.proxy.peers import in_front_of, proxied, raw, request_of
from tests.services.certificates import loopback_certificates

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rows", "arguments": {"count": 3}}}


def crm(**options: Any) -> FastMCP:
    mcp: FastMCP = FastMCP("crm", **options)

    @mcp.tool
    def rows(count: int) -> list[dict[str, str]]:
        return [{"tenant_id": "globex"}] * count

    return mcp


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("as_json", [True, False])
def test_both_eras_pass_and_are_told(tmp_path: Path, mode: str, as_json: bool) -> None:
    path = tmp_path / "events.ndjson"

    async def use(url: str) -> None:
        async with Client(f"{url}/mcp", mode=mode) as client:
            assert len((await client.call_tool("rows", {"count": 7})).data) == 7

    with in_front_of(crm().http_app(json_response=as_json), path) as running:
        asyncio.run(use(running.url))
    (event,) = running.events("tools/call")
    assert (event.server, event.outcome, event.rows, event.target) == ("crm", "ok", 7, "rows")
    assert (event.source_ip, event.transport, event.bytes_quality) == ("127.0.0.1", "http", "exact")
    assert (event.session is None) == (mode == "2026-07-28")


def test_the_older_transport_passes_under_a_prefix(tmp_path: Path) -> None:
    async def use(url: str) -> None:
        async with Client(SSETransport(f"{url}/crm/sse")) as client:
            assert len((await client.call_tool("rows", {"count": 4})).data) == 4

    path = tmp_path / "events.ndjson"
    with in_front_of(crm().http_app(transport="sse", path="/sse"), path, prefix="/crm") as running:
        asyncio.run(use(running.url))
    (event,) = running.events("tools/call")
    assert (event.outcome, event.target) == ("ok", "rows")


def test_a_client_of_the_official_sdk_reaches_a_server_of_it(tmp_path: Path) -> None:
    server = MCPServer("billing", version="3.1")

    @server.tool()
    def rows(count: int) -> list[dict[str, Any]]:
        return [{"tenant_id": "acme"}] * count

    async def use(url: str) -> None:
        async with SdkClient(f"{url}/mcp") as client:
            await client.call_tool("rows", {"count": 5})

    path = tmp_path / "events.ndjson"
    with in_front_of(server.streamable_http_app(), path) as running:
        asyncio.run(use(running.url))
    (event,) = running.events("tools/call")
    assert (event.rows, event.server_version) == (5, "3.1")


def test_status_headers_and_body_come_back_as_they_were(tmp_path: Path) -> None:
    seen: list[Any] = []

    async def odd(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        seen.append((scope["method"], scope["raw_path"], scope["query_string"], dict(scope["headers"]), body))
        headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"retry-after", b"7"), (b"content-length", b"3")]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b"no!"})

    def pieces() -> Any:
        yield b"one "
        yield b"two"

    with in_front_of(odd, tmp_path / "events.ndjson") as running:
        answer = httpx.put(f"{running.url}/a%2Fb/%7e?x=%20&y", content=pieces(), headers={"X-Mine": "1"})
    assert (answer.status_code, answer.content, answer.headers["retry-after"]) == (429, b"no!", "7")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    ((method, target, query, headers, body),) = seen
    assert (method, target, query, body) == ("PUT", b"/a%2Fb/%7e", b"x=%20&y", b"one two")
    assert headers[b"x-mine"] == b"1"
    assert headers[b"x-forwarded-for"] == b"127.0.0.1"
    assert headers[b"host"].decode() != running.url.removeprefix("http://")


def test_a_stream_passes_while_it_is_being_made(tmp_path: Path) -> None:
    release = threading.Event()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b": first\n\n", "more_body": True})
        assert await asyncio.to_thread(release.wait, 20)
        answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": []}})
        await send({"type": "http.response.body", "body": f"data: {answer}\n\n".encode(), "more_body": False})

    with (
        in_front_of(stream, tmp_path / "events.ndjson") as running,
        httpx.stream("POST", f"{running.url}/mcp", json=CALL, timeout=20) as answer,
    ):
        parts = answer.iter_raw()
        assert next(parts) == b": first\n\n"
        release.set()  # only the first part's arrival lets the second be made
        assert b"result" in b"".join(parts)
    assert running.events()[0].outcome == "ok"


def test_a_caller_who_leaves_ends_the_work_behind_the_proxy(tmp_path: Path) -> None:
    left = threading.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    with in_front_of(endless, tmp_path / "events.ndjson") as running:
        with httpx.stream("POST", f"{running.url}/mcp", json=CALL) as answer:
            next(answer.iter_raw())
        assert left.wait(20)
    assert [event.outcome for event in running.events()] == ["cancelled"]


def test_an_upstream_that_is_away_is_a_502_and_told_as_such(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with proxied(tmp_path / "events.ndjson", Upstream(url=address, server="crm")) as running:
        answer = httpx.post(f"{running.url}/mcp", json=CALL)
    assert answer.status_code == 502
    (event,) = running.events()
    assert (event.method, event.target, event.outcome) == ("tools/call", "rows", "upstream_error")
    assert event.reason == "the MCP server behind this proxy cannot be reached"


def test_an_answer_that_breaks_off_breaks_off_for_the_caller_too(tmp_path: Path) -> None:
    def half(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        connection.close()

    address, listening = raw(half)
    upstream = Upstream(url=address, server="crm")
    with listening, proxied(tmp_path / "events.ndjson", upstream) as running, pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{running.url}/mcp", json=CALL)
    (event,) = running.events()
    assert event.outcome == "upstream_error"


def test_an_upstream_that_hangs_up_or_talks_nonsense_is_a_502(tmp_path: Path) -> None:
    answers = [b"", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"]

    def strange(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(answers.pop(0))
        connection.close()

    address, listening = raw(strange)
    with listening, proxied(tmp_path / "events.ndjson", Upstream(url=address, server="crm")) as running:
        assert [httpx.post(f"{running.url}/mcp", json=CALL).status_code for _ in range(2)] == [502, 502]


def test_one_connection_carries_many_requests_on_both_sides(tmp_path: Path) -> None:
    connections = []

    def keeping(connection: socket.socket) -> None:
        connections.append(connection)
        while True:
            data = request_of(connection)
            while b'"id"' not in data:
                data += connection.recv(65536)
            body = b'{"jsonrpc":"2.0","id":1,"result":{}}'
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)

    address, listening = raw(keeping)
    upstream = Upstream(url=address, server="crm")
    with listening, proxied(tmp_path / "events.ndjson", upstream) as running, httpx.Client() as client:
        for _ in range(5):
            assert client.post(f"{running.url}/mcp", json=CALL).json()["result"] == {}
    assert len(connections) == 1
    assert len(running.events()) == 5


def test_a_large_body_passes_whole_and_is_told_as_capped(tmp_path: Path) -> None:
    async def large(scope: Any, receive: Any, send: Any) -> None:
        got = 0
        while True:
            message = await receive()
            got += len(message["body"])
            if not message["more_body"]:
                break
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"got": got, "fill": "y" * 5_000_000}}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    call = {**CALL, "params": {"name": "rows", "arguments": {"blob": "x" * 5_000_000}}}
    with in_front_of(large, tmp_path / "events.ndjson") as running:
        answer = httpx.post(f"{running.url}/mcp", json=call, timeout=60)
    assert answer.json()["result"]["got"] == len(answer.request.content)
    (event,) = running.events()
    assert (event.request_bytes, event.response_bytes) == (len(answer.request.content), len(answer.content))
    assert event.bytes_quality == "capped"


def test_several_upstreams_are_told_apart(tmp_path: Path) -> None:
    def app(name: str) -> Any:
        async def answering(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            result = {"server": name, "path": scope["path"]}
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()
            kind = (b"content-type", b"application/json")
            await send({"type": "http.response.start", "status": 200, "headers": [kind]})
            await send({"type": "http.response.body", "body": body})

        return answering

    with serving(app("crm")) as one, serving(app("hr")) as two:
        upstreams = (
            Upstream(url=one, server="crm", prefix="/crm"),
            Upstream(url=f"{two}/deep", server="hr", host="hr.example"),
            Upstream(url=f"{two}/deep", server="people", prefix="/hr"),
        )
        with proxied(tmp_path / "events.ndjson", *upstreams) as running:
            found = [
                httpx.post(f"{running.url}{path}", json=CALL, headers={"Host": host}).json()["result"]
                for path, host in (("/crm/mcp", "x"), ("/mcp", "hr.example"), ("/hr/mcp", "x"))
            ]
            assert httpx.post(f"{running.url}/nowhere", json=CALL).status_code == 404
    assert found == [
        {"server": "crm", "path": "/mcp"},
        {"server": "hr", "path": "/mcp"},
        {"server": "hr", "path": "/deep/mcp"},
    ]
    assert sorted(event.server for event in running.events()) == ["crm", "hr", "people"]


def test_an_upstream_must_prove_who_it_is(tmp_path: Path) -> None:
    made = loopback_certificates(tmp_path)
    pem = str(tmp_path / "server.pem")
    with serving(crm().http_app(json_response=True, stateless_http=True), ssl_certfile=pem) as plain:
        behind = plain.replace("http:", "https:")
        good = Upstream(url=behind, server="crm", authority=made.authority)
        with proxied(tmp_path / "events.ndjson", good) as running:
            headers = {"Accept": "application/json, text/event-stream"}
            answer = httpx.post(f"{running.url}/mcp", json=CALL, headers=headers)
            assert answer.json()["result"]["structuredContent"] == {"result": [{"tenant_id": "globex"}] * 3}
        strangers = Upstream(url=behind, server="crm")
        with proxied(tmp_path / "other.ndjson", strangers) as running:
            assert httpx.post(f"{running.url}/mcp", json=CALL).status_code == 502


def test_certificates_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="certificates cannot be used"):
        Forward(Upstream(url="https://h", server="crm", authority=tmp_path / "none.pem"))


def test_who_is_denied_is_refused_within_a_second_and_never_reaches_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        reached.append(dict(scope["headers"])[b"authorization"].decode())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"jsonrpc":"2.0","id":1,"result":{}}'})

    collector = TinyCollector()
    monkeypatch.setenv("TOCSIN_URL", collector.url)
    monkeypatch.setenv("TOCSIN_KEY", KEY)
    with serving(app) as behind, proxied(None, Upstream(url=behind, server="crm")) as running:

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return httpx.post(f"{running.url}/mcp", json=CALL, headers=headers).status_code

        assert status("stolen-token-000001") == 200
        collector.wait(lambda events: any(event.token for event in events))
        token = next(event.token for event in collector.events if event.token)
        denial = {"id": "d1", "subject": {"token": token}, "until": time.time() + 60, "incident": "INC-1"}
        began = time.monotonic()
        collector.publish(denials=[denial])
        until(lambda: status("stolen-token-000001") == 403)
        assert time.monotonic() - began < 5
        assert status("other-token-0000002") == 200
        count = len(reached)
        assert status("stolen-token-000001") == 403
        assert len(reached) == count
        collector.wait(lambda events: any((event.reason or "") == "tocsin.denied:INC-1" for event in events))
    collector.close()


def test_mcp_goes_on_while_tocsin_is_away_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = TinyCollector()
    collector.close()
    monkeypatch.setenv("TOCSIN_URL", collector.url)
    monkeypatch.setenv("TOCSIN_KEY", KEY)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"jsonrpc":"2.0","id":1,"result":{}}'})

    with serving(app) as behind, proxied(None, Upstream(url=behind, server="crm")) as running:
        assert {httpx.post(f"{running.url}/mcp", json=CALL).status_code for _ in range(5)} == {200}
    assert list((tmp_path / "spool").rglob("*.ndjson.gz"))
