"""A TLS connection of a sender, which tells the receiver's good-bye from its refusal."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

T = TypeVar("T")

_CHUNK: Final = 65_536


class TlsStream:
    """TLS over a connected socket, whose timeout counts for each step.

    `ssl.SSLSocket.unwrap` cannot be used for the end: OpenSSL notes a fatal alert as an end of the other side, too, and
    in TLS 1.3 a receiver refuses our certificate only after we began to send. What it refused would be taken for read.
    Raises OSError (ssl.SSLError is one) where the other side refuses, resets, is silent or ends without a good-bye.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._step(self._tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._step(partial(self._tls.write, rest[:_CHUNK])) :]

    def end(self) -> None:
        """Say good-bye and wait for the receiver's, which comes after it has read everything."""
        with suppress(ssl.SSLWantReadError):
            while self._in.pending:
                self._tls.read(_CHUNK)
        # This says ours alone, since nothing is at hand to read; theirs is read below, where a refusal is an error.
        with suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        try:
            while True:
                self._step(lambda: self._tls.read(_CHUNK))
        except ssl.SSLZeroReturnError:
            return

    def _step(self, do: Callable[[], T]) -> T:
        while True:
            try:
                done = do()
            except ssl.SSLWantReadError:
                self._flush()
                if data := self._plain.recv(_CHUNK):
                    self._in.write(data)
                else:
                    self._in.write_eof()
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        while self._out.pending:
            self._plain.sendall(self._out.read())
