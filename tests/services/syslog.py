"""A small syslog receiver that is strict about RFC 5425's frames, RFC 5424's header and CEF's fields."""

import re
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Self

HEADER = re.compile(
    r"<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) (-|\[.+\]) (CEF:0\|.*)", re.DOTALL
)
KEYS = {"rt", "start", "end", "externalId", "cnt", "act", "outcome", "reason", "cat", "src", "suser", "dhost", "msg"}
CUSTOM = {f"cs{number}{end}" for number in range(1, 7) for end in ("", "Label")}
LENGTHS = {"externalId": 40, "suser": 1023, "dhost": 1023, "msg": 1023, "cat": 1023, "act": 63, "outcome": 63}


@dataclass(frozen=True)
class Message:
    """What arrived: syslog's numbers, CEF's seven header fields and its extension."""

    facility: int
    severity: int
    header: tuple[str, ...]
    extension: dict[str, str]


def parse(data: bytes) -> Message:
    """One message; raises ValueError saying what is wrong with it."""
    text = data.decode()
    match = HEADER.fullmatch(text)
    if match is None or "\n" in text or "\r" in text:
        raise ValueError(f"no message of RFC 5424 with CEF in one line: {text[:200]!r}")
    datetime.fromisoformat(match[2])
    priority = int(match[1])
    parts = re.split(r"(?<!\\)((?:\\\\)*)\|", match[8].partition("CEF:0|")[2], maxsplit=6)
    fields = [parts[number] + (parts[number + 1] if number + 1 < len(parts) else "") for number in range(0, 12, 2)]
    if len(parts) != 13:
        raise ValueError(f"CEF has seven fields before its extension: {text[:200]!r}")
    if not all(re.fullmatch(r"(?:[^\\|]|\\[\\|])*", field) for field in fields):
        raise ValueError(f"an escape in the header that is none: {fields}")
    return Message(priority // 8, priority % 8, tuple(map(unescape, fields)), extension(parts[12]))


def extension(text: str) -> dict[str, str]:
    """The fields of an extension; raises ValueError for one that is unknown, twice, too long or unescaped."""
    found: dict[str, str] = {}
    places = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", text))
    for number, place in enumerate(places):
        end = places[number + 1].start() if number + 1 < len(places) else len(text)
        value = text[place.end() : end]
        if place[1] in found or place[1] not in KEYS | CUSTOM:
            raise ValueError(f"the field {place[1]} is unknown or there twice: {text[:300]!r}")
        if not re.fullmatch(r"(?:[^\\=]|\\[\\=nr])*", value):
            raise ValueError(f"{place[1]} is not escaped: {value[:200]!r}")
        found[place[1]] = unescape(value)
        if len(found[place[1]]) > LENGTHS.get(place[1], 4000):
            raise ValueError(f"{place[1]} is too long")
    if not places or places[0].start() != 0:
        raise ValueError(f"what comes first is no field: {text[:100]!r}")
    return found


def unescape(text: str) -> str:
    """A value as it was before it was escaped."""
    return re.sub(r"\\(.)", lambda match: {"n": "\n", "r": "\r"}.get(match[1], match[1]), text)


class SmallSyslog:
    """The receiver on TCP, TLS or UDP; `behaviour` says how it ends connections."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, udp: bool = False) -> None:
        self.messages: list[Message] = []
        self.faults: list[str] = []
        self.behaviour: Literal["good", "silent", "reset", "deaf"] = "good"
        self._tls = tls
        self._udp = udp
        self._closing = threading.Event()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.05)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        if not self._udp:
            self._socket.listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                if self._udp:
                    self._take(self._socket.recv(65536))
                    continue
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            connection.settimeout(10)
            with connection:
                self._serve(connection)

    def _serve(self, plain: socket.socket) -> None:
        if self.behaviour == "reset":
            plain.recv(1)
            return  # with bytes unread the kernel resets the connection
        try:
            connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
        except OSError:
            return
        with connection:
            if self.behaviour == "deaf":
                self._closing.wait(10)
                return
            data = b""
            try:
                while part := connection.recv(65536):
                    data += part
            except OSError:
                return
            if self.behaviour == "silent":
                self._closing.wait(10)
                return
            self._frames(data)
            if isinstance(connection, ssl.SSLSocket):
                connection.unwrap()

    def _frames(self, data: bytes) -> None:
        while data:
            match = re.match(rb"([1-9]\d{0,5}) ", data)
            if match is None:
                self.faults.append(f"no frame of RFC 5425: {data[:50]!r}")
                return
            end = match.end() + int(match[1])
            self._take(data[match.end() : end])
            data = data[end:]

    def _take(self, data: bytes) -> None:
        try:
            self.messages.append(parse(data))
        except ValueError as error:
            self.faults.append(str(error))
