"""What is left of a frame on Kafka that lost lines: a record of its own, under the key of the one whose place it takes.

It says which frame it is the rest of, so that what was sealed of that one still proves the lines that are left.
"""

from hashlib import sha256
from typing import Final

import msgspec

from stream.errors import UNREADABLE, DamagedError
from stream.frame import HEADER_DECODER, HEADER_ENCODER, Frame, Header, Keys, Record, Was
from stream.narrow import narrowed
from stream.rewrite import Line, gone, packed, rest, whole
from stream.salt import SIZE, salt_of
from stream.tombstone import remaining

_SALT: Final = SIZE + 8
"""Bytes that a salt takes behind a payload."""


def first_of(record: Record) -> Was:
    """What a frame was at first: itself, or what it is the rest of."""
    offset, frame = record
    if frame.header.was is not None:
        return frame.header.was
    return Was(offset, HEADER_ENCODER.encode(frame.header), sha256(frame.payload).digest())


def lines_of(frame: Frame) -> list[Line]:
    """The lines of a frame, or of what is left of one. Raises DamagedError where they cannot be read."""
    return rest(rewritten(frame)) if frame.header.was is not None else whole(frame.header, _opened(frame))


def rewritten(frame: Frame) -> bytes:
    """The payload of what is left of a frame, decrypted and without its own salt (see `stream.rewrite`)."""
    payload = _opened(frame)
    return payload[:-_SALT] if salt_of(payload) else payload


def rest_of(was: Was, received: float, lines: list[Line]) -> Frame:
    """The frame of what is left, at least one line, before it is salted and encrypted."""
    header = header_of(was)
    kept = [at for at, line in enumerate(lines) if line.text is not None]
    own = narrowed(header, kept)
    known = Header(
        received=received,
        content="rest",
        count=len(kept),
        first=own.first,
        last=own.last,
        source=own.source,
        tenant=own.tenant,
        was=was._replace(gone=gone(lines)),
    )
    return Frame(known, packed(header, lines))


def shown(record: Record) -> Record:
    """A record as whoever looks through a log is to see it: a rest stands for its frame, at the place that had."""
    frame = record.frame
    was = frame.header.was
    if was is None:
        return record
    own = remaining(header_of(was), was.gone)
    header = msgspec.structs.replace(own, received=frame.header.received, key_id=frame.header.key_id)
    keys = None if frame.keys is None else _AsRest(frame.keys, frame.header)
    return Record(was.offset, Frame(header, frame.payload, None, keys))


def header_of(was: Was) -> Header:
    """The header that a frame had. Raises DamagedError where it cannot be read."""
    try:
        return HEADER_DECODER.decode(was.header)
    except UNREADABLE as error:
        raise DamagedError(f"what is left of a frame does not say what it was ({error})") from error


def _opened(frame: Frame) -> bytes:
    if frame.header.key_id is None or frame.keys is None:
        return frame.payload
    return frame.keys.opened(frame.header, frame.payload)


class _AsRest:
    """The keys of a frame that is shown with the header of the one it is the rest of."""

    def __init__(self, keys: Keys, header: Header) -> None:
        self._keys = keys
        self._header = header

    def opened(self, _: Header, payload: bytes) -> bytes:
        """See `Keys.opened`."""
        return self._keys.opened(self._header, payload)
