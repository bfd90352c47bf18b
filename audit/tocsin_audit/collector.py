"""The collector's HTTP interface as a client sees it: one kept-alive connection, bounded answers."""

import contextlib
import http.client
import os
import socket
import ssl
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

_MOST_ANSWER: Final = 8 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True):
    """What the collector answered; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class Collector:
    """Speaks to one Tocsin; used by one thread at a time."""

    def __init__(self, url: str, key: str) -> None:
        """`url` as in `https://tocsin.example:8642`. Raises ValueError where it is no such address."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not an http or https address")
        self.url = url
        self._secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._base = parts.path.rstrip("/")
        self._key = key
        self._context = _context() if self._secure else None
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str], timeout: float
    ) -> Answer:
        """One exchange. Raises OSError or http.client.HTTPException when the collector cannot be reached."""
        kept = self._connection is not None
        try:
            return self._once(method, path, body, headers, timeout)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()
            if not kept:
                raise
            # An idle connection that the other side has closed; a repeat is harmless, events are numbered.
            return self._once(method, path, body, headers, timeout)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: float) -> Answer:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(timeout)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        sent = {"Authorization": f"Bearer {self._key}", "User-Agent": "tocsin-audit", **headers}
        connection.request(method, self._base + path, body=body, headers=sent)
        response = connection.getresponse()
        data = response.read(_MOST_ANSWER)
        if response.will_close or not response.isclosed():
            self.close()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, data)

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=timeout)

    def abort(self) -> None:
        """End a request that another thread is waiting in; it raises there."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Drop the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _context() -> ssl.SSLContext:
    """Trust as the platform and SSL_CERT_FILE say; TOCSIN_CERT is a PEM file of our own certificate and its key."""
    context = ssl.create_default_context()
    if own := os.environ.get("TOCSIN_CERT"):
        context.load_cert_chain(own)
    return context
