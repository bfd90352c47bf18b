"""A payload without some of its lines, which still proves that the others are those that were sealed.

A frame's salt would give away the salts of the lines that were taken out, and with them let guesses at those be tried.
So what is left holds for each line its own salt, or for one that is gone the hash it had, in a skippable frame of
Zstandard (RFC 8878 §3.1.2) behind the lines.
"""

import struct
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
import zstandard

from stream.errors import DamagedError
from stream.frame import Frame, Header, bitmap, pack, unpack
from stream.ledger.seal import event_salts
from stream.salt import SIZE, salt_of

_MAGIC: Final = 0x184D2A55
_HEAD: Final = struct.Struct("<II")
_LENGTH: Final = struct.Struct("<I")
_HASH: Final = 32
_KEPT, _GONE = b"\x00", b"\x01"


class Line(NamedTuple):
    """A line and its salt; of one that was taken out there is its hash alone."""

    text: bytes | None
    salt: bytes
    hash: bytes


def whole(header: Header, payload: bytes) -> list[Line]:
    """The lines of a frame as it was received; `payload` is decrypted. Raises DamagedError where it cannot be read."""
    texts = unpack(Frame(msgspec.structs.replace(header, key_id=None), payload)).split(b"\n")
    return salted_lines(texts, salt_of(payload))


def salted_lines(texts: Sequence[bytes], salt: bytes) -> list[Line]:
    """Lines of a frame or row with the salts that its own gives them."""
    salts = event_salts(salt, len(texts))
    return [Line(text, one, _leaf(one, text)) for text, one in zip(texts, salts, strict=True)]


def rest(payload: bytes) -> list[Line]:
    """The lines of a payload that was written by `packed`; decrypted. Raises DamagedError where it is none."""
    try:
        (length,) = _LENGTH.unpack(payload[-_LENGTH.size :])
        begin = len(payload) - length
        magic, size = _HEAD.unpack(payload[begin - _HEAD.size : begin])
        if magic != _MAGIC or size != length or begin < _HEAD.size:
            raise DamagedError("what is left of the payload does not say which lines are gone")
        texts = zstandard.ZstdDecompressor().decompress(payload[: begin - _HEAD.size]).split(b"\n")
        return _lines(payload[begin : -_LENGTH.size], texts)
    except (struct.error, zstandard.ZstdError) as error:
        raise DamagedError(f"what is left of the payload cannot be read ({error})") from error


def _lines(marks: bytes, texts: list[bytes]) -> list[Line]:
    found: list[Line] = []
    left = iter(texts)
    at = 0
    while at < len(marks):
        kept = marks[at : at + 1] == _KEPT
        size = SIZE if kept else _HASH
        value = marks[at + 1 : at + 1 + size]
        at += 1 + size
        if kept:
            text = next(left, None)
            if text is None or len(value) != size:
                raise DamagedError("what is left of the payload has fewer lines than it says")
            found.append(Line(text, value, _leaf(value, text)))
        else:
            found.append(Line(None, b"", value))
    if next(left, None) is not None:
        raise DamagedError("what is left of the payload has more lines than it says")
    return found


def without(lines: list[Line], removed: Collection[int]) -> list[Line]:
    """The lines with those of some indexes taken out."""
    return [Line(None, b"", line.hash) if at in removed else line for at, line in enumerate(lines)]


def gone(lines: list[Line]) -> bytes:
    """The bitmap of the lines that were taken out."""
    return bitmap([line.text is None for line in lines])


def packed(header: Header, lines: list[Line]) -> bytes:
    """The payload of what is left, at least one line, to be encrypted where the frame was."""
    texts = [line.text for line in lines if line.text is not None]
    plain = msgspec.structs.replace(header, codec="zstd", key_id=None)
    marks = b"".join([_GONE + line.hash if line.text is None else _KEPT + line.salt for line in lines])
    length = len(marks) + _LENGTH.size
    return pack(plain, b"\n".join(texts)).payload + _HEAD.pack(_MAGIC, length) + marks + _LENGTH.pack(length)


def _leaf(salt: bytes, text: bytes) -> bytes:
    return sha256(b"\x00" + salt + text).digest()
