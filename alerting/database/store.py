"""The store: one transaction at a time on SQLite or PostgreSQL, in which everything about a frame takes effect."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import StaticPool

from alerting.database.encrypting import enrol
from alerting.database.keys_used import key_ids
from alerting.database.migrate import migrate
from alerting.database.sealed import Columns, attach
from alerting.unit import Unit
from stream.embedded.file import private
from stream.errors import ConfigError, FullError, LockedError, StorageError, TocsinError

MEMORY: Final = "sqlite://"
"""A store that ends with the process, for a backtest."""
_READING: Final = "tocsin_reading"


class Store:
    """Incidents and the outbox in a database; `url` is SQLAlchemy's.

    Brings the database to this program's tables when opened. With `columns` what names people and things lies there
    encrypted; a database that was plain is encrypted when opened. `as_stored` shows values as they lie there, without
    the keys. All methods are safe to call from any thread. Raises ConfigError, StorageError, FullError or LockedError
    saying where and what to do.
    """

    def __init__(self, url: str, columns: Columns | None = None, *, as_stored: bool = False) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise ConfigError("the database's URL cannot be read", hint="postgresql://user@host/name") from error
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.where = parsed.render_as_string(hide_password=True)
        self._sqlite = parsed.get_backend_name() == "sqlite"
        memory = self._sqlite and not parsed.database
        if self._sqlite and parsed.database:
            private(Path(parsed.database))
        options: dict[str, Any] = {"poolclass": StaticPool} if memory else {"pool_pre_ping": not self._sqlite}
        if self._sqlite:
            options["connect_args"] = {"check_same_thread": False, "timeout": 30}
        self._engine: Engine = create_engine(parsed, **options)
        if self._sqlite:
            event.listen(self._engine, "connect", _set_up_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        if columns is not None:
            attach(self._engine, columns)
        # SQLite has one writer at a time: waiting here is fair and prompt, waiting inside it is a poll.
        self._writing = threading.RLock() if self._sqlite else nullcontext()
        self._reading = self._writing if memory else nullcontext()
        try:
            with self._guarded(), self._writing, self._engine.begin() as connection:
                if not self._sqlite:
                    # Two nodes that start together must not both migrate.
                    connection.execute(text("SELECT pg_advisory_xact_lock(7011223344)"))
                migrate(connection)
                plain = not as_stored and enrol(connection, encrypted=columns is not None, where=self.where)
            if plain and self._sqlite and not memory:
                self._wipe()
        except TocsinError:
            self.close()
            raise

    @contextmanager
    def unit(self) -> Iterator[Unit]:
        """One transaction: what is put into the unit takes effect together at the end, or not at all."""
        with self._guarded(), self._writing, self._engine.begin() as connection:
            unit = Unit(connection)
            yield unit
            unit.flush()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the database and changes nothing."""
        with self._guarded(), self._reading, self._engine.connect() as connection:
            yield connection.execution_options(**{_READING: True})

    def compact(self) -> None:
        """Give the disk back what was deleted, and leave nothing of it in free pages; PostgreSQL does so by itself."""
        if self._sqlite:
            self._wipe()

    def key_ids(self) -> set[str]:
        """The ids of the data keys that something is encrypted with. Raises StorageError."""
        with self.reading() as connection:
            return key_ids(connection)

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()

    def _wipe(self) -> None:
        """Write the file anew: what was encrypted just now still lies in its free pages as it was."""
        with self._guarded(), self._writing, self._engine.connect() as connection:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.execute("VACUUM").close()
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explained(error) from error

    def _explained(self, error: DBAPIError) -> StorageError:
        why = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        if "disk is full" in why or "No space left" in why:
            return FullError(f"the alerts' database cannot grow ({why})", where=self.where, hint="free some disk space")
        if "locked" in why:
            return LockedError(
                f"another process holds the alerts' database ({why})", where=self.where, hint="stop the other Tocsin"
            )
        return StorageError(
            f"the alerts' database does not work ({why})",
            where=self.where,
            hint="check that the server runs and the account may use it"
            if not self._sqlite
            else "check the file's rights, and `PRAGMA integrity_check`; restore a backup where it is damaged",
        )


def _set_up_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` says which kind of transaction
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(_READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
