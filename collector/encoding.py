"""Undoing `Content-Encoding`, bounded: a few bytes that would become gigabytes are refused before they do."""

import zlib
from collections.abc import Callable, Mapping
from typing import Final

import zstandard

from stream.errors import RejectedError

_GZIP: Final = 31
_WINDOW: Final = 8 * 1024 * 1024
_SLICE: Final = 256
"""Compressed bytes given to zstd at once: each could stand for 128 KiB for every four."""
_MEMBERS: Final = 1000


class TooLargeError(RejectedError):
    """More bytes than a body may have."""


def expand(data: bytes, encoding: str, limit: int) -> bytes:
    """The body behind an encoding, at most `limit` bytes.

    Raises TooLargeError beyond it, RejectedError where the data are not whole and well-formed, KeyError where the
    encoding is not known.
    """
    return ENCODINGS[encoding](data, limit)


def _identity(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise _too_large(limit)
    return data


def _gunzip(data: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    for _ in range(_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(data, left + 1)
        except zlib.error as error:
            raise _broken("gzip", str(error)) from error
        if len(part) > left:
            raise _too_large(limit)
        if not member.eof:
            raise _broken("gzip", "it ends too early")
        left -= len(part)
        parts.append(part)
        data = member.unused_data
        if not data:
            return b"".join(parts)
    raise _broken("gzip", f"more than {_MEMBERS} members")


def _unzstd(data: bytes, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    for _ in range(_MEMBERS):
        # A new one for each frame, since one that has ended takes no more.
        frame = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
        at = 0
        while at < len(data) and not frame.eof:
            try:
                part = frame.decompress(data[at : at + _SLICE])
            except zstandard.ZstdError as error:
                raise _broken("zstd", str(error)) from error
            at += _SLICE
            left -= len(part)
            if left < 0:
                raise _too_large(limit)
            parts.append(part)
        if not frame.eof:
            raise _broken("zstd", "it ends too early")
        data = frame.unused_data + data[at:]
        if not data:
            return b"".join(parts)
    raise _broken("zstd", f"more than {_MEMBERS} frames")


ENCODINGS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "identity": _identity,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "zstd": _unzstd,
}


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes", hint="send fewer events at a time")


def _broken(encoding: str, why: str) -> RejectedError:
    return RejectedError(
        f"the body is not whole {encoding} ({why})", hint="look at Content-Encoding, and send it again"
    )
