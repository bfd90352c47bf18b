"""Bringing a database to the tables that this program knows."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection

from alerting.database.schema import METADATA
from stream.errors import StorageError


def migrate(connection: Connection) -> None:
    """Apply the steps that are missing, within the connection's transaction.

    Raises StorageError where the database was written by a newer program.
    """
    config = Config()
    config.set_main_option("script_location", "alerting:migrations")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"the database cannot be brought to this program's tables ({error})",
            where=connection.engine.url.render_as_string(hide_password=True),
            hint="a newer Tocsin wrote it: run that one, or restore a backup from before",
        ) from error


def differences(connection: Connection) -> list[object]:
    """What the database's tables lack or have too much against those that this program knows."""
    return list(compare_metadata(MigrationContext.configure(connection), METADATA))
