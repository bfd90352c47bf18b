"""Snapshots of the keyed state: each writes what changed since the last, and rewrites a share of the whole.

A journal row holds the entities that changed between two snapshots. Buckets (all entities whose ids begin alike) are
rewritten in turn, those that changed; once round, the journal rows from before the round are no longer needed.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from detectors.base import Kind
from detectors.table import BUCKET_SHIFT, BUCKETS, Table

ROUND: Final = 16
"""Snapshots in which all changed buckets are rewritten once, about."""
JOURNAL: Final = "journal/"

Entries = list[tuple[int, bytes | None]]

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_JOURNAL: Final = msgspec.msgpack.Decoder(dict[str, Entries])
_BUCKET: Final = msgspec.msgpack.Decoder(tuple[int, list[tuple[int, bytes]]])


class Journal:
    """Which rows a snapshot consists of: `oldest` to `number` are the journal rows that still count."""

    def __init__(self) -> None:
        self.number = 0
        self.oldest = 1
        self._began = 1
        self._cursor = 0
        self._stale: dict[Kind, set[int]] = {}

    def write(self, tables: Sequence[Table], clock: float) -> dict[str, bytes | None]:
        """The rows that a snapshot adds, replaces or (None) removes."""
        self.number += 1
        rows: dict[str, bytes | None] = {}
        changes: dict[str, Entries] = {}
        for table in tables:
            entries = table.changes(clock)
            if entries:
                changes[table.kind] = entries
                self._stale.setdefault(table.kind, set()).update(identity >> BUCKET_SHIFT for identity, _ in entries)
        rows[_name(self.number)] = _ENCODE(changes)
        self._rewrite(tables, clock, rows)
        return rows

    def read(self, tables: Sequence[Table], rows: Mapping[str, bytes], number: int, oldest: int) -> None:
        """Fill tables with what the rows up to a snapshot hold. Raises msgspec errors where they are not ours."""
        self.number, self.oldest, self._began = number, oldest, number + 1
        for table in tables:
            written: dict[int, int] = {}
            prefix = f"{table.kind}/"
            for name, row in rows.items():
                if name.startswith(prefix):
                    at, entries = _BUCKET.decode(row)
                    written[int(name.removeprefix(prefix), 16)] = at
                    table.load(entries)
            stale = self._stale.setdefault(table.kind, set())
            for at in range(oldest, number + 1):
                journal = rows.get(_name(at))
                if journal is None:
                    continue
                changed = _JOURNAL.decode(journal).get(table.kind, ())
                newer = [entry for entry in changed if written.get(entry[0] >> BUCKET_SHIFT, 0) < at]
                stale.update(identity >> BUCKET_SHIFT for identity, _ in newer)
                table.load(newer)

    def _rewrite(self, tables: Sequence[Table], clock: float, rows: dict[str, bytes | None]) -> None:
        places = len(tables) * BUCKETS
        share = sum(map(len, self._stale.values())) // ROUND + 1
        for _ in range(places):
            if not share:
                return
            table = tables[self._cursor // BUCKETS]
            number = self._cursor % BUCKETS
            stale = self._stale.get(table.kind)
            if stale is not None and number in stale:
                stale.discard(number)
                share -= 1
                whole = table.bucket(number, clock)
                rows[f"{table.kind}/{number:03x}"] = _ENCODE((self.number, whole)) if whole else None
            self._cursor += 1
            if self._cursor == places:
                self._cursor = 0
                for at in range(self.oldest, self._began):
                    rows[_name(at)] = None
                self.oldest, self._began = self._began, self.number + 1


def _name(number: int) -> str:
    return f"{JOURNAL}{number:010d}"
