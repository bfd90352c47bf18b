"""Which data keys something is still encrypted with, apart from the log's frames: one of no use is destroyed."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from alerting.database.store import Store
from stream.embedded.file import connect, explained
from stream.encryption.crypt import key_of
from stream.index.file import FILE as INDEX_FILE
from stream.sqlite import STATE_FILE
from tocsin.coverage.store import FILE as COVERAGE_FILE

Used = Mapping[str, Callable[[], set[str]]]
"""For each purpose of data keys, the ids of those that something is encrypted with."""
_FILES: Final = {
    "state": (STATE_FILE, (("snapshots", "meta"), ("buckets", "content"))),
    "index": (INDEX_FILE, (("meta", "key"), ("terms", "hashes"))),
    "coverage": (COVERAGE_FILE, (("covered", "body"), ("said", "body"), ("place", "open"))),
}
_BEGIN: Final = 64
"""Bytes in which the name of a data key surely stands."""


def keys_used(data: Path, store: Store) -> Used:
    """Those of a data directory and its alerts. `names` and `holds` are not among them: theirs are never of no use."""
    found: dict[str, Callable[[], set[str]]] = {
        purpose: partial(_in_file, data / name, columns) for purpose, (name, columns) in _FILES.items()
    }
    return {**found, "alerts": store.key_ids}


def _in_file(path: Path, columns: Sequence[tuple[str, str]]) -> set[str]:
    if not path.exists():
        return set()
    found: set[str] = set()
    with explained(path), closing(connect(path)) as connection:
        for table, column in columns:
            text = f'SELECT DISTINCT substr("{column}", 1, {_BEGIN}) FROM "{table}"'  # noqa: S608  # our own names
            found |= {id_ for (stored,) in connection.execute(text) if stored and (id_ := key_of(stored))}
    return found
