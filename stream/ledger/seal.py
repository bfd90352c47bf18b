"""The seal: what ten seconds of the streams were, as hashes that prove each frame and event without the others.

An event's hash is salted; a frame's entry is one line of text over the hashes of its header, payload and events; the
entries of a partition are the leaves of a tree of RFC 6962, whose root stands in the seal; the seals are the leaves of
the ledger's own tree.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256, shake_128
from typing import Final, NamedTuple

import msgspec

from stream.errors import DamagedError
from stream.frame import HEADER_ENCODER, Frame, unpack
from stream.ledger.merkle import leaf_hash
from stream.salt import SIZE, salt_of

HINT: Final = 2
"""Bytes of each event's hash that are kept, so that a changed line can be named. They prove nothing."""


class Entry(NamedTuple):
    """What a seal says of one frame or row: where it is, and the hashes of its header, payload and lines."""

    stream: str
    partition: int
    offset: int
    lines: int
    header: bytes
    payload: bytes
    events: bytes
    hints: bytes

    @property
    def text(self) -> bytes:
        """The data of the entry's leaf: one line of text."""
        return (
            f"{self.stream}/{self.partition} {self.offset} {self.lines} "
            f"{self.header.hex()} {self.payload.hex()} {self.events.hex()}\n"
        ).encode()

    @property
    def leaf(self) -> bytes:
        """The hash of the entry's leaf."""
        return leaf_hash(self.text)


class Part(msgspec.Struct, frozen=True):
    """One partition in a seal: the first and last offset, frames and lines between, the root over the entries in hex.

    `hints` is the digest over the hints of all entries, so that they cannot mislead whoever looks for a changed line.
    """

    stream: str
    partition: int
    first: int
    last: int
    frames: int
    count: int
    root: str
    hints: str


class Seal(msgspec.Struct, frozen=True):
    """What was sealed at a moment (RFC 3339); `previous` is the leaf hash of the seal before, in hex.

    `checkpoint` is the size of the last checkpoint that was kept for good, so that none of them can be taken away.
    """

    number: int
    time: str
    previous: str
    checkpoint: int
    parts: tuple[Part, ...]
    v: int = 1


ENCODER: Final = msgspec.json.Encoder()
DECODER: Final = msgspec.json.Decoder(Seal)


def event_salts(salt: bytes, count: int) -> list[bytes]:
    """A salt for each line of a frame; one of them tells nothing of the others."""
    stream = shake_128(b"tocsin/event\n" + salt).digest(SIZE * count)
    return [*struct.unpack(f"{SIZE}s" * count, stream)]


def event_leaves(lines: Sequence[bytes], salt: bytes) -> list[bytes]:
    """The salted hash of each line."""
    return [
        sha256(b"\x00" + own + line).digest() for own, line in zip(event_salts(salt, len(lines)), lines, strict=True)
    ]


def events_hash(leaves: Sequence[bytes]) -> bytes:
    """The hash over all lines' hashes: flat, since a frame has few lines and a tree would cost twice as much."""
    return sha256(b"\x02" + b"".join(leaves)).digest()


def hints_of(leaves: Sequence[bytes]) -> bytes:
    """The first bytes of each line's hash."""
    whole = b"".join(leaves)
    hints = bytearray(HINT * len(leaves))
    # Byte by byte for all lines at once, since a slice for each line costs twenty times as much.
    for at in range(HINT):
        hints[at::HINT] = whole[at :: sha256().digest_size]
    return bytes(hints)


def frame_lines(frame: Frame) -> tuple[Sequence[bytes], bytes]:
    """The lines of a frame and its salt, which stand inside what may be encrypted.

    A payload that cannot be read is one line without salt, since sealing must not stop at it.
    """
    if not frame.payload:
        return [], b""
    try:
        payload = frame.payload
        if frame.header.key_id is not None and frame.keys is not None:
            payload = frame.keys.opened(frame.header, payload)
        # Whoever keeps frames may take `lines` away at any moment, so they are looked at once.
        lines = frame.lines
        if lines is None:
            header = msgspec.structs.replace(frame.header, key_id=None)
            lines = unpack(Frame(header, payload)).split(b"\n")
        return lines, salt_of(payload)
    except DamagedError:
        return [frame.payload], b""


def frame_entry(stream: str, partition: int, offset: int, frame: Frame, payload: bytes | None = None) -> Entry:
    """The entry of a frame; `payload` is the digest of its payload where that is known already."""
    lines, salt = frame_lines(frame)
    leaves = event_leaves(lines, salt)
    return Entry(
        stream,
        partition,
        offset,
        len(lines),
        sha256(HEADER_ENCODER.encode(frame.header)).digest(),
        payload or sha256(frame.payload).digest(),
        events_hash(leaves),
        hints_of(leaves),
    )


def row_entry(stream: str, offset: int, row: bytes, salt: bytes) -> Entry:
    """The entry of a row that stands elsewhere than in the log: it has no header, and its salt stands in the ledger."""
    leaves = event_leaves([row], salt)
    return Entry(stream, 0, offset, 1, sha256(b"").digest(), sha256(salt + row).digest(), events_hash(leaves), b"")
