"""Data keys go with the last frame that they encrypt: what was removed can be read from no copy of it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from alerting.database.schema import EVIDENCE
from alerting.database.store import Store
from stream.embedded.removal import key_ids
from stream.encryption.crypt import Crypt
from stream.encryption.keys import DAY, FILE, TENANT_PERIOD, KeyRing, Master
from stream.errors import StorageError
from stream.frame import unpack
from stream.index.file import FILE as INDEX
from stream.index.file import Entry, FrameIndex
from stream.ledger.file import FILE as LEDGER
from stream.ledger.file import Ledger
from stream.log import EVENTS, FINDINGS, Snapshot
from stream.sqlite import open_log
from tests.alerting.world import NOON
from tests.tocsin.removal.test_retaining import World
from tocsin.config.retention import Retention
from tocsin.coverage.store import FILE as COVERAGE
from tocsin.coverage.store import CoverageStore, Kept
from tocsin.removal.keys_used import keys_used
from tocsin.removal.retaining import Retaining
from tocsin.secrecy.encryption import columns_of

MASTER = Master("11" * 32)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An encrypted store of a hundred days."""
    crypt = Crypt(KeyRing(tmp_path, MASTER), NOON - 200 * DAY)
    made = World(tmp_path, Retention(events=30, findings=60), crypt)
    made.fill()
    yield made
    made.log.close()
    made.store.close()
    made.ledger.close()
    made.index.close()


def used(world: World) -> set[str]:
    return {id_ for stream in (EVENTS, FINDINGS) for path in world.log.files(stream) for id_ in key_ids(path)}


def kept(folder: Path) -> str:
    return (folder / FILE).read_text()


def test_the_keys_of_removed_frames_are_destroyed_and_all_others_stay(world: World) -> None:
    before = used(world)
    copies = {record.frame.header.key_id: record.frame for record in world.log.within(EVENTS, 0, 1e12)}
    world.run()
    after = used(world)
    assert after < before
    for id_ in before - after:
        assert id_ not in kept(world.folder)
    for id_ in after:
        assert id_ in kept(world.folder)
    ring = KeyRing(world.folder, MASTER)
    crypt = Crypt(ring, NOON)
    for name, copy in copies.items():
        copy.keys, copy.decoded = crypt, None
        if name in after:
            assert unpack(copy)
        else:
            with pytest.raises(StorageError, match="no data key"):
                unpack(copy)
    assert [record for record in world.log.within(EVENTS, 0, 1e12) if unpack(record.frame)]


def test_where_nothing_goes_no_key_goes(world: World) -> None:
    text = kept(world.folder)
    assert world.run(dry=True)
    assert world.retaining.forget_keys(NOON) == 0, "every key of the past is in use"
    assert kept(world.folder) == text


def test_a_key_that_may_still_be_used_is_not_of_the_past(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path, MASTER)
    shared, own = ring.current("events", NOON), ring.current("events", NOON, "acme")
    other = ring.current("state", NOON)
    assert ring.past({"events"}, NOON + 2 * DAY) == set()
    assert ring.past({"events"}, NOON + 2 * DAY + 1) == {shared}
    assert ring.past({"events"}, NOON + TENANT_PERIOD + DAY + 1) == {shared, own}
    assert ring.destroy({shared, own}) == 2
    assert KeyRing(tmp_path, MASTER).key(other) == ring.key(other)
    assert ring.current("events", NOON) not in {shared, own}
    assert ring.destroy({shared}) == 0


def test_names_of_keys_are_found_where_payloads_are_alone(world: World) -> None:
    (path, *_) = world.log.files(EVENTS)
    whole = key_ids(path)
    assert whole
    import sqlite3

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE frames SET payload = NULL")
    assert key_ids(path) == set()


def test_keys_of_state_index_coverage_and_alerts_go_once_nothing_lies_under_them(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path, MASTER)

    def write(now: float, *, first: bool) -> None:
        """State, coverage, index and alerts of one day; later days leave one bucket and one archive of the first."""
        crypt = Crypt(ring, now)
        with open_log(tmp_path, reserve_bytes=0, crypt=crypt) as log:
            log.save(Snapshot("detect/0", 1, 0, b"m", {"old": b"o", "new": b"n"} if first else {"new": b"n"}))
        coverage = CoverageStore(tmp_path / COVERAGE, crypt)
        coverage.put((), (), Kept(0, b"open"))
        coverage.close()
        with closing(FrameIndex(tmp_path / INDEX, crypt)) as index:
            index.put([Entry(0 if first else 1, 0.0, 1.0, {"principal": {"alice"}})], 1, 0.0)
        with closing(Store(database, columns_of(crypt))) as store, store.unit() as unit:
            archive = {"incident": f"{now}", "opening": 1, "wanted": now, "digest": "d", "why": "", "body": b"archive"}
            unit.connection.execute(EVIDENCE.insert().values(**archive))

    database = f"sqlite:///{tmp_path / 'alerts.sqlite'}"
    write(NOON, first=True)
    write(NOON + 9 * DAY, first=False)
    purposes = ("state", "index", "coverage", "alerts")
    early = {purpose: ring.past({purpose}, NOON + 3 * DAY) for purpose in purposes}
    late = {purpose: ring.past({purpose}, NOON + 20 * DAY) - early[purpose] for purpose in purposes}
    assert all(len(ids) == 1 for ids in (*early.values(), *late.values()))
    crypt = Crypt(ring, NOON + 20 * DAY)
    with (
        open_log(tmp_path, reserve_bytes=0, crypt=crypt) as log,
        closing(Ledger(tmp_path / LEDGER, "example.org/log")) as ledger,
        closing(Store(database, columns_of(crypt))) as store,
    ):
        retaining = Retaining(
            log,
            store,
            ledger,
            lambda *_, **__: 0,
            Retention(),
            tmp_path,
            folded=lambda: 0,
            decided=lambda: 0,
            tenant_of=lambda _: None,
            crypt=crypt,
            used=keys_used(tmp_path, store),
        )
        retaining.tidy(NOON + 20 * DAY)
        # Coverage is written anew as a whole; of all else something still lies under the first day's keys.
        assert not any(id_ in kept(tmp_path) for id_ in early["coverage"])
        assert all(id_ in kept(tmp_path) for purpose in ("state", "index", "alerts") for id_ in early[purpose])
        log.save(Snapshot("detect/0", 1, 0, b"m", {"old": None}))
        with store.unit() as unit:
            unit.connection.execute(EVIDENCE.delete().where(EVIDENCE.c.wanted == NOON))
        retaining.tidy(NOON + 20 * DAY)
        assert not any(id_ in kept(tmp_path) for purpose in ("state", "alerts") for id_ in early[purpose])
        assert all(id_ in kept(tmp_path) for id_ in (*early["index"], *late["coverage"], *late["alerts"]))
        loaded = log.load("detect/0")
        assert loaded is not None
        assert loaded.buckets == {"new": b"n"}
        with store.reading() as connection:
            assert [bytes(body) for (body,) in connection.execute(select(EVIDENCE.c.body))] == [b"archive"]
