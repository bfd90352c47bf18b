"""Syslog: alerts as CEF messages over TLS (RFC 5425), TCP (RFC 6587, counted) or UDP (RFC 5426)."""

import socket
import ssl
from collections.abc import Sequence
from contextlib import closing
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from alerting.alert import Alert
from alerting.delivering.posting import trust
from alerting.delivering.tls_stream import TlsStream
from alerting.harmless import harmless
from alerting.sink import DONE, PATH, Result
from alerting.wording.cef import message
from stream.errors import ConfigError

Facility = Literal[
    "auth", "authpriv", "audit", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"
]
FACILITIES: Final[dict[Facility, int]] = {
    "auth": 4,
    "authpriv": 10,
    "audit": 13,
    "local0": 16,
    "local1": 17,
    "local2": 18,
    "local3": 19,
    "local4": 20,
    "local5": 21,
    "local6": 22,
    "local7": 23,
}
LARGEST_DATAGRAM: Final = 2048
"""Bytes of a datagram at most; what is larger is cut on the way by many a receiver (RFC 5424, 6.1)."""


class SyslogOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which receiver, how it is reached, and what the messages are like."""

    host: str
    """The receiver's name or address."""
    port: int = 6514
    """The receiver's port; 514 is usual for UDP and plain TCP."""
    transport: Literal["tls", "tcp", "udp"] = "tls"
    """How messages travel; only `tls` hides them and knows the receiver."""
    confirm: bool = True
    """Whether each batch ends its connection and waits until the receiver has read all of it and ends it, too; without
    it, and over UDP, what was lost on the way is not noticed."""
    ca: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with the authorities that the receiver's certificate is checked against, else the system's."""
    certificate: Annotated[str | None, msgspec.Meta(extra=PATH)] = None
    """A PEM file with our own certificate and its key, where the receiver asks for one."""
    facility: Facility = "local4"
    """The facility of the messages."""
    max_bytes: int = 8192
    """Bytes of a message at most; what RFC 5425 wants every receiver to take is 2048, and over UDP it is the most."""
    timeout: float = 10.0
    """Seconds to wait for the receiver."""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError("port must be between 1 and 65535")
        if self.max_bytes < 480:
            raise ValueError("max_bytes must be 480 or more")
        if self.transport != "tls" and (self.ca or self.certificate):
            raise ValueError("ca and certificate are for transport: tls")


class Syslog:
    """Sends a batch over a connection of its own.

    Syslog answers nothing, so that a batch counts as delivered once the receiver, having read to its end, ends the
    connection. An attempt in doubt is sent again and says that it is a repeat.
    """

    name: ClassVar[str] = "syslog"
    pager: ClassVar[bool] = False
    Options: ClassVar[type] = SyslogOptions

    def __init__(self, options: SyslogOptions) -> None:
        self._options = options
        self._host = socket.gethostname()
        self._trust = _context(options) if options.transport == "tls" else None
        self._limit = min(options.max_bytes, LARGEST_DATAGRAM) if options.transport == "udp" else options.max_bytes

    def deliver(self, alerts: Sequence[Alert], in_doubt: frozenset[str]) -> Sequence[Result]:
        """Send all alerts; what goes wrong goes wrong for all of them, since nobody says how many were read."""
        if not alerts:
            return []
        messages = [self._message(alert, repeated=alert.id in in_doubt) for alert in alerts]
        try:
            if self._options.transport == "udp":
                self._send_datagrams(messages)
            else:
                self._send_stream(b"".join(b"%d %s" % (len(made), made) for made in messages))
        except OSError as error:
            return [Result("retry", harmless(f"{type(error).__name__}: {error}", 300))] * len(alerts)
        return [Result("done", repeated=True) if alert.id in in_doubt else DONE for alert in alerts]

    def close(self) -> None:
        """Nothing to give back: no connection outlives its batch."""

    def _message(self, alert: Alert, *, repeated: bool) -> bytes:
        facility = FACILITIES[self._options.facility]
        return message(alert, facility=facility, host=self._host, repeated=repeated, limit=self._limit)

    def _send_datagrams(self, messages: Sequence[bytes]) -> None:
        place = socket.getaddrinfo(self._options.host, self._options.port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(place[0], socket.SOCK_DGRAM) as out:
            out.connect(place[4])
            for made in messages:
                out.send(made)

    def _send_stream(self, payload: bytes) -> None:
        options = self._options
        with closing(socket.create_connection((options.host, options.port), options.timeout)) as plain:
            if self._trust is None:
                plain.sendall(payload)
                if options.confirm:
                    _until_read(plain)
                return
            secured = TlsStream(plain, self._trust, options.host)
            secured.sendall(payload)
            if options.confirm:
                secured.end()


def _until_read(out: socket.socket) -> None:
    """Say that this was all and wait for the receiver's end; raises OSError where it never comes, or as a reset.

    A receiver that ends with bytes unread resets the connection; one that ends it properly has read to our end.
    """
    out.shutdown(socket.SHUT_WR)
    while out.recv(4096):
        pass


def _context(options: SyslogOptions) -> ssl.SSLContext:
    context = trust(options.ca)
    if options.certificate:
        try:
            context.load_cert_chain(options.certificate)
        except OSError as error:
            hint = f"one PEM file with the certificate and its key, without a password ({error})"
            raise ConfigError("our own certificate cannot be used", where=options.certificate, hint=hint) from error
    return context


SINK: Final = Syslog
