"""Standard senders reach Tocsin over UDP, TCP and TLS; what cannot be stored holds them up and is not lost."""

import contextlib
import logging
import logging.handlers
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.input import Scope
from collector.inputs import syslog
from collector.inputs.syslog import Syslog, SyslogOptions
from stream.errors import StorageError, UnavailableError
from tests.services.certificates import loopback_certificates

GOOD = {"time": 1_763_700_000, "server": "crm", "method": "tools/call"}


def text(number: int) -> str:
    return msgspec.json.encode({**GOOD, "target": f"t{number}"}).decode()


class Running:
    """A syslog input at work."""

    def __init__(self, bench: Any, **options: Any) -> None:
        self.bench = bench
        self.input = bench.input(Syslog, SyslogOptions(port=0, **options))
        bench.closing.callback(self.input.close)
        self.address = ("127.0.0.1", self.input.port)

    def until(self, count: int, seconds: float = 20) -> list[str]:
        """The targets of what is stored, as soon as there are so many."""
        deadline = time.monotonic() + seconds
        while self.bench.tallies["i"].accepted < count:
            assert time.monotonic() < deadline, self.bench.tallies["i"].summary()
            self.input.turn()
        return [event.target for event in self.bench.stored()]

    def refused(self, reason: str, seconds: float = 20) -> int:
        """How many were refused for a reason, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while not (count := self.bench.tallies["i"].refused[reason]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return int(count)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_handler_of_the_standard_library(bench: Any, transport: str) -> None:
    running = Running(bench, transport=transport)
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    handler = logging.handlers.SysLogHandler(running.address, socktype=kind)
    for number in range(5):
        handler.emit(logging.LogRecord("audit", logging.INFO, "f", 1, text(number), None, None))
    handler.close()
    assert running.until(5) == [f"t{number}" for number in range(5)]


def test_equal_messages_are_two_events(bench: Any) -> None:
    running = Running(bench)
    with socket.create_connection(running.address) as sender:
        sender.sendall((f"<134>{text(0)}\n" * 2).encode())
    assert running.until(2) == ["t0", "t0"]


def test_octet_counting_and_lines_on_one_connection(bench: Any) -> None:
    running = Running(bench)
    counted = f"<134>1 2026-01-02T03:04:05Z gw mcp - - - {text(0)}"
    with socket.create_connection(running.address) as sender:
        sender.sendall(f"{len(counted)} {counted}<134>Jan  2 03:04:05 gw mcp[1]: {text(1)}\n<134>{text(2)}".encode())
    assert running.until(3) == ["t0", "t1", "t2"]


def test_tls_takes_clients_of_the_authority_alone(bench: Any, tmp_path: Path) -> None:
    made = loopback_certificates(tmp_path)
    # The one certificate of the test serves both sides.
    running = Running(bench, transport="tls", certificate=str(tmp_path / "server.pem"), client_ca=str(made.authority))
    context = ssl.create_default_context(cafile=str(made.authority))

    def send(number: int) -> None:
        with (
            socket.create_connection(running.address) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as sender,
        ):
            sender.sendall(f"<134>{text(number)}\n".encode())
            sender.settimeout(20)
            sender.unwrap()

    with pytest.raises(OSError):
        send(0)
    context.load_cert_chain(tmp_path / "server.pem")
    send(1)
    assert running.until(1) == ["t1"]


def test_a_bad_message_is_counted_and_the_next_is_taken(bench: Any) -> None:
    running = Running(bench)
    with socket.create_connection(running.address) as sender:
        sender.sendall(b"<134>" + b"x" * 100_000 + b"\n<1>\xff\xfe\n<1>" + b"[" * 9000 + f"\n<134>{text(1)}\n".encode())
    assert running.until(1) == ["t1"]
    assert bench.tallies["i"].summary()["refused"] == {"malformed": 1, "too_deep": 1, "too_long": 1}


def test_what_cannot_be_stored_waits_and_streams_are_held_up(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "HELD", 64 * 1024)
    running = Running(bench)
    sent = 0

    def send() -> None:
        nonlocal sent
        with socket.create_connection(running.address) as sender:
            for number in range(3_000):
                sender.sendall(f"<134>{text(number)}{' ' * 5000}\n".encode())
                sent += 1

    with monkeypatch.context() as full:

        def refuse(*_: Any) -> None:
            raise StorageError("the disk is full")

        full.setattr(running.input._feed._intake, "store", refuse)
        sender = threading.Thread(target=send)
        sender.start()
        with pytest.raises(StorageError):
            _until_something(running.input)
        before = -1
        while before != sent:  # it comes to a stand
            before = sent
            time.sleep(0.3)
        assert sent < 3_000
    assert running.until(3_000, 60) == [f"t{number}" for number in range(3_000)]
    sender.join()


def _until_something(running: Any) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        running.turn()


def test_datagrams_without_room_are_counted(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "HELD", 200)
    running = Running(bench, transport="udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(50):
            sender.sendto(f"<134>{text(number)}".encode(), running.address)
    assert running.refused("overflow") > 0
    assert running.until(1)


def test_others_than_those_allowed_are_turned_away(bench: Any) -> None:
    running = Running(bench, allow=("192.0.2.0/24",))
    with socket.create_connection(running.address) as sender:
        sender.sendall(f"<134>{text(0)}\n".encode())
        sender.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            assert sender.recv(1) == b""
    assert running.refused("address") == 1


def test_connections_are_bounded(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "CONNECTIONS", 2)
    running = Running(bench)
    first, second, third = (socket.create_connection(running.address) for _ in range(3))
    assert running.refused("connections") == 1
    for each in (first, second, third):
        each.close()


def test_a_port_in_use_is_told(bench: Any) -> None:
    running = Running(bench)
    with pytest.raises(UnavailableError, match="cannot listen"):
        bench.input(Syslog, SyslogOptions(port=running.input.port), "other")


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({}, 0),
        ({"host": "0.0.0.0"}, 1),
        ({"host": "0.0.0.0", "allow": ("10.0.0.0/8",)}, 0),
        ({"transport": "tls"}, 1),
        ({"certificate": "x.pem"}, 1),
        ({"allow": ("nowhere",)}, 1),
        ({"port": 70000}, 1),
        ({"tenant": "a", "tenants": ("b",)}, 1),
    ],
)
def test_options_that_cannot_be_meant_are_faults(options: dict[str, Any], count: int) -> None:
    made: Scope = SyslogOptions(**options)
    assert len(made.faults()) == count
