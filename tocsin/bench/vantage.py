"""The proxy: what it adds to a call of an MCP server over HTTP."""

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from stream.errors import UnavailableError
from tocsin.bench.figure import Figure
from tocsin.bench.middleware import ANSWER, CALL, HEADERS
from tocsin.demo.world import end_process, free_ports

REQUESTS: Final = 2_000
ROUNDS: Final = 5
WARM: Final = 200
CONNECTIONS: Final = 8
START_SECONDS: Final = 30.0


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """An MCP server that always answers the same."""
    if scope["type"] != "http":
        return
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(ANSWER)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def measure() -> list[Figure]:
    """Added latency and throughput of the proxy, each beside a direct call by turns in one run."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        return _proxy(Path(folder))


def _proxy(folder: Path) -> list[Figure]:
    behind, front = free_ports(2)
    serving = ["-m", "uvicorn", "tocsin.bench.vantage:answering", "--port", str(behind), "--log-level", "critical"]
    proxying = ["-m", "tocsin", "proxy", "--upstream", f"http://127.0.0.1:{behind}", "--server", "bench"]
    proxying += ["--listen", f"127.0.0.1:{front}", "--events", str(folder / "proxied.ndjson")]
    with _running(serving, behind) as server, _running(proxying, front) as proxy:
        _times(behind, WARM)
        _times(front, WARM)
        direct, proxied = [], []
        for _ in range(ROUNDS):  # by turns, so that what else the machine does meets both
            direct += _times(behind, REQUESTS // ROUNDS)
            proxied += _times(front, REQUESTS // ROUNDS)
        figures = [
            Figure(f"proxy_added_p{share}", round((b - a) * 1e3, 2), "ms", REQUESTS)
            for share, a, b in (
                (50, statistics.median(direct), statistics.median(proxied)),
                (99, _percentile(direct, 0.99), _percentile(proxied, 0.99)),
            )
        ]
        for name, port, process in (("direct", behind, server), ("proxy", front, proxy)):
            before = _spent(process.pid)
            rate = REQUESTS / min(asyncio.run(_together(port, REQUESTS)) for _ in range(2))
            figures.append(Figure(f"{name}_throughput", round(rate), "1/s", REQUESTS))
            if before is not None and (after := _spent(process.pid)) is not None:
                # What else the machine does slows a call, but costs it no processor time.
                spent = round((after - before) / (2 * REQUESTS) * 1e6)
                figures.append(Figure(f"{name}_cpu", spent, "µs/request", 2 * REQUESTS))
    return figures


def _spent(pid: int) -> float | None:
    """Processor seconds of all threads of a process so far; null where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def _request(port: int) -> bytes:
    head = b"".join(b"%s: %s\r\n" % header for header in HEADERS[1:])
    return b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1:%d\r\n%s\r\n%s" % (port, head, CALL)


def _times(port: int, count: int) -> list[float]:
    """Seconds of each of so many calls over one connection."""
    request = _request(port)
    taken = []
    with socket.create_connection(("127.0.0.1", port), timeout=START_SECONDS) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            started = time.perf_counter()
            connection.sendall(request)
            got = b""
            while not got.endswith(ANSWER):
                piece = connection.recv(65_536)
                if not piece:
                    raise UnavailableError("the connection was closed", where=f"127.0.0.1:{port}")
                got += piece
            taken.append(time.perf_counter() - started)
    return taken


async def _together(port: int, count: int) -> float:
    """Seconds for so many calls over several connections at once."""
    request = _request(port)

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(count // CONNECTIONS):
            writer.write(request)
            await reader.readuntil(ANSWER)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return time.perf_counter() - started


@contextmanager
def _running(arguments: list[str], port: int) -> "Iterator[subprocess.Popen[bytes]]":
    """A child process that listens on a port."""
    environment = {**os.environ, "TOCSIN_FINGERPRINT_KEY": "k:bench-key-0"}
    process = subprocess.Popen(  # noqa: S603  # our own program with our own arguments
        [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError as error:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise UnavailableError("it did not start", where=" ".join(arguments)) from error
                time.sleep(0.05)
        yield process
    finally:
        end_process(process)
