"""The one thing that SQLite and PostgreSQL say alike and SQLAlchemy does not: INSERT … ON CONFLICT."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_on(connection: Connection, table: Table) -> Any:
    """An INSERT of the connection's dialect, which knows `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
