"""A snapshot in the making: the state at one position, packed in slices while the fold goes on.

What an entity was at that position is packed before it changes (copy on write), so that every row describes that one
moment however long the slices take.
"""

from collections.abc import Mapping, Sequence
from itertools import islice, repeat
from typing import Final

import msgspec
import zstandard

from detectors.base import Kind
from detectors.engine.table import BUCKET_SHIFT, Table

SLICE: Final = 48
"""Entities that are packed, and buckets that are written, at once at least."""
CHUNK: Final = 1_024
"""Entities that are written at once, four times as many where they are whole buckets."""
SHARE: Final = 128
"""And this part of those that are left, so that much to pack does not take for ever."""

Entries = list[tuple[int, bytes | None]]
Rows = dict[str, bytes | None]

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_COMPRESS: Final = zstandard.ZstdCompressor(level=1).compress


class Draft:
    """What a snapshot will consist of; `meta` is whole from the beginning.

    `ready` are the rows that need no packing, `buckets` those that are rewritten whole, by kind, as of the snapshot's
    `number`; `journal` names the row of what changed, whose buckets become `stale`. There is one draft at a time.
    Entities that change before their turn are packed by their table at once.
    """

    def __init__(
        self,
        meta: bytes,
        ready: Rows,
        tables: Sequence[Table],
        clock: float,
        buckets: Mapping[str, Sequence[int]],
        stale: dict[Kind, set[int]],
        journal: str,
        number: int,
    ) -> None:
        self.meta = meta
        self._rows = ready
        self._tables = tables
        self._stale = stale
        self._journal = journal
        self._number = number
        changes = [table.begin_copy(clock, buckets.get(table.kind, ())) for table in tables]
        self._whole = [
            (table, bucket, table.copied_bucket(bucket)) for table in tables for bucket in buckets.get(table.kind, ())
        ]
        self._encoded = 0
        self._chunks = [
            (table, list(islice(entries, CHUNK)))
            for table, changed in zip(tables, changes, strict=True)
            for entries in repeat(iter(changed.items()), -(-len(changed) // CHUNK))
        ]
        self._parts: list[bytes] = []

    @property
    def left(self) -> int:
        """Entities that are not packed yet."""
        return sum(len(table.copies.wanted) for table in self._tables)

    def advance(self, *, idle: bool) -> bool:
        """Do a slice, all that is left where there is nothing else to do; whether the snapshot is whole."""
        limit = self.left if idle else SLICE + self.left // SHARE
        for table in self._tables:
            limit -= table.copies.some(limit)
        if limit <= 0 and self.left:
            return False
        written = 0
        for table, bucket, entries in self._whole[self._encoded : None if idle else self._encoded + SLICE]:
            self._rows[f"{table.kind}/{bucket:03x}"] = _bucket_row(self._number, table, entries)
            self._encoded += 1
            written += len(entries)
            if written > 4 * CHUNK and not idle:
                break
        while self._chunks and (idle or self._encoded >= len(self._whole)):
            self._write(*self._chunks.pop())
            if not idle:
                break
        return self._encoded >= len(self._whole) and not self._chunks

    def rows(self) -> Rows:
        """The rows of the snapshot; what is left to do is done at once."""
        while not self.advance(idle=True):
            pass
        for table in self._tables:
            table.copies.made = {}
        self._rows[self._journal] = _ENCODE(self._parts)
        self._whole, self._parts = [], []
        return self._rows

    def _write(self, table: Table, changed: Entries) -> None:
        entries = _filled(table, changed)
        self._parts.append(_COMPRESS(_ENCODE((table.kind, entries))))
        self._stale.setdefault(table.kind, set()).update([identity >> BUCKET_SHIFT for identity, _ in entries])


def _bucket_row(number: int, table: Table, entries: dict[int, bytes | None]) -> bytes | None:
    return _COMPRESS(_ENCODE((number, _filled(table, sorted(entries.items()))))) if entries else None


def _filled(table: Table, entries: Entries) -> Entries:
    """Entities with their bytes as they were at the snapshot's position, whichever way these are at hand."""
    copied, whole = table.copies.made, table.whole
    found = [(identity, copied.get(identity) if kept is None else kept) for identity, kept in entries]
    return [(identity, whole(kept) if kept is not None else None) for identity, kept in found]
