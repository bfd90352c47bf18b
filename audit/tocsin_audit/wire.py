"""The wire of MCP over HTTP: JSON-RPC in JSON bodies and server-sent events, read as it passes and never held up."""

import re
import zlib
from collections.abc import Iterable
from typing import Any, Final

import msgspec

MOST_BODY: Final = 4 * 1024 * 1024
"""How many bytes of one body are kept for reading; beyond that only the count goes on."""

_ENDPOINT: Final = re.compile(rb"(?m)^event:[ ]?endpoint\r?$")
_OWN: Final = re.compile(rb"createMessage|elicitation|roots|list_changed")
_MOST_OWN: Final = 256 * 1024
_BLANK: Final = re.compile(rb"\r\n\r\n|\n\n|\n\r\n|\r\r")


class Tap:
    """A bounded copy of one body that is passing by."""

    __slots__ = ("chunks", "kept", "seen", "truncated")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.kept = 0
        self.seen = 0
        self.truncated = False

    def feed(self, chunk: bytes) -> None:
        """Note the next bytes of the body."""
        self.seen += len(chunk)
        if self.kept + len(chunk) > MOST_BODY:
            self.truncated = True
        elif chunk and not self.truncated:
            self.chunks.append(chunk)
            self.kept += len(chunk)

    @property
    def weight(self) -> int:
        """Bytes that it holds on to."""
        return self.kept

    def bodies(self) -> list[bytes]:
        """The JSON texts that passed: one body."""
        return [b"".join(self.chunks)] if self.chunks and not self.truncated else []


class SseTap(Tap):
    """The JSON-RPC responses of an event stream, and apart what the server asks and says of itself.

    Other notifications only count, so that progress cannot crowd out answers.
    """

    __slots__ = ("_edge", "_held", "_open", "_own", "_own_kept", "_skipping")

    def __init__(self) -> None:
        super().__init__()
        self._open: list[bytes] = []
        self._own: list[bytes] = []
        self._own_kept = 0
        self._held = 0
        self._edge = b""
        self._skipping = False

    def feed(self, chunk: bytes) -> None:
        """Note the next bytes of the stream, split anywhere."""
        self.seen += len(chunk)
        if not self._open and not self._skipping and _one_event(chunk):
            self._event(chunk)
            return
        edge = self._edge + chunk
        self._edge = edge[-3:]
        self._open.append(chunk)
        self._held += len(chunk)
        if _BLANK.search(edge) is not None:
            self._split()
        if self._held + self.kept > MOST_BODY:
            self.truncated = self._skipping = True
            self._hold(b"")

    def _split(self) -> None:
        *events, rest = _BLANK.split(b"".join(self._open))
        for event in events[1:] if self._skipping else events:
            self._event(event)
        self._skipping = False
        self._hold(rest)

    def _hold(self, rest: bytes) -> None:
        self._open = [rest] if rest else []
        self._held = len(rest)
        self._edge = rest[-3:]

    def _event(self, event: bytes) -> None:
        if not _answers(event):
            self._note(event)
            return
        if self.kept + len(event) > MOST_BODY:
            self.truncated = True
            return
        self.chunks.append(event)
        self.kept += len(event)

    def _note(self, event: bytes) -> None:
        own = b'"method"' in event and _OWN.search(event) is not None
        if own and self._own_kept + len(event) <= _MOST_OWN:
            self._own.append(event)
            self._own_kept += len(event)

    @property
    def weight(self) -> int:
        """Bytes that it holds on to."""
        return self.kept + self._own_kept

    def own(self) -> list[bytes]:
        """The JSON texts of what the server asked and said of itself since the last time."""
        events, self._own, self._own_kept = self._own, [], 0
        return [data for event in events if (data := _data(event))]

    def bodies(self) -> list[bytes]:
        """The JSON texts that passed: one for each event."""
        if self._open and not self._skipping:
            self._event(b"".join(self._open))
            self._hold(b"")
        return [data for event in self.chunks if (data := _data(event))]


