"""Retention takes what is due and nothing else, never without a note, and never what is held."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from alerting.database.schema import DECISIONS, EVIDENCE, INCIDENTS, OUTBOX, TIMELINE
from alerting.database.store import Store
from alerting.deciding.policy import Policies
from alerting.task import AlertTask
from stream.control import IncidentChange, control_frame
from stream.decode import decode
from stream.encryption.crypt import Crypt
from stream.encryption.keys import KeyRing, Master, new_master
from stream.errors import DamagedError, RejectedError
from stream.finding import ENCODER
from stream.frame import Frame, Header, pack
from stream.index.file import FILE as INDEX
from stream.index.file import FrameIndex
from stream.ledger.file import FILE, Ledger
from stream.ledger.note import Signer
from stream.ledger.removals import DONE, KIND
from stream.ledger.sealer import FrameSource, RowSource, Sealer
from stream.ledger.store import Store as Verified
from stream.ledger.store import verify_store
from stream.log import EVENTS, FINDINGS
from stream.salt import fresh_salt
from stream.sqlite import SqliteLog, open_log
from tests.alerting.world import a_finding
from tocsin.config.retention import Days, Retention
from tocsin.proof.ledger_rows import KEPT, reader
from tocsin.proof.proving import alerts, tables
from tocsin.removal.holds import FILE as HOLDS
from tocsin.removal.holds import Holds
from tocsin.removal.keeping import Step
from tocsin.removal.retaining import Retaining
from tocsin.removal.retention import DAY, cutoff, due, removes_anything

NOON = 20_000 * DAY + DAY / 2
KEY = Signer("example.org/log", bytes(range(32)))
AGES = (100, 40, 20, 0)
"""Days before `NOON` of which there are events and findings."""
ALL = Retention(events=30, findings=30, incidents=30, decisions=30, evidence=30)


def events_frame(at: float) -> Frame:
    lines = [
        b'{"time":%d,"server":"crm","method":"tools/call","user":"%s","tenant":"%s","id":"%s-%d"}'
        % (at, user, tenant, user, at)
        for user, tenant in ((b"alice", b"acme"), (b"bob", b"globex"), (b"carol", b"acme"), (b"dan", b"initech"))
    ]
    header = Header(received=at, count=4, first=at, last=at, source="k", digest=f"{int(at):x}", line=1)
    return pack(header, b"\n".join(lines))


class World:
    """A store of a hundred days, and retention over it."""

    def __init__(self, folder: Path, policy: Retention, crypt: Crypt | None = None) -> None:
        self.folder = folder
        self.log: SqliteLog = open_log(folder, reserve_bytes=0, salt=fresh_salt, crypt=crypt)
        self.store = Store(f"sqlite:///{folder / 'alerts.sqlite'}")
        self.ledger = Ledger(folder / FILE, KEY.verifier.name)
        self.index = FrameIndex(folder / INDEX)
        self.task = AlertTask(self.log, self.store, Policies())
        rows = [RowSource(name, reader(self.store, name)) for name in KEPT]
        frames = [FrameSource(self.log, EVENTS), FrameSource(self.log, FINDINGS)]
        self.sealer = Sealer(self.ledger, self.log, [*frames, *rows], lambda: [KEY], lambda: NOON)
        self.folded = 10**9
        self.retaining = Retaining(
            self.log,
            self.store,
            self.ledger,
            self.sealer.note,
            policy,
            folder,
            folded=lambda: self.folded,
            decided=lambda: self.task.position,
            tenant_of=lambda event: event.tenant,
            index=self.index,
            crypt=crypt,
        )

    def fill(self) -> None:
        """An incident of each of two tenants on each of the days, closed but for the last day's."""
        for age in AGES:
            at = NOON - age * DAY
            self.log.append(EVENTS, events_frame(at)).result(60)
            found = [
                a_finding("cross_tenant_read", "critical", at=at, tenant=tenant, entity={"user": user})
                for user, tenant in (("alice", "acme"), ("bob", "globex"))
            ]
            header = Header(received=at, content="findings", count=2, first=at, last=at)
            frame = pack(header, ENCODER.encode_lines(found).rstrip(b"\n"))
            self.log.append(FINDINGS, frame).result(60)
            self._advance()
            if age:
                for id_ in self.incidents("open"):
                    act = IncidentChange(incident=id_, act="close", by="ann", at=at, verdict="true", cause="a drill")
                    self.log.append(FINDINGS, control_frame(act, at)).result(60)
                self._advance()
        with self.store.unit() as unit:
            for id_, opened in unit.connection.execute(select(INCIDENTS.c.id, INCIDENTS.c.updated)).all():
                row = {"incident": id_, "opening": 1, "wanted": opened, "sealed": opened, "digest": "d", "why": ""}
                unit.connection.execute(EVIDENCE.delete().where(EVIDENCE.c.incident == id_))
                unit.connection.execute(EVIDENCE.insert().values(**row, body=b"archive"))
        self.sealer.finish()

    def _advance(self) -> None:
        while self.task.advance(wait=0.0):
            pass

    def run(self, **said: Any) -> list[Step]:
        return list(self.retaining.run(NOON, "ann", **said))

    def users(self) -> list[str]:
        return [event.user or "" for record in self.log.within(EVENTS, 0, 1e12) for event in decode(record.frame)]

    def incidents(self, state: str | None = None) -> list[str]:
        wanted = select(INCIDENTS.c.id).order_by(INCIDENTS.c.updated, INCIDENTS.c.tenant)
        wanted = wanted if state is None else wanted.where(INCIDENTS.c.status == state)
        with self.store.reading() as connection:
            return list(
                connection.execute(wanted if state is None else wanted.where(INCIDENTS.c.status == state)).scalars()
            )

    def count(self, table: Any) -> int:
        with self.store.reading() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)

    def verify(self) -> Verified:
        with alerts(self.folder) as connection:
            return verify_store(self.folder, [KEY.verifier], rows=tables(self.folder, connection))

    def close(self) -> None:
        self.log.close()
        self.store.close()
        self.ledger.close()
        self.index.close()


