"""A file held open, plain or compressed, read from any offset after decompression, within bounds."""

import gzip
import io
import os
import zlib
from pathlib import Path
from typing import Any, Final

import zstandard

from collector.tailing.position import HEAD

WINDOW: Final = 8 * 1024 * 1024
EXPANSION: Final = 200
"""How many times larger than it is a compressed file may become, beyond a first allowance."""
ALLOWANCE: Final = 64 * 1024 * 1024

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class BrokenError(Exception):
    """Compressed data that are not whole (`late` is set: perhaps not yet), or that would become far too large."""

    def __init__(self, why: str, *, late: bool = False) -> None:
        super().__init__(why)
        self.late = late


class _Kept(io.RawIOBase):
    """A file that stays open when its reader goes."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As the file does."""
        return self._raw.readinto(buffer) or 0


class Opened:
    """One open file; raises OSError as the file system does."""

    def __init__(self, path: Path) -> None:
        # Something else than a file, put there by somebody, must not hold the input up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._raw = io.FileIO(descriptor, "rb")
        mark = os.pread(descriptor, 4, 0)
        self.compressed = mark == _ZSTD or mark[:2] == _GZIP
        self._zstd = mark == _ZSTD
        self._reader: Any = None
        self._at = 0
        self._rest = b""

    def status(self) -> os.stat_result:
        """What the file system says of it now."""
        return os.fstat(self._raw.fileno())

    def head(self) -> bytes:
        """How it begins."""
        if not self.compressed:
            return os.pread(self._raw.fileno(), HEAD, 0)
        return self.read(0, HEAD)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from an offset; fewer only at the end. Raises BrokenError."""
        if not self.compressed:
            return os.pread(self._raw.fileno(), size, offset)
        try:
            return self._expanded(offset, size)
        except EOFError as error:
            raise BrokenError("it ends too early", late=True) from error
        except (OSError, zlib.error, zstandard.ZstdError) as error:
            raise BrokenError(str(error)) from error

    def close(self) -> None:
        """Give it back."""
        self._raw.close()

    def _expanded(self, offset: int, size: int) -> bytes:
        # What was read and not used comes first: who reads on from where a record began goes back a little.
        start = self._at - len(self._rest)
        if self._reader is None or offset < start:
            self._begin()
            start = 0
        while self._at < offset:
            step = self._reader.read1(min(offset - self._at, 1 << 20))
            if not step:
                return b""
            self._forward(len(step))
            self._rest = b""
            start = self._at
        self._rest = self._rest[offset - start :]
        try:
            while len(self._rest) < size and (step := self._reader.read1(size - len(self._rest))):
                self._forward(len(step))
                self._rest += step
        except EOFError:
            # What came before the place where it ends too early is good.
            if not self._rest:
                raise
        return self._rest[:size]

    def _begin(self) -> None:
        self._raw.seek(0)
        source: Any = _Kept(self._raw)
        if self._zstd:
            decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW)
            self._reader = decompressor.stream_reader(source, read_across_frames=True, closefd=False)
        else:
            self._reader = gzip.GzipFile(fileobj=source, mode="rb")
        self._at, self._rest = 0, b""

    def _forward(self, size: int) -> None:
        self._at += size
        if self._at > ALLOWANCE + EXPANSION * self.status().st_size:
            raise BrokenError(f"it would become more than {EXPANSION} times larger than it is")
