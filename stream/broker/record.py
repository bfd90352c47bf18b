"""The value of a Kafka record: one frame, its header before its payload."""

import os
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from stream import control, finding
from stream import decode as events
from stream.errors import UNREADABLE, DamagedError
from stream.frame import HEADER_DECODER, HEADER_ENCODER, Frame, Header, Keys, unpack

MAGIC: Final = b"tcn\x01"
"""Tells our records from others', and their version."""
_LENGTH: Final = 4
_KEY: Final = 16
_DECODERS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {"control": control.DECODER, "findings": finding.DECODER}


def fresh_key() -> bytes:
    """A key that no other record has, so that brokers can be told to take this one away (see `kafka_compact`)."""
    return os.urandom(_KEY)


def encode(frame: Frame) -> bytes:
    """A frame as the value of a record."""
    header = HEADER_ENCODER.encode(frame.header)
    return b"".join((MAGIC, len(header).to_bytes(_LENGTH, "big"), header, frame.payload))


class _AsWritten:
    """The keys of a frame whose header no longer has the receipt that its payload was bound to."""

    def __init__(self, keys: Keys, received: float) -> None:
        self._keys = keys
        self._received = received

    def opened(self, header: Header, payload: bytes) -> bytes:
        """A stored payload as it was before; see `Keys.opened`."""
        return self._keys.opened(msgspec.structs.replace(header, received=self._received), payload)


def decode(value: bytes | None, keys: Keys | None = None) -> Frame:
    """The frame of a record's value, with what decrypts it. Raises DamagedError saying why it is none."""
    if value is None or not value.startswith(MAGIC):
        raise DamagedError("the record is no frame of this version of Tocsin")
    begin = len(MAGIC) + _LENGTH
    end = begin + int.from_bytes(value[len(MAGIC) : begin], "big")
    if not begin < end <= len(value):
        raise DamagedError("the record's header is longer than the record")
    view = memoryview(value)
    try:
        header = HEADER_DECODER.decode(view[begin:end])
    except UNREADABLE as error:
        raise DamagedError(f"the record's header cannot be read ({error})") from error
    return Frame(header, bytes(view[end:]), None, keys)


def check(frame: Frame) -> None:
    """See that a payload can be read, before anybody folds it; decoded events stay with the frame.

    Raises DamagedError saying why it cannot.
    """
    content = frame.header.content
    if content == "events":
        events.decode(frame)
    elif content in _DECODERS:
        try:
            for line in unpack(frame).splitlines():
                record = _DECODERS[content].decode(line)
                if isinstance(record, finding.Finding):
                    finding.public(record)  # whoever tells of it writes its times
        except (*UNREADABLE, ValueError, OverflowError, OSError) as error:
            raise DamagedError(f"a line of {content} cannot be read ({error})") from error


def believed(frame: Frame, appended: float, ahead: float) -> Frame:
    """The frame with a `received` that the broker's own clock (`appended`, in seconds) does not contradict.

    A listener whose clock is more than `ahead` seconds in the future must not drag a whole partition along; the
    broker's time is in the record, so that every reader comes to the same result (CONTRACTS §1).
    """
    if 0 <= frame.header.received <= appended + ahead:
        return frame
    keys = None if frame.keys is None else _AsWritten(frame.keys, frame.header.received)
    return Frame(msgspec.structs.replace(frame.header, received=appended), frame.payload, None, keys)