@contextmanager
def world(folder: Path, policy: Retention = ALL, *, fill: bool = True) -> Iterator[World]:
    with closing(World(folder, policy)) as made:
        if fill:
            made.fill()
        yield made


def kinds(steps: Sequence[Step]) -> dict[str, int]:
    found: dict[str, int] = {}
    for step in steps:
        found[step["kind"]] = found.get(step["kind"], 0) + step["removed"]
    return found


def test_what_is_due_of_every_class_goes_and_everything_is_still_proved(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        before = {table: made.count(table) for table in (TIMELINE, DECISIONS, OUTBOX)}
        days = sorted(path.name for path in (tmp_path / "log").glob("*.sqlite"))
        told = made.run(dry=True)
        assert kinds(told) == {"events": 8, "findings": 8, "incidents": 4, "decisions": 4, "evidence": 4}
        assert len(made.incidents()) == 8, "a dry run changes nothing"
        assert made.ledger.said(KIND) == []
        done = made.run()
        assert {kind: kinds(done)[kind] for kind in ("events", "findings", "incidents")} == {
            "events": 8, "findings": 8, "incidents": 4,
        }  # fmt: skip
        assert sorted(path.name for path in (tmp_path / "log").glob("*.sqlite")) == days[2:]
        assert len(made.users()) == 8
        assert len(made.incidents()) == 4
        assert made.count(TIMELINE) < before[TIMELINE]
        assert made.count(DECISIONS) == before[DECISIONS] / 2
        store = made.verify()
        assert store.faults == []
        assert {account.stream: account.gone > 0 for account in store.accounts} == {
            "events": True, "findings": True, "notes": False, "timeline": True, "decisions": True,
            "alerts": before[OUTBOX] > 0,
        }  # fmt: skip
        (job,) = made.retaining.done()
        assert (job["by"], job["removed"]["events"]) == ("ann", 8)
        assert made.run() == []
        assert len(made.retaining.done()) == 1, "where nothing is due nothing is noted"


def test_without_a_policy_nothing_goes(tmp_path: Path) -> None:
    with world(tmp_path, Retention()) as made:
        assert made.run() == []
        assert made.ledger.said(KIND) == []
    assert not removes_anything(Retention())
    assert removes_anything(Retention(tenants={"acme": Days(evidence=3)}))


def test_a_tenant_with_fewer_days_loses_its_lines_and_nobody_else_any(tmp_path: Path) -> None:
    policy = Retention(
        events=90, findings=90, incidents=90, tenants={"acme": Days(events=10, findings=10, incidents=10)}
    )
    with world(tmp_path, policy) as made:
        done = made.run()
        assert kinds(done) == {"events": 8, "findings": 6, "incidents": 4}, "with the acts of a hundred days ago"
        # A hundred days ago: all; 40 and 20 days ago: acme's two of four; today: nothing.
        assert made.users() == ["bob", "dan", "bob", "dan", "alice", "bob", "carol", "dan"]
        with made.store.reading() as connection:
            left = connection.execute(select(INCIDENTS.c.tenant).order_by(INCIDENTS.c.updated)).scalars().all()
        assert sorted(left) == ["acme", "globex", "globex", "globex"]
        assert made.verify().faults == []
        assert made.run() == [], "what was gone through is not gone through again"


def test_a_tenant_with_more_days_keeps_its_lines(tmp_path: Path) -> None:
    with world(tmp_path, Retention(events=10, tenants={"globex": Days(events=365)})) as made:
        assert kinds(made.run()) == {"events": 9}
        assert made.users() == ["bob", "bob", "bob", "alice", "bob", "carol", "dan"]
        (step,) = {step["why"] for step in made.retaining.done()}
        assert step == "retention"
        assert {msgspec.json.decode(body)["why"] for _, body in made.ledger.said(KIND)} == {
            "retention of all but globex"
        }
        assert made.verify().faults == []


@pytest.mark.parametrize(
    ("hold", "left"),
    [
        ({"tenant": "acme"}, ["alice", "carol"] * 2),
        ({"principal": "bob"}, ["bob"] * 2),
        ({"tenant": "acme", "principal": "bob"}, []),
        ({"since": NOON - 50 * DAY, "until": NOON - 30 * DAY}, ["alice", "bob", "carol", "dan"]),
        ({"tenant": "globex", "since": NOON - 50 * DAY}, ["bob"]),
    ],
)
def test_what_is_held_stays(tmp_path: Path, hold: dict[str, Any], left: list[str]) -> None:
    with world(tmp_path) as made:
        made.retaining.holds.add(by="ann", why="CASE-1", at=NOON, **hold)
        done = made.run()
        assert made.users()[: len(left)] == left
        assert len(made.users()) == len(left) + 8
        assert sum(step["held"] for step in done if step["kind"] == "events") == len(left)
        assert made.verify().faults == []
        for one in made.retaining.holds.standing(NOON):
            made.retaining.holds.lift(one.id, "ann", "CASE-1 closed")
        made.run()
        assert len(made.users()) == 8
        assert made.verify().faults == []


def test_a_held_incident_stays_with_its_evidence_and_decisions(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        first = made.incidents()[0]
        made.retaining.holds.add(by="ann", why="CASE-1", at=NOON, incident=first)
        made.run()
        assert first in made.incidents()
        assert len(made.incidents()) == 5
        with made.store.reading() as connection:
            body = connection.execute(select(EVIDENCE.c.body).where(EVIDENCE.c.incident == first)).scalar()
            kept = connection.execute(select(DECISIONS.c.id).where(DECISIONS.c.incident == first)).all()
        assert body == b"archive"
        assert kept
        assert made.verify().faults == []


def test_a_hold_that_ends_by_itself_holds_no_more(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.retaining.holds.add(by="ann", why="CASE-1", at=NOON - DAY, tenant="acme", expires=NOON)
        made.run()
        assert len(made.users()) == 8


@pytest.mark.parametrize("how", ["removed", "changed"])
def test_a_hold_that_was_tampered_with_stops_every_removal_until_it_is_lifted(tmp_path: Path, how: str) -> None:
    with world(tmp_path) as made:
        hold = made.retaining.holds.add(by="ann", why="CASE-1", at=NOON, tenant="acme")
        path = tmp_path / HOLDS
        path.write_text('{"holds": []}' if how == "removed" else path.read_text().replace("acme", "none"))
        with pytest.raises(DamagedError, match=hold.id):
            made.run()
        assert len(made.users()) == 16
        made.retaining.holds.lift(hold.id, "ann", "the file was lost")
        assert kinds(made.run())["events"] == 8


def test_the_ledger_names_nobody_who_is_held(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.retaining.holds.add(by="ann", why="CASE-1", at=NOON, principal="bob-the-plaintiff")
    assert b"bob-the-plaintiff" not in (tmp_path / FILE).read_bytes()


def test_with_encryption_the_file_names_nobody_either(tmp_path: Path) -> None:
    notes: list[tuple[str, bytes]] = []

    def note(kind: str, **body: object) -> int:
        notes.append((kind, msgspec.json.encode(body)))
        return len(notes)

    def noted(kind: str) -> list[tuple[int, bytes]]:
        return [(at, body) for at, (known, body) in enumerate(notes) if known == kind]

    master = Master(new_master())
    holds = Holds(tmp_path, note, noted, Crypt(KeyRing(tmp_path, master), NOON))
    hold = holds.add(by="ann", why="CASE-1", at=NOON, principal="bob-the-plaintiff")
    assert b"plaintiff" not in (tmp_path / HOLDS).read_bytes()
    again = Holds(tmp_path, note, noted, Crypt(KeyRing(tmp_path, master), NOON))
    assert again.standing(NOON) == [hold]


@pytest.mark.parametrize(("said", "hint"), [({}, "holds nothing"), ({"tenant": "acme", "why": " "}, "why")])
def test_a_hold_that_makes_no_sense_is_refused(tmp_path: Path, said: dict[str, Any], hint: str) -> None:
    holds = Holds(tmp_path, lambda *_, **__: 1, lambda _: [])
    with pytest.raises(RejectedError, match=hint):
        holds.add(**{"by": "ann", "why": "CASE-1", "at": NOON, **said})
    with pytest.raises(RejectedError, match="no hold"):
        holds.lift("nobody", "ann", "why")


def test_what_is_not_in_a_snapshot_yet_waits(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.folded = 1
        (first, second) = [step for step in made.run() if step["kind"] == "events"]
        assert (first["removed"], second["removed"]) == (4, 0)
        assert "snapshot" in second["waits"]
        made.folded = 10**9
        assert kinds(made.run()) == {"events": 4}


def test_two_jobs_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tocsin.removal.keeping.PATIENCE", 0.0)
    with world(tmp_path) as made, made.retaining.alone(), pytest.raises(RejectedError, match="being removed"):
        made.run()


@pytest.mark.parametrize("point", ["before_note", "after_note", "after_change", "between_files", "before_done"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_after_a_crash_at_any_point_the_next_start_makes_it_good(
    tmp_path: Path, point: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = Retention(events=30, findings=30, incidents=30, decisions=10, tenants={"acme": Days(events=10)})
    left = times

    def crash(name: str) -> None:
        nonlocal left
        if name == f"removal.{point}":
            left -= 1
            if left == 0:
                raise _CrashError

    with world(tmp_path, policy) as made:
        for module in ("removing", "embedded.removal"):
            monkeypatch.setattr(f"stream.{module}.crash_point", crash)
        with suppress(_CrashError):
            made.run()
        monkeypatch.undo()
    with world(tmp_path, policy, fill=False) as made:
        made.retaining.resume()
        assert made.verify().faults == []
        assert made.retaining.resume() == []
        made.run()
        assert made.verify().faults == []
        assert made.users() == ["bob", "dan", "alice", "bob", "carol", "dan"]
        assert len(made.incidents()) == 4
        assert made.ledger.said(DONE)
        assert made.run() == []


class _CrashError(Exception):
    """Stands for the death of the process."""


def _days(kind: str) -> Callable[[int | None, dict[str, int]], Retention]:
    return lambda days, own: Retention(
        **{kind: days}, tenants={tenant: Days(**{kind: count}) for tenant, count in own.items()}
    )


def test_days_are_counted_from_the_end_of_the_day() -> None:
    policy = _days("events")(30, {"acme": 10, "globex": 60})
    end = NOON - 20 * DAY
    found = due(policy, "events", end, NOON)
    assert [found.of(tenant) for tenant in ("acme", "globex", "initech", None)] == [True, False, False, False]
    assert (found.any, found.all, found.why) == (True, False, "retention of acme")
    late = due(policy, "events", NOON - 30 * DAY, NOON)
    assert [late.of(tenant) for tenant in ("acme", "globex", "initech")] == [True, False, True]
    assert late.why == "retention of all but globex"
    assert due(policy, "events", NOON - 30 * DAY + 1, NOON).others is False
    assert due(policy, "events", NOON - 60 * DAY, NOON).all
    assert cutoff(policy, "events", NOON) == NOON - 60 * DAY
    assert cutoff(_days("events")(None, {"acme": 10}), "events", NOON) is None
