"""Syslog over UDP, TCP and TLS; the payload of each message is a record of the configured format."""

import asyncio
import os
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar, Final, Literal, Self

import msgspec

from collector.input import Feed, Scope
from collector.reading import Record
from collector.syslogging.framing import Framer
from collector.syslogging.message import parse
from stream.errors import ConfigError, UnavailableError

LONGEST: Final = 64 * 1024
"""Bytes of one message at most."""
HELD: Final = 16 * 1024 * 1024
"""Bytes of messages that wait to become durable at most; then streams are read no further, datagrams are dropped."""
CONNECTIONS: Final = 256
"""Connections at once at most."""
IDLE: Final = 900.0
"""Seconds without a byte after which a connection is closed."""
HANDSHAKE: Final = 10.0
BATCH: Final = 500
"""Messages stored at once."""
WAIT: Final = 0.5
FULL_PAUSE: Final = 0.02
"""Seconds between looks for room while there is none."""


class SyslogOptions(Scope, frozen=True, kw_only=True):
    """Where messages are waited for, and from whom."""

    transport: Literal["udp", "tcp", "tls"] = "tcp"
    """How they come; UDP loses what is not read in time."""
    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs `allow` or `client_ca`."""
    port: int = 5514
    """Port; 0 picks a free one."""
    allow: tuple[str, ...] = ()
    """Addresses and networks that may send; all where none is named."""
    certificate: str | None = None
    """For TLS: PEM file with the certificate chain, followed by its private part."""
    client_ca: str | None = None
    """For TLS: PEM file with the authorities whose clients may send; others are refused."""

    def placed(self, resolve: Callable[[str], str]) -> Self:
        """With every path where `resolve` puts it."""
        given = {name: resolve(path) for name in ("certificate", "client_ca") if (path := getattr(self, name))}
        return msgspec.structs.replace(self, **given)

    def faults(self) -> Sequence[str]:
        """What is wrong beyond the types."""
        found = list(super().faults())
        if not 0 <= self.port <= 65535:
            found.append("port must be between 0 and 65535")
        if self.transport == "tls" and self.certificate is None:
            found.append("TLS needs a certificate")
        if self.transport != "tls" and (self.certificate or self.client_ca):
            found.append("certificate and client_ca are for transport: tls")
        for each in self.allow:
            try:
                ip_network(each, strict=False)
            except ValueError:
                found.append(f"allow: {each!r} is no address or network")
        if self.host not in ("127.0.0.1", "::1", "localhost") and not self.allow and self.client_ca is None:
            found.append("anybody could send: name who may in allow, or give client_ca")
        return found


class Syslog:
    """Receives in a loop of its own, and stores in turns; what cannot be stored yet holds up who sends it."""

    kind: ClassVar[str] = "syslog"
    Options: ClassVar[type[Scope]] = SyslogOptions

    def __init__(self, options: SyslogOptions, feed: Feed) -> None:
        self._options = options
        self._feed = feed
        self._networks = [ip_network(each, strict=False) for each in options.allow]
        # Messages have no place in a source, so each is named by this run and its number in it.
        self._run = os.urandom(16).hex()
        self._count = 0
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._lock = threading.Lock()
        self._there = threading.Event()
        self._batch: list[Record] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name=f"tocsin-syslog-{feed.name}", daemon=True)
        self._began = threading.Event()
        self._failure: OSError | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = options.port

    def open(self) -> None:
        """Listen; raises ConfigError where a certificate is none, UnavailableError where nobody can listen there."""
        self._tls = self._context()
        self._thread.start()
        self._began.wait()
        if self._failure is not None:
            self._thread.join()
            raise UnavailableError(
                f"cannot listen ({self._failure.strerror or self._failure})",
                where=f"{self._options.host}:{self._options.port}",
                hint="stop what listens there, or choose another port",
            )

    def turn(self) -> None:
        """Store what came; waits where nothing did."""
        if not self._batch:
            if not self._there.wait(WAIT):
                return
            self._batch = self._taken()
        self._feed.store(self._batch, self._run)
        self._batch = []

    def wake(self) -> None:
        """Wait no more."""
        self._there.set()

    def close(self) -> None:
        """Stop listening, and store what had come."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        while self._waiting or self._batch:
            self._there.set()
            self.turn()

    def _taken(self) -> list[Record]:
        with self._lock:
            messages = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            self._held -= sum(map(len, messages))
            if not self._waiting:
                self._there.clear()
        now = self._feed.clock()
        records = []
        for message in messages:
            self._count += 1
            found = parse(message, now)
            records.append(Record(found.payload, self._count, found.time))
        return records

    def _offer(self, message: bytes) -> bool:
        with self._lock:
            if self._held + len(message) > HELD:
                return False
            self._held += len(message)
            self._waiting.append(message)
        self._there.set()
        return True

    def _may(self, address: Any) -> bool:
        if not self._networks:
            return True
        peer = ip_address(str(address[0]).partition("%")[0])
        peer = getattr(peer, "ipv4_mapped", None) or peer
        if any(peer in network for network in self._networks):
            return True
        self._feed.tally.refuse("address", f"{peer} may not send", "add it to `allow`", received=False)
        return False

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            closing = self._loop.run_until_complete(self._listen())
        except OSError as error:
            self._failure = error
            self._began.set()
            self._loop.close()
            return
        self._began.set()
        self._loop.run_forever()
        closing()
        for task in self._open:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._open, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _listen(self) -> Callable[[], None]:
        said = self._options
        if said.transport == "udp":
            transport, _ = await self._loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(said.host, said.port)
            )
            self.port = transport.get_extra_info("sockname")[1]
            return transport.close
        options: dict[str, Any] = {"ssl_handshake_timeout": HANDSHAKE} if self._tls is not None else {}
        server = await asyncio.start_server(
            self._connected, said.host, said.port, limit=LONGEST, ssl=self._tls, **options
        )
        self.port = server.sockets[0].getsockname()[1]
        return server.close

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        framer = Framer(LONGEST)
        try:
            if not self._may(writer.get_extra_info("peername")):
                return
            if len(self._open) >= CONNECTIONS:
                what, hint = f"more than {CONNECTIONS} connections", "send from a relay"
                self._feed.tally.refuse("connections", what, hint, received=False)
                return
            self._open.add(task)
            while data := await asyncio.wait_for(reader.read(LONGEST), IDLE):
                messages = framer.feed(data)
                self._faults(framer)
                await self._accept(messages)
            await self._accept(framer.end())
        except (OSError, TimeoutError, asyncio.CancelledError):
            # Whoever went away in the middle of a message sends it again or not; there is nothing to answer.
            pass
        finally:
            self._open.discard(task)
            self._faults(framer)
            writer.close()

    async def _accept(self, messages: list[bytes]) -> None:
        for message in messages:
            while not self._offer(message):
                await asyncio.sleep(FULL_PAUSE)

    def _faults(self, framer: Framer) -> None:
        if framer.too_long:
            hint = "leave out what is large; bodies do not belong here"
            self._feed.tally.refuse("too_long", f"longer than {LONGEST} bytes", hint, framer.too_long)
        if framer.malformed:
            hint = "use octet counting, or one message a line"
            self._feed.tally.refuse("malformed", "no frame of syslog", hint, framer.malformed)
        framer.too_long = framer.malformed = 0

    def datagram(self, data: bytes, address: Any) -> None:
        """Take a datagram, or drop it where there is no room."""
        if not data.strip(b"\0\r\n ") or not self._may(address):
            return
        if not self._offer(data):
            what, hint = "datagrams came faster than they become durable", "use TCP, which waits"
            self._feed.tally.refuse("overflow", what, hint)

    def _context(self) -> ssl.SSLContext | None:
        said = self._options
        if said.transport != "tls" or said.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(said.certificate)
            if said.client_ca is not None:
                context.load_verify_locations(said.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
        except OSError as error:
            raise ConfigError(
                f"the certificate cannot be used ({error})",
                where=said.certificate,
                hint="one PEM file with the chain and its private part, without a password",
            ) from error
        return context


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, owner: Syslog) -> None:
        self._owner = owner

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._owner.datagram(data, addr)


INPUT: Final = Syslog