class Inflating:
    """Inflates an encoded stream on its way into a tap, piece by piece and bounded; a bomb only counts."""

    __slots__ = ("_machine", "_tap")

    def __init__(self, tap: Tap, encoding: str) -> None:
        self._tap = tap
        self._machine = zlib.decompressobj(wbits=47 if encoding == "gzip" else 15)

    def feed(self, chunk: bytes) -> None:
        """Note the next encoded bytes."""
        seen = self._tap.seen
        try:
            plain = self._machine.decompress(chunk, MOST_BODY)
            while plain:
                self._tap.feed(plain)
                if self._tap.truncated:
                    break
                plain = self._machine.decompress(self._machine.unconsumed_tail, MOST_BODY)
        except zlib.error:
            self._tap.truncated = True
        self._tap.seen = seen + len(chunk)


class LiveTap(SseTap):
    """A stream that may stay open for days: what it brings is taken while it goes on.

    On the older transport (2024-11-05) its first event names the address to post to, which names the session.
    Without `answers` somebody else sees those.
    """

    __slots__ = ("_answers", "_fresh", "session")

    def __init__(self, *, answers: bool = True) -> None:
        super().__init__()
        self._answers = answers
        self._fresh: list[bytes] = []
        self.session: str | None = None

    def take(self) -> list[bytes]:
        """The JSON texts that came since the last time."""
        events, self._fresh = self._fresh, []
        self.kept = 0
        return [data for event in events if (data := _data(event))]

    def _event(self, event: bytes) -> None:
        if self.session is None and _ENDPOINT.search(event) is not None:
            self.session = session_in(_data(event).decode("utf-8", "replace").partition("?")[2])
        elif not _answers(event):
            self._note(event)
        elif self._answers:
            if self.kept + len(event) > MOST_BODY:
                self.truncated = True
                return
            self._fresh.append(event)
            self.kept += len(event)

    def bodies(self) -> list[bytes]:
        """None: what came was taken."""
        return []


def session_in(query: str) -> str | None:
    """The session that the query of an address names, as the servers of the older transport write it."""
    for pair in query.split("&")[:20]:
        name, _, value = pair.partition("=")
        if name in ("session_id", "sessionId") and value:
            return value[:256]
    return None


def _answers(event: bytes) -> bool:
    """Whether an event may be a JSON-RPC response."""
    return b'"id"' in event and (b'"result"' in event or b'"error"' in event)


def _one_event(chunk: bytes) -> bool:
    """Whether a chunk is one whole event, as servers usually write them."""
    if chunk.endswith(b"\r\n\r\n"):
        return chunk.find(b"\r\n\r\n") == len(chunk) - 4 and b"\n\n" not in chunk
    return chunk.endswith(b"\n\n") and chunk.find(b"\n\n") == len(chunk) - 2 and b"\r" not in chunk


def _data(event: bytes) -> bytes:
    """The data of one event: its `data:` lines joined."""
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


def plain(body: bytes, encoding: str) -> bytes | None:
    """A body without its content encoding; null where it is not whole, beyond the bound, or coded otherwise."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        return None
    machine = zlib.decompressobj(wbits=47 if encoding == "gzip" else 15)
    try:
        text = machine.decompress(body, MOST_BODY)
    except zlib.error:
        return None
    return text if machine.eof else None


_ANY: Final = msgspec.json.Decoder()


def messages(body: bytes) -> list[dict[str, Any]] | None:
    """The JSON-RPC messages of a body, several where it is a batch; null where it is no JSON-RPC."""
    try:
        value = _ANY.decode(body)
    except (ValueError, RecursionError):
        return None
    items: Iterable[Any] = value if isinstance(value, list) else (value,)
    found = [item for item in items if isinstance(item, dict) and ("jsonrpc" in item or "method" in item)]
    return found or None
