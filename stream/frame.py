"""The frame: the lines that one receipt accepted, as they came, behind a header that says what Tocsin knows of them."""

import threading
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, Literal, NamedTuple, Protocol

import msgspec
import zstandard

from stream.errors import DamagedError
from stream.stretch import Stretch
from tocsin_audit.event import AuditEvent

LIMIT: Final = 500
"""Lines in one frame at most."""
PAYLOAD_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a payload after decompression at most."""

Content = Literal["events", "control", "tick", "findings", "wide", "rest"]


class Was(NamedTuple):
    """Which frame a frame of content `rest` is what is left of: its place, encoded header, and payload's digest.

    `gone` is a bitmap of the lines that were taken out.
    """

    offset: int
    header: bytes
    digest: bytes
    gone: bytes = b""


class Origin(NamedTuple):
    """Which input made an output: task, the input's partition and offset, and the running number within it."""

    task: str
    partition: int
    offset: int
    ordinal: int


class Header(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What is known of a frame's lines; what it says beats the same key in a line.

    `received` is the listener's wall clock in seconds since the epoch, set once. `first` and `last` bound the event
    times after `skewed` lines were set to `received`. `late` and `skewed` are bitmaps over the lines, lowest bit first.
    `source` names the collector key or the job that brought the lines, `digest` is the SHA-256 of what it sent and
    `line` the number there of the first line; `lines` names each one's number where they do not just follow.
    `tenant` is that of lines that name none.
    """

    received: float
    content: Content = "events"
    count: int = 0
    first: float = 0.0
    last: float = 0.0
    source: str = ""
    digest: str = ""
    line: int = 0
    lines: tuple[int, ...] = ()
    late: bytes = b""
    skewed: bytes = b""
    tenant: str | None = None
    imported: bool = False
    origin: Origin | None = None
    key: str | None = None
    codec: Literal["zstd", "none"] = "zstd"
    key_id: str | None = None
    was: Was | None = None

    def __post_init__(self) -> None:
        # A whole number would be encoded in another way than the same number once it was read again.
        for name in ("received", "first", "last"):
            value = getattr(self, name)
            if type(value) is not float:
                msgspec.structs.force_setattr(self, name, float(value))


class Keys(Protocol):
    """Undoes the encryption of payloads (see `stream.encryption.crypt`)."""

    def opened(self, header: Header, payload: bytes) -> bytes:
        """A stored payload as it was before; raises DamagedError where it is not what was written."""
        ...


class Frame(msgspec.Struct, gc=False, eq=False):
    """A header and its payload: newline-joined JSON lines, compressed as the header's codec says.

    `decoded` holds the events once somebody decoded them (see `stream.decode`), and `stretch` what was found of their
    numbers by then; `lines` are the payload's lines while they are at hand. None of it is part of what a frame is.
    Where the header names a key the payload is encrypted, and `keys` can undo that.
    """

    header: Header
    payload: bytes
    decoded: list[AuditEvent] | None = None
    keys: Keys | None = None
    lines: Sequence[bytes] | None = None
    stretch: Stretch | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frame) and self.header == other.header and self.payload == other.payload

    __hash__ = None  # type: ignore[assignment]  # equal by content that can change, so it is no key


class Record(NamedTuple):
    """A frame at its place in a stream."""

    offset: int
    frame: Frame


HEADER_ENCODER: Final = msgspec.msgpack.Encoder()
HEADER_DECODER: Final = msgspec.msgpack.Decoder(Header)


class _Tools(threading.local):
    """A compressor and a decompressor for each thread: making one costs more than using it on a small frame."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=1)
        self.decompressor = zstandard.ZstdDecompressor()


_TOOLS: Final = _Tools()


def pack(header: Header, lines: bytes) -> Frame:
    """A frame of newline-joined lines, without the last newline, compressed as the header says."""
    if header.codec == "none":
        return Frame(header, lines)
    return Frame(header, _TOOLS.compressor.compress(lines))


def unpack(frame: Frame) -> bytes:
    """The newline-joined lines of a frame.

    Raises DamagedError where the payload does not decompress, is larger than any frame may be, or is encrypted and the
    key is not there.
    """
    payload = frame.payload
    if frame.header.key_id is not None:
        if frame.keys is None:
            raise DamagedError(
                f"a frame is encrypted with the data key {frame.header.key_id}",
                hint="configure `encrypt:` with the master key that it was written under",
            )
        payload = frame.keys.opened(frame.header, payload)
    if frame.header.codec == "none":
        return payload
    try:
        if zstandard.frame_content_size(payload) > PAYLOAD_LIMIT:
            raise DamagedError("a frame says that it is larger than any frame may be")
        return _TOOLS.decompressor.decompress(payload, max_output_size=PAYLOAD_LIMIT)
    except zstandard.ZstdError as error:
        raise DamagedError(f"a frame does not decompress ({error})") from error


def bitmap(flags: Sequence[bool]) -> bytes:
    """Flags as bytes, lowest bit first; empty where none is set."""
    number = 0
    for index, flag in enumerate(flags):
        if flag:
            number |= 1 << index
    return number.to_bytes((number.bit_length() + 7) // 8, "little")


def bit(bits: bytes, index: int) -> bool:
    """Whether a bitmap has the bit of an index."""
    byte = index >> 3
    return byte < len(bits) and bool(bits[byte] >> (index & 7) & 1)


def link(previous: bytes, header: bytes, payload_digest: bytes) -> bytes:
    """A frame's chain digest: SHA-256 over previous ‖ H(header) ‖ H(payload); a payload can go and the proof stays."""
    return sha256(previous + sha256(header).digest() + payload_digest).digest()
