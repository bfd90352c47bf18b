"""Compression of packed entities in memory: zstandard with dictionaries trained on what is kept.

Entities of a kind resemble each other (issuers, tenants, times, the shape of their states) far more than anything
repeats within one, so that only a dictionary makes them small. It never leaves the process: snapshots are written
without it, and after a restart others are trained.
"""

from collections.abc import Callable
from typing import Final

import zstandard

LEAST: Final = 32
"""Bytes from which on it pays."""
SAMPLES: Final = 1_024
"""Packed entities that a dictionary is trained on."""
SIZE: Final = 4_096
"""Bytes of a dictionary."""
LEVEL: Final = 3
GROWTH: Final = 16
"""The next dictionary is trained when so many times as many were packed as when the last one was."""
_ARRAY: Final = 0x90
"""The high bits of a packed entity's first byte, which is never the number of a dictionary."""


class Compression:
    """What makes the packed entities of one kind small, and gives them back as they were."""

    def __init__(self) -> None:
        self._samples: list[bytes | bytearray | memoryview] = []
        self._seen = 0
        self._next = SAMPLES
        self._compress: Callable[[bytes], bytes] | None = None
        self._number = b"\x00"
        self._decompress: list[Callable[[bytes], bytes]] = []

    def small(self, packed: bytes) -> bytes:
        """A packed entity in the form that is kept; where it would not become smaller, as it is."""
        if len(packed) < LEAST:
            return packed
        self._seen += 1
        if self._seen > self._next - SAMPLES:
            self._samples.append(packed)
            if self._seen >= self._next:
                self._train()
        if self._compress is None:
            return packed
        small = self._number + self._compress(packed)
        return small if len(small) < len(packed) else packed

    def whole(self, kept: bytes) -> bytes:
        """The packed entity that is kept in some form."""
        if kept[0] & 0xF0 == _ARRAY:
            return kept
        return self._decompress[kept[0]](kept[1:])

    def _train(self) -> None:
        samples, self._samples = self._samples, []
        self._next *= GROWTH
        try:
            dictionary = zstandard.train_dictionary(SIZE, samples, level=LEVEL)
        except zstandard.ZstdError:
            return  # too little to learn from, such as the same entity again and again
        dictionary.precompute_compress(LEVEL)
        shape = zstandard.FORMAT_ZSTD1_MAGICLESS
        how = zstandard.ZstdCompressionParameters.from_level(
            LEVEL, format=shape, write_content_size=1, write_checksum=0, write_dict_id=0
        )
        self._compress = zstandard.ZstdCompressor(compression_params=how, dict_data=dictionary).compress
        self._number = bytes([len(self._decompress)])
        self._decompress.append(zstandard.ZstdDecompressor(dict_data=dictionary, format=shape).decompress)
