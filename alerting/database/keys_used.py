"""Which data keys something in the alerts' database is encrypted with."""

from sqlalchemy import Connection, func, select

from alerting.database.schema import METADATA
from alerting.database.sealed import Sealed, SealedBytes, as_stored
from stream.encryption.columns import key_of_text
from stream.encryption.crypt import key_of

_BEGIN = 128
"""Characters or bytes in which the name of a data key surely stands."""


def key_ids(connection: Connection) -> set[str]:
    """Their ids, of all tables and columns."""
    found: set[str | None] = set()
    for table in METADATA.sorted_tables:
        for column in table.columns:
            begins = select(func.substr(as_stored(column), 1, _BEGIN)).distinct()
            if isinstance(column.type, Sealed):
                found |= {key_of_text(stored) for (stored,) in connection.execute(begins) if stored}
            elif isinstance(column.type, SealedBytes):
                found |= {key_of(bytes(stored)) for (stored,) in connection.execute(begins) if stored}
    return {id_ for id_ in found if id_ is not None}
