"""Snapshots of the keyed state: each writes what changed since the last, and rewrites a share of the whole.

A journal row holds the entities that changed between two snapshots. Buckets (all entities whose ids begin alike) are
rewritten in turn, those that changed; once round, the journal rows from before the round are no longer needed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import zstandard

from detectors.base import Kind
from detectors.engine.draft import Draft, Entries, Rows
from detectors.engine.table import BUCKET_SHIFT, BUCKETS, Table

ROUND: Final = 16
"""Snapshots in which all changed buckets are rewritten once, about."""
JOURNAL: Final = "journal/"

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_JOURNAL: Final = msgspec.msgpack.Decoder(list[bytes])
_PART: Final = msgspec.msgpack.Decoder(tuple[str, Entries])
_DECOMPRESS: Final = zstandard.ZstdDecompressor().decompress
_BUCKET: Final = msgspec.msgpack.Decoder(tuple[int, list[tuple[int, bytes]]])
_NOTHING: Final = _ENCODE([])


class Journal:
    """Which rows a snapshot consists of: `oldest` to `number` are the journal rows that still count."""

    def __init__(self) -> None:
        self.number = 0
        self.oldest = 1
        self._began = 1
        self._cursor = 0
        self._stale: dict[Kind, set[int]] = {}

    def begin(self, tables: Sequence[Table], clock: float, meta: Callable[[], bytes], ready: Rows) -> Draft:
        """The draft of the next snapshot: `ready` rows, and those that it adds, replaces or (None) removes.

        `meta` is asked for once it is known which journal rows count.
        """
        self.number += 1
        number = self.number
        buckets = self._rewritten(tables, ready)
        return Draft(meta(), ready, tables, clock, buckets, self._stale, _name(number), number)

    def read(self, tables: Sequence[Table], rows: Mapping[str, bytes], number: int, oldest: int) -> None:
        """Fill tables with what the rows up to a snapshot hold.

        Raises ValueError or msgspec errors where they are not ours.
        """
        self.number, self.oldest, self._began = number, oldest, number + 1
        written: dict[tuple[Kind, int], int] = {}
        known = {table.kind: table for table in tables}
        for table in tables:
            prefix = f"{table.kind}/"
            for name, row in rows.items():
                if name.startswith(prefix):
                    at, entries = _BUCKET.decode(_plain(row))
                    written[table.kind, int(name.removeprefix(prefix), 16)] = at
                    table.load(entries)
        for at in range(oldest, number + 1):
            for part in _JOURNAL.decode(rows.get(_name(at), _NOTHING)):
                kind, changed = _PART.decode(_plain(part))
                if kind not in known:
                    continue
                newer = [entry for entry in changed if written.get((kind, entry[0] >> BUCKET_SHIFT), 0) < at]
                self._stale.setdefault(kind, set()).update([identity >> BUCKET_SHIFT for identity, _ in newer])
                known[kind].load(newer)

    def _rewritten(self, tables: Sequence[Table], rows: Rows) -> dict[Kind, list[int]]:
        """The buckets whose turn it is; once round, the rows that are no longer needed are removed."""
        found: dict[Kind, list[int]] = {}
        places = len(tables) * BUCKETS
        share = sum(map(len, self._stale.values())) // ROUND + 1
        for _ in range(places):
            if not share:
                break
            table = tables[self._cursor // BUCKETS]
            number = self._cursor % BUCKETS
            stale = self._stale.get(table.kind)
            if stale is not None and number in stale:
                stale.discard(number)
                share -= 1
                found.setdefault(table.kind, []).append(number)
            self._cursor += 1
            if self._cursor == places:
                self._cursor = 0
                for at in range(self.oldest, self._began):
                    rows[_name(at)] = None
                self.oldest, self._began = self._began, self.number + 1
        return found


def _name(number: int) -> str:
    return f"{JOURNAL}{number:010d}"


def _plain(row: bytes) -> bytes:
    try:
        return _DECOMPRESS(row)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
