"""Salt in a payload: what is left of a payload that was removed tells nobody what may have stood in it.

It stands behind the lines as a skippable frame of Zstandard (RFC 8878 §3.1.2), which every decompressor passes over.
"""

import os
import struct
from typing import Final

import msgspec

from stream.frame import Frame, pack

SIZE: Final = 16
"""Bytes of a salt."""
_MARK: Final = struct.pack("<II", 0x184D2A54, SIZE)


def fresh_salt() -> bytes:
    """A new random salt."""
    return os.urandom(SIZE)


def salted(frame: Frame, salt: bytes) -> Frame:
    """The same frame with 16 random bytes in its payload; one without lines needs none.

    Decoded events and lines stay with it. Raises ValueError where the salt has another size.
    """
    if len(salt) != SIZE:
        raise ValueError(f"a salt has {SIZE} bytes, not {len(salt)}")
    if not frame.payload:
        return frame
    if frame.header.codec == "none":
        packed = pack(msgspec.structs.replace(frame.header, codec="zstd"), frame.payload)
        return Frame(packed.header, packed.payload + _MARK + salt, frame.decoded, None, frame.lines, frame.stretch)
    return Frame(frame.header, frame.payload + _MARK + salt, frame.decoded, None, frame.lines, frame.stretch)


def salt_of(payload: bytes) -> bytes:
    """The salt of a payload; empty where it has none."""
    begin = len(payload) - SIZE
    return payload[begin:] if begin > len(_MARK) and payload[begin - len(_MARK) : begin] == _MARK else b""
