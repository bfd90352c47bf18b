"""When evidence is sealed: as an incident opens, and anew once it wakes somebody."""

import zipfile
from pathlib import Path

import pytest
from sqlalchemy import select

from alerting.database.schema import EVIDENCE, TIMELINE
from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.response.archive import check
from alerting.response.evidence import Known, Sealer, sealed
from alerting.routing.route import Receiver, Routes
from alerting.runbook import Runbooks
from alerting.task import AlertTask
from stream.directory import EMPTY
from stream.errors import DamagedError
from stream.finding import Finding
from stream.sqlite import SqliteLog
from tests.alerting.world import NOON, a_finding, findings_frame, put

ROUTES = Routes((Receiver("on-call", sinks=("siem",), pagers=("pager",)),))


class World:
    """Alerting over a log, and whoever seals."""

    def __init__(self, log: SqliteLog, store: Store) -> None:
        self.log, self.store = log, store
        self.task = AlertTask(log, store, Policies(), routes=ROUTES)
        self.sealer = Sealer(store, log, Runbooks(), lambda: Known(EMPTY, "d"))
        self.frames = 0

    def hear(self, finding: Finding, at: float) -> None:
        put(self.log, findings_frame([finding], at, self.frames))
        self.frames += 1
        while self.task.advance(wait=0):
            pass

    def incident(self) -> str:
        with self.store.reading() as connection:
            return str(connection.execute(select(EVIDENCE.c.incident)).scalar_one())

    def sealings(self) -> int:
        lines = select(TIMELINE.c.note).where(TIMELINE.c.change == "evidence", TIMELINE.c.note.like("%manifest%"))
        with self.store.reading() as connection:
            return len(connection.execute(lines).all())


@pytest.fixture
def world(log: SqliteLog, store: Store) -> World:
    return World(log, store)


def findings_in(archive: bytes, path: Path) -> int:
    path.write_bytes(archive)
    check(path)
    with zipfile.ZipFile(path) as opened:
        return len(opened.read("findings.ndjson").splitlines())


def test_what_got_worse_until_it_woke_somebody_is_sealed_anew_with_all_of_it(world: World, tmp_path: Path) -> None:
    world.hear(a_finding("spray", "medium"), at=NOON)
    assert world.sealer.turn(NOON + 1) == 1
    first, before, _ = sealed(world.store, world.incident())
    world.hear(a_finding("success_after", "critical"), at=NOON + 60)
    kept, still, _ = sealed(world.store, world.incident())
    assert (kept, still) == (first, before), "until it is sealed anew, what was sealed is there"
    assert world.sealer.turn(NOON + 61) == 1
    second, after, _ = sealed(world.store, world.incident())
    assert after != before
    assert [findings_in(body, tmp_path / "e.zip") for body in (first, second)] == [1, 2]
    assert world.sealings() == 2
    world.hear(a_finding("spray", "medium", level=1), at=NOON + 90)
    assert world.sealer.turn(NOON + 91) == 0, "what wakes nobody changes nothing"


def test_where_it_cannot_be_sealed_anew_what_was_sealed_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.hear(a_finding("spray", "medium"), at=NOON)
    world.sealer.turn(NOON + 1)
    first = sealed(world.store, world.incident())
    world.hear(a_finding("success_after", "critical"), at=NOON + 60)

    def damaged(*_: object, **__: object) -> None:
        raise DamagedError("a frame cannot be read", where="the log", hint="restore it")

    monkeypatch.setattr("alerting.response.evidence.look", damaged)
    world.sealer.turn(NOON + 10_000)
    assert sealed(world.store, world.incident()) == first
