"""The sender's end of TLS: a good-bye counts, and nothing that only looks like one."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import pytest

from alerting.delivering.tls_stream import TlsStream
from tests.services.certificates import Certificates, loopback_certificates

Receiver = Callable[[socket.socket], None]


@contextmanager
def receiver(what: Receiver) -> Iterator[socket.socket]:
    """A socket that is connected to a receiver, which stays connected until the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            accepted, _ = listening.accept()
            with accepted:
                what(accepted)

        thread = Thread(target=serve)
        thread.start()
        with closing(socket.create_connection(listening.getsockname(), 30)) as plain:
            yield plain
        thread.join(30)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return loopback_certificates(tmp_path)


def send(plain: socket.socket, certificates: Certificates, payload: bytes) -> None:
    stream = TlsStream(plain, ssl.create_default_context(cafile=str(certificates.authority)), "127.0.0.1")
    stream.sendall(payload)
    stream.end()


def test_everything_is_read_before_the_good_bye(certificates: Certificates) -> None:
    read: list[bytes] = []

    def reads(accepted: socket.socket) -> None:
        with certificates.server.wrap_socket(accepted, server_side=True) as secured:
            while data := secured.recv(4096):
                read.append(data)
            secured.unwrap()

    with receiver(reads) as plain:
        send(plain, certificates, b"x" * 300_000)
    assert b"".join(read) == b"x" * 300_000


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_receiver_that_refuses_our_certificate_has_read_nothing(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    certificates.server.verify_mode = ssl.CERT_REQUIRED
    certificates.server.maximum_version = version

    def refuses(accepted: socket.socket) -> None:
        # The copy keeps the connection open, so that nothing but the alert says what happened.
        with accepted.dup() as held:
            with pytest.raises(ssl.SSLError):
                certificates.server.wrap_socket(accepted, server_side=True)
            while held.recv(4096):
                pass

    with receiver(refuses) as plain, pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        send(plain, certificates, b"lost")


def test_an_end_without_a_good_bye_may_be_anybodys(certificates: Certificates) -> None:
    def cuts(accepted: socket.socket) -> None:
        secured = certificates.server.wrap_socket(accepted, server_side=True)
        secured.recv(4096)
        secured.close()

    with receiver(cuts) as plain, pytest.raises(OSError, match=r"EOF|reset"):
        send(plain, certificates, b"x")
