"""A snapshot in the making: the state at one position, packed in slices while the fold goes on.

What an entity was at that position is packed before it changes (copy on write), so that every row describes that one
moment however long the slices take.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from detectors.table import Table

SLICE: Final = 48
"""Entities that are packed at once at least."""
SHARE: Final = 128
"""And this part of those that are left, so that much to pack does not take for ever."""

Entries = list[tuple[int, bytes | None]]
Rows = dict[str, bytes | None]

_ENCODE: Final = msgspec.msgpack.Encoder().encode


class Draft:
    """What a snapshot will consist of; `meta` is whole from the beginning.

    `ready` are the rows that need no packing, `buckets` those that are rewritten whole, by kind, as of the snapshot's
    `number`; `journal` names the row of what changed. There is one draft at a time. Entities that change before their
    turn are packed by their table at once.
    """

    def __init__(
        self,
        meta: bytes,
        ready: Rows,
        tables: Sequence[Table],
        clock: float,
        buckets: Mapping[str, Sequence[int]],
        journal: str,
        number: int,
    ) -> None:
        self.meta = meta
        self._rows = ready
        self._tables = tables
        self._journal = journal
        self._number = number
        self._changed = [table.begin_copy(clock, buckets.get(table.kind, ())) for table in tables]
        self._whole = [
            (table, bucket, table.copied_bucket(bucket)) for table in tables for bucket in buckets.get(table.kind, ())
        ]
        self._encoded = 0

    @property
    def left(self) -> int:
        """Entities that are not packed yet."""
        return sum(len(table.copying) for table in self._tables)

    def advance(self, *, idle: bool) -> bool:
        """Do a slice, all that is left where there is nothing else to do; whether the snapshot is whole."""
        limit = self.left if idle else SLICE + self.left // SHARE
        for table in self._tables:
            limit -= table.copy_some(limit)
        if limit <= 0 and self.left:
            return False
        end = len(self._whole) if idle else self._encoded + SLICE
        for table, bucket, entries in self._whole[self._encoded : end]:
            self._rows[f"{table.kind}/{bucket:03x}"] = _bucket_row(self._number, table, entries)
        self._encoded = end
        return end >= len(self._whole)

    def rows(self) -> Rows:
        """The rows of the snapshot; what is left to do is done at once."""
        while not self.advance(idle=True):
            pass
        changes: dict[str, Entries] = {}
        for table, changed in zip(self._tables, self._changed, strict=True):
            if changed:
                copied = table.copied
                changes[table.kind] = [
                    (identity, copied.get(identity) if packed is None else packed)
                    for identity, packed in sorted(changed.items())
                ]
            table.copied = {}
        self._rows[self._journal] = _ENCODE(changes)
        return self._rows


def _bucket_row(number: int, table: Table, entries: dict[int, bytes | None]) -> bytes | None:
    copied = table.copied
    whole = [(identity, copied[identity] if packed is None else packed) for identity, packed in sorted(entries.items())]
    return _ENCODE((number, whole)) if whole else None
