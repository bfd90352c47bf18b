"""An encrypted database: nothing in it in plain, every query as before, and never opened under the wrong keys."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, String, Text, func, select
from sqlalchemy.types import TypeDecorator

from alerting.database.encrypting import LASTING
from alerting.database.schema import EVIDENCE, FINDINGS, INCIDENTS, MENTIONS, METADATA, OUTBOX, RISKS, TIMELINE
from alerting.database.sealed import as_stored
from alerting.database.store import Store
from alerting.queries import Filter, list_incidents
from alerting.unit import Unit
from stream.encryption.carried import CarriedKeys
from stream.encryption.columns import Columns
from stream.encryption.crypt import Crypt
from stream.encryption.keys import Master
from stream.errors import ConfigError
from tests.alerting.deciding.test_decide import a_record
from tests.alerting.world import NOON, a_finding

NAME = "unmistakable-acme"
USER = "https://idp.example|alice"
CLEAR = {
    "about_key", "action", "alert", "automatic", "bundle", "cause", "change", "classes", "denial", "detail", "digest",
    "family", "finding", "group", "id", "identity", "incident", "key", "kind", "one", "other", "page_id", "reason",
    "receiver", "severity", "sink", "state", "status", "step", "stream", "task", "told_by", "name",
}  # fmt: skip
"""Columns of text that tell nobody's name: ids, digests, kinds, states, and what the configuration calls sinks."""


def columns(master: str = "11", secret: bytes = b"s") -> Columns:
    return Columns(Crypt(CarriedKeys(Master(master * 32)), NOON), secret)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.sqlite"


@pytest.fixture
def opened(database_url: str) -> Iterator[Callable[..., Store]]:
    """Opens the database, with keys or without."""
    stores: list[Store] = []

    def open_(*keys: Columns, as_stored: bool = False) -> Store:
        stores.append(Store(database_url, *keys, as_stored=as_stored))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


def fill(unit: Unit) -> None:
    record = a_record(tenant=NAME)
    unit.put(record)
    finding = a_finding(tenant="other", entity={"user": NAME, "resource_tenants": NAME})
    unit.add_finding(finding, record.id, NOON, own=True)
    unit.add_timeline(record, NOON, "opened", "new", NAME, f"about {NAME}")
    unit.flush()
    unit.links.find([record], NOON)
    unit.risks.keep(unit.risks.with_(finding, NOON))
    unit.risks.flush(NOON)


def everything(path: Path) -> bytes:
    return b"".join(found.read_bytes() for found in path.parent.glob("alerts.sqlite*"))


def test_nothing_lies_there_in_plain_and_every_query_finds_it(path: Path) -> None:
    with closing(Store(f"sqlite:///{path}", columns())) as store:
        with store.unit() as unit:
            fill(unit)
            unit.connection.execute(
                EVIDENCE.insert().values(incident="i", opening=1, wanted=NOON, digest="", why=NAME, body=NAME.encode())
            )
        assert NAME.encode() not in everything(path)
    with closing(Store(f"sqlite:///{path}", columns())) as store, store.reading() as connection:
        assert list_incidents(store, Filter(tenants=frozenset({NAME}))) == [a_record(tenant=NAME).incident()]
        assert list_incidents(store, Filter(tenants=frozenset({"another"}))) == []
        assert connection.execute(select(FINDINGS.c.finding).where(FINDINGS.c.owner == NAME)).all() != []
        assert connection.execute(select(TIMELINE.c.by, TIMELINE.c.note)).one() == (NAME, f"about {NAME}")
        assert connection.execute(select(EVIDENCE.c.body)).scalar_one() == NAME.encode()
        assert connection.execute(select(func.count()).where(RISKS.c.value == NAME)).scalar_one() > 0
        assert NAME not in repr(connection.execute(select(*map(as_stored, INCIDENTS.c))).all())


def test_what_was_plain_is_encrypted_when_it_is_opened_with_keys(path: Path) -> None:
    with closing(Store(f"sqlite:///{path}")) as store, store.unit() as unit:
        fill(unit)
    assert NAME.encode() in everything(path)
    with closing(Store(f"sqlite:///{path}", columns())) as store:
        with store.reading() as connection:
            left = {
                table.name
                for table in METADATA.sorted_tables
                if NAME in repr(connection.execute(select(*map(as_stored, table.c))).all())
            }
            assert connection.execute(select(MENTIONS.c.value).where(MENTIONS.c.value == USER)).first() is not None
        assert left == {"timeline"}, "its rows are sealed as they lie there"
        assert len(list_incidents(store, Filter(tenants=frozenset({NAME})))) == 1


def test_a_plain_name_is_not_left_in_the_free_pages(path: Path) -> None:
    with closing(Store(f"sqlite:///{path}")) as store, store.unit() as unit:
        unit.put(a_record(tenant=NAME))
    with closing(Store(f"sqlite:///{path}", columns())):
        assert NAME.encode() not in everything(path)


def test_it_is_not_opened_without_keys_or_with_others(opened: Callable[..., Store]) -> None:
    with opened(columns()).unit() as unit:
        fill(unit)
    with pytest.raises(ConfigError, match="is encrypted") as caught:
        opened()
    assert "encrypt:" in caught.value.hint
    with pytest.raises(ConfigError, match="other keys"):
        opened(columns(secret=b"another"))
    with opened(as_stored=True).reading() as connection:
        assert NAME not in repr(connection.execute(select(TIMELINE.c.note)).all()), "as whoever verifies sees it"
    with opened(columns()).unit() as unit:
        assert unit.record(a_record().id) == a_record(tenant=NAME)


def test_every_column_of_text_is_encrypted_or_known_to_name_nobody() -> None:
    plain = {
        f"{table.name}.{column.name}"
        for table in METADATA.sorted_tables
        for column in table.c
        if isinstance(column.type, (String, Text, LargeBinary)) and not isinstance(column.type, TypeDecorator)
    }
    assert {name.partition(".")[2] for name in plain} <= CLEAR
    assert not {name for name in plain if name.endswith((".body", ".note", ".tenant", ".value", ".why", ".by"))}


def test_rows_that_the_ledger_seals_are_never_rewritten(path: Path) -> None:
    with closing(Store(f"sqlite:///{path}")) as store, store.unit() as unit:
        fill(unit)

    def lasting() -> list[object]:
        with closing(sqlite3.connect(path)) as raw:
            return [raw.execute(f"SELECT * FROM {name}").fetchall() for name in sorted(LASTING - {"encryption"})]

    before = lasting()
    Store(f"sqlite:///{path}", columns()).close()
    assert lasting() == before
    assert OUTBOX.name in LASTING
