"""What the alerts' database keeps for good, as rows for the ledger: the timeline, the decisions, and each alert."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, Table, select

from alerting.database.schema import DECISIONS, OUTBOX, TIMELINE
from alerting.database.sealed import as_stored
from alerting.database.store import Store

KEPT: Final[dict[str, tuple[Table, tuple[str, ...]]]] = {
    "timeline": (TIMELINE, ("id", "incident", "revision", "at", "change", "reason", "by", "note")),
    "decisions": (DECISIONS, ("id", "incident", "finding", "at", "reason", "change", "severity", "detail")),
    "alerts": (OUTBOX, ("id", "sink", "incident", "alert", "at", "body")),
}
"""The columns that never change once a row is there; whether an alert was delivered meanwhile is none of them."""
_ENCODE: Final = msgspec.json.Encoder().encode

Read = Callable[[int, int], Sequence[tuple[int, bytes]]]


def rows(connection: Connection, name: str, since: int, limit: int) -> list[tuple[int, bytes]]:
    """Number and bytes of a table's rows from a number on: its lasting columns as a JSON list."""
    table, names = KEPT[name]
    # As they lie there: whoever verifies has no keys.
    columns = [as_stored(table.c[column]) for column in names]
    found = connection.execute(select(*columns).where(table.c.id >= since).order_by(table.c.id).limit(limit))
    return [(row[0], _ENCODE(list(row))) for row in found]


def reader(store: Store, name: str) -> Read:
    """What reads a table of the store."""

    def read(since: int, limit: int) -> list[tuple[int, bytes]]:
        with store.reading() as connection:
            return rows(connection, name, since, limit)

    return read
