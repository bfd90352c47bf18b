"""Data keys go with the last frame that they encrypt: what was removed can be read from no copy of it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stream.crypt import Crypt
from stream.crypt_keys import DAY, FILE, TENANT_PERIOD, KeyRing, Master
from stream.errors import StorageError
from stream.frame import unpack
from stream.log import EVENTS, FINDINGS
from stream.sqlite_removal import key_ids
from tests.alerting.world import NOON
from tests.tocsin.removal.test_retaining import World
from tocsin.config.retention import Retention

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
