import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from alerting.database.migrate import differences
from alerting.database.schema import TIMELINE
from alerting.database.store import MEMORY, Store
from alerting.telling.allowance import Bundle
from alerting.unit import Unit
from stream.errors import ConfigError, FullError, LockedError, StorageError
from stream.frame import Origin
from stream.log import FINDINGS
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON, a_finding


def test_migrations_lead_to_the_tables_that_the_program_knows(store: Store) -> None:
    with store.reading() as connection:
        assert differences(connection) == []


def test_opening_a_second_time_changes_nothing(store: Store, database_url: str) -> None:
    with store.unit() as unit:
        unit.put(a_record())
    again = Store(database_url)
    with again.unit() as unit:
        assert unit.record(a_record().id) == a_record()
    again.close()


def test_a_database_of_a_newer_program_is_refused(store: Store, database_url: str) -> None:
    with store.unit() as unit:
        unit.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="a newer Tocsin wrote it"):
        Store(database_url)


@pytest.mark.parametrize("change", ["UPDATE timeline SET note = 'x'", "DELETE FROM timeline"])
def test_the_timeline_cannot_be_edited(store: Store, change: str) -> None:
    with store.unit() as unit:
        unit.add_timeline(a_record(), NOON, "opened", "new", "tocsin", "brute")
    with pytest.raises(StorageError, match="append-only"), store.unit() as unit:
        unit.connection.execute(text(change))
    with store.reading() as connection:
        assert connection.execute(select(TIMELINE.c.note)).scalars().all() == ["brute"]


def test_a_unit_takes_effect_whole_or_not_at_all(store: Store) -> None:
    def fail(unit: Unit) -> None:
        unit.put(a_record())
        unit.add_finding(a_finding(), a_record().id, NOON, own=True)
        unit.places.set_position(FINDINGS, 7, NOON)
        unit.places.set_mark(Origin("detect", 0, 7, 0))
        unit.allowance.hold(Bundle("on-call", "", "b", NOON, NOON + 60), "i", NOON)
        unit.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), store.unit() as unit:
        fail(unit)
    with store.unit() as unit:
        assert unit.record(a_record().id) is None
        assert unit.known([a_finding().id]) == set()
        assert unit.places.position(FINDINGS) == (0, 0.0)
        assert unit.places.mark("detect", 0) is None
        assert unit.allowance.bundles() == {}


def test_inside_a_unit_what_was_put_is_seen(store: Store) -> None:
    leak = a_record(a_finding("cross_tenant_leak", "critical", entity={"server": "billing"}))
    with store.unit() as unit:
        assert unit.causes() == []
        unit.put(leak)
        assert unit.causes() == [leak]
    with store.unit() as unit:
        assert unit.causes() == [leak]
        unit.add_finding(a_finding(), leak.id, NOON, own=False)
        assert unit.known([a_finding().id, "another"]) == {a_finding().id}


def test_writers_and_readers_in_threads_wait_for_each_other(store: Store) -> None:
    def work(name: str) -> None:
        for number in range(20):
            with store.unit() as unit:
                unit.add_timeline(a_record(), NOON, "joined", "joined", name, str(number))
            with store.reading() as connection:
                connection.execute(select(TIMELINE.c.id).limit(1)).all()

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with store.reading() as connection:
        assert len(connection.execute(select(TIMELINE.c.id)).all()) == 80


def test_a_store_in_memory_ends_with_the_process() -> None:
    with closing(Store(MEMORY)) as store, store.unit() as unit:
        unit.put(a_record())
        unit.flush()
        assert unit.connection.execute(text("SELECT count(*) FROM incidents")).scalar_one() == 1
    with closing(Store(MEMORY)) as another, another.unit() as unit:
        assert unit.record(a_record().id) is None


def test_a_url_that_is_none_says_so() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Store("not a url")


def test_a_file_that_is_no_database_says_where(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite"
    path.write_text("this is not a database, and it is long enough to be looked at by whoever opens it")
    with pytest.raises(StorageError, match=r"alerts\.sqlite: the alerts' database does not work"):
        Store(f"sqlite:///{path}")


def test_a_password_never_reaches_an_error() -> None:
    with pytest.raises(StorageError) as caught:
        Store("postgresql://tocsin:hunter2@127.0.0.1:1/nothing?connect_timeout=1")
    assert "hunter2" not in str(caught.value)


def test_errors_of_sqlite_are_told_apart() -> None:
    with closing(Store(MEMORY)) as store:
        for words, kind in (("database or disk is full", FullError), ("database is locked", LockedError)):
            with pytest.raises(kind), store.unit():
                raise DBAPIError("x", None, sqlite3.OperationalError(words))
