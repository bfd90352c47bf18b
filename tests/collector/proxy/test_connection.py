"""Answers of every shape that HTTP/1.1 allows pass whole; what it does not allow never looks like an answer."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.proxy import pool
from collector.proxy.connection import HELD, LARGEST_HEAD, BrokenError, Connection
from collector.proxy.route import Upstream
from tests.audit.serving import until
from tests.collector.proxy.peers import proxied, raw, request_of

OK = b"HTTP/1.1 200 OK\r\n"


class Wire(asyncio.Transport):
    """The upstream's side of a connection, as far as a connection sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.reading = True
        self.ended = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def abort(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True


def exchange(pieces: list[bytes], method: str = "POST", end: bool = True) -> tuple[int, list[Any], bytes, Connection]:
    """What a connection makes of an answer in these pieces; raises BrokenError as it does."""

    async def run() -> tuple[int, list[Any], bytes, Connection]:
        connection = Connection(lambda _: None)
        connection.connection_made(Wire())
        connection.ask(method, b"x")
        for piece in pieces:
            connection.data_received(piece)
        if end:
            connection.connection_lost(None)
        status, headers = await connection.head()
        body, more = b"", True
        while more:
            data, more = await connection.more()
            body += data
        return status, headers, body, connection

    return asyncio.run(run())


WHOLE = {
    "length": (OK + b"Content-Length: 5\r\n\r\nhello", True),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", True),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Late: 1\r\n\r\n", True),
    "until its end": (OK + b"\r\nhello", False),
    "older": (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
    "closing": (OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello", False),
    "provisional": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello", True),
}


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_an_answer_is_the_same_however_it_is_cut(name: str, data: st.DataObject) -> None:
    answer, keeps = WHOLE[name]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(answer) - 1), max_size=8)))
    pieces = [answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    status, headers, body, connection = exchange(pieces, end=not keeps)
    assert (status, body, connection.reusable) == (200, b"hello", keeps)
    assert not {name.lower() for name, _ in headers} & {b"x-late", b"link"}


@pytest.mark.parametrize(
    ("method", "answer", "keeps"),
    [
        ("HEAD", OK + b"Content-Length: 5\r\n\r\n", False),
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n", True),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", True),
        ("POST", b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", True),
    ],
)
def test_an_answer_without_a_body_is_over_at_once(method: str, answer: bytes, keeps: bool) -> None:
    _, _, body, connection = exchange([answer], method, end=False)
    assert (body, connection.reusable) == (b"", keeps)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        OK,
        OK + b"Content-Length: 9\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK + b"Content Length: 5\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        OK + b"X: " + b"x" * (LARGEST_HEAD + 1),
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: " + b"x" * (LARGEST_HEAD + 1),
    ],
    ids=["none", "head", "short", "last chunk", "both lengths", "two lengths", "name", "switch", "ssh", "endless head",
         "endless trailer"],
)  # fmt: skip
def test_no_other_answer_looks_whole(answer: bytes) -> None:
    with pytest.raises(BrokenError):
        exchange([answer[at : at + 1000] for at in range(0, len(answer), 1000)])


def test_a_second_answer_to_one_request_ends_the_connection_and_reaches_nobody() -> None:
    one = OK + b"Content-Length: 5\r\n\r\nhello"
    status, _, body, connection = exchange([one + one.replace(b"hello", b"other")], end=False)
    assert (status, body, connection.reusable) == (200, b"hello", False)


def test_what_comes_before_it_was_asked_for_is_no_answer() -> None:
    async def run() -> None:
        connection = Connection(lambda _: None)
        connection.connection_made(Wire())
        connection.data_received(OK + b"Content-Length: 5\r\n\r\nhello")
        connection.ask("POST", b"x")
        with pytest.raises(BrokenError):
            await connection.head()

    asyncio.run(run())


def test_an_upstream_that_is_faster_than_the_caller_is_held_back() -> None:
    async def run() -> None:
        connection, wire = Connection(lambda _: None), Wire()
        connection.connection_made(wire)
        connection.ask("GET", b"x")
        connection.data_received(OK + b"Content-Length: 10000000\r\n\r\n")
        sent = 0
        while wire.reading:
            connection.data_received(b"x" * 10_000)
            sent += 10_000
        assert sent <= HELD + 10_000
        body, more = await connection.more()
        assert (len(body), more, wire.reading) == (sent, True, True)

    asyncio.run(run())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE", 0.05)


def test_a_connection_that_nobody_needs_is_closed_in_time(tmp_path: Path, quick: None) -> None:
    ended = threading.Event()

    def keeping(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
        while connection.recv(65536):
            pass
        ended.set()

    address, listening = raw(keeping)
    with listening, proxied(tmp_path / "events.ndjson", Upstream(url=address, server="crm")) as running:
        assert httpx.get(f"{running.url}/mcp").status_code == 200
        assert ended.wait(60)


def test_an_upstream_that_closes_between_two_requests_costs_nobody_an_answer(tmp_path: Path) -> None:
    closed: list[int] = []

    def once(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
        connection.close()
        closed.append(1)

    address, listening = raw(once)
    with listening, proxied(tmp_path / "events.ndjson", Upstream(url=address, server="crm")) as running:
        forward = running.proxy._forwards[0]
        for _ in range(3):
            assert httpx.get(f"{running.url}/mcp").status_code == 200
            until(lambda: bool(closed) and not forward._pool._kept and not forward._pool._out, 60)
            closed.clear()


def test_an_upstream_may_answer_before_it_has_heard_all(tmp_path: Path) -> None:
    def early(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")
        while connection.recv(65536):
            pass

    address, listening = raw(early)
    with listening, proxied(tmp_path / "events.ndjson", Upstream(url=address, server="crm")) as running:
        host, _, port = running.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=60) as caller:
            caller.sendall(b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b"x" * 100)
            assert caller.recv(4096).startswith(b"HTTP/1.1 413")
