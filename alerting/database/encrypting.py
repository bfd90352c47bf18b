"""Encrypting a database that was plain, and seeing that the keys are those that one was encrypted under."""

from typing import Final

from sqlalchemy import Connection, Table, and_, bindparam, insert, select, update
from sqlalchemy.types import TypeDecorator

from alerting.database.schema import DECISIONS, ENCRYPTION, METADATA, OUTBOX, TIMELINE
from alerting.database.sealed import as_stored
from stream.errors import ConfigError

PROBE: Final = "tocsin"
LASTING: Final = frozenset({DECISIONS.name, OUTBOX.name, TIMELINE.name, ENCRYPTION.name})
"""Tables whose rows are sealed in the ledger as they lie there, so that old rows stay as they are."""
_MANY: Final = 500


def enrol(connection: Connection, *, encrypted: bool, where: str) -> bool:
    """Have what is there lie as it should, in the connection's transaction; whether something was encrypted just now.

    `encrypted` is whether the connection's engine encrypts. Raises ConfigError where a database was encrypted and the
    keys for it are not there, or are others.
    """
    probe = ENCRYPTION.c.probe
    found = connection.execute(select(as_stored(probe), probe)).one_or_none()
    if found is not None:
        if not encrypted:
            raise ConfigError(
                "the alerts' database is encrypted", where=where, hint="configure `encrypt:` with its master key again"
            )
        if found[1] != PROBE:
            raise ConfigError(
                "the alerts' database was encrypted under other keys",
                where=where,
                hint="restore it and the data keys from the same backup",
            )
        return False
    if encrypted:
        for table in METADATA.sorted_tables:
            if table.name not in LASTING:
                _encrypt(connection, table)
        connection.execute(insert(ENCRYPTION).values(probe=PROBE))
    return encrypted


def _encrypt(connection: Connection, table: Table) -> None:
    """Encrypt every row of a table, each found by its key as it lies there now."""
    hidden = [column for column in table.c if isinstance(column.type, TypeDecorator)]
    if not hidden:
        return
    key = list(table.primary_key)
    found = select(*[as_stored(column).label(f"key_{column.name}") for column in key])
    found = found.add_columns(*[as_stored(column).label(f"new_{column.name}") for column in hidden])
    rows = [dict(row) for row in connection.execute(found).mappings()]
    this = and_(*[as_stored(column) == bindparam(f"key_{column.name}") for column in key])
    new = {column.name: bindparam(f"new_{column.name}", type_=column.type) for column in hidden}
    change = update(table).where(this).values(new)
    for start in range(0, len(rows), _MANY):
        connection.execute(change, rows[start : start + _MANY])
