"""A snapshot in the making: the state at one position, packed in slices while the fold goes on.

What an entity was at that position is packed before it changes (copy on write), so that every row describes that one
moment however long the slices take.
"""

from collections.abc import Mapping, Sequence
from itertools import islice, repeat
from typing import Final

import msgspec

from detectors.base import Kind
from detectors.table import BUCKET_SHIFT, Table

SLICE: Final = 48
"""Entities that are packed at once at least."""
CHUNK: Final = 1_024
"""Entities that are written at once."""
SHARE: Final = 128
"""And this part of those that are left, so that much to pack does not take for ever."""

Entries = list[tuple[int, bytes | None]]
Rows = dict[str, bytes | None]

_ENCODE: Final = msgspec.msgpack.Encoder().encode


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
        end = len(self._whole) if idle else self._encoded + SLICE
        for table, bucket, entries in self._whole[self._encoded : end]:
            self._rows[f"{table.kind}/{bucket:03x}"] = _bucket_row(self._number, table, entries)
        self._encoded = end
        while self._chunks and (idle or end >= len(self._whole)):
            self._write(*self._chunks.pop())
            if not idle:
                break
        return end >= len(self._whole) and not self._chunks

    def rows(self) -> Rows:
        """The rows of the snapshot; what is left to do is done at once."""
        while not self.advance(idle=True):
            pass
        for table in self._tables:
            table.copies.made = {}
        self._rows[self._journal] = _ENCODE(self._parts)
        return self._rows

    def _write(self, table: Table, changed: Entries) -> None:
        copied = table.copies.made
        entries = [(identity, copied.get(identity) if packed is None else packed) for identity, packed in changed]
        self._parts.append(_ENCODE((table.kind, entries)))
        self._stale.setdefault(table.kind, set()).update([identity >> BUCKET_SHIFT for identity, _ in entries])


def _bucket_row(number: int, table: Table, entries: dict[int, bytes | None]) -> bytes | None:
    copied = table.copies.made
    whole = [(identity, copied[identity] if packed is None else packed) for identity, packed in sorted(entries.items())]
    return _ENCODE((number, whole)) if whole else None
