"""What stands in a row of the log where a payload, or some of its lines, was removed on purpose."""

from typing import Final

import msgspec

from stream.errors import DamagedError
from stream.frame import Header, bit
from stream.narrow import narrowed


class Tombstone(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Why something is gone, and the number of the ledger's note that says so and when.

    `lines` is a bitmap in hex of the lines that were taken out, and `digest` the SHA-256 in hex of the payload that is
    left; both are empty where all of it is gone.
    """

    why: str
    note: int
    lines: str = ""
    digest: str = ""

    @property
    def bits(self) -> bytes:
        """The bitmap of the lines that were taken out."""
        return bytes.fromhex(self.lines)

    @property
    def text(self) -> str:
        """As it stands in the row."""
        return _ENCODER.encode(self).decode()


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Tombstone)


def tombstone(text: str) -> Tombstone:
    """A tombstone from its row. Raises DamagedError where it is none."""
    try:
        found = _DECODER.decode(text)
        _ = found.bits
    except (msgspec.MsgspecError, UnicodeError, ValueError) as error:
        raise DamagedError(f"what is said about the removed payload cannot be read ({error})") from error
    return found


def remaining(header: Header, gone: bytes) -> Header:
    """The header of what is left of a frame: that of a frame of the lines that a bitmap does not name."""
    kept = [at for at in range(header.count) if not bit(gone, at)]
    return msgspec.structs.replace(narrowed(header, kept), codec="zstd")
