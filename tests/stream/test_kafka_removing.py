"""Lines go out of a log on Kafka: brokers have nothing of them any more, and everything else stays proved."""

import secrets
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from stream import kafka_removing
from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.decode import decode
from stream.encryption.carried import CarriedKeys
from stream.encryption.crypt import Crypt
from stream.encryption.keys import Master, new_master
from stream.errors import RejectedError
from stream.frame import Frame, Header, pack
from stream.kafka import KafkaLog
from stream.kafka_removing import KafkaRemover
from stream.ledger.file import FILE, Ledger
from stream.ledger.note import Signer
from stream.ledger.removals import DONE, KIND
from stream.ledger.sealer import FrameSource, Sealer
from stream.ledger.store import Store, verify_log
from stream.log import EVENTS, Stream
from stream.removing import Job, events_of
from stream.rewrite import Line
from stream.salt import fresh_salt
from tests.services.kafka import fresh_log
from tests.stream.test_kafka_crypt import raw

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

KEY = Signer("example.org/log", bytes(range(32)))
NOW = 1_795_154_400.0
STREAM = Stream(EVENTS.name, 0)
JOB = Job("erasure-1", "erasure on request")
Decide = Callable[[Header, list[Line]], Collection[int]]


def frame(number: int, *users: str) -> Frame:
    """A frame with an event of each user."""
    at = NOW + number
    lines = [
        b'{"time":%d,"server":"crm","method":"tools/call","user":"%s","id":"%s-%d"}' % (at, who, who, number)
        for who in (user.encode() for user in users)
    ]
    header = Header(received=at, count=len(lines), first=at, last=at, source="k", digest=f"{number:x}", line=1)
    return pack(header, b"\n".join(lines))


def of(*users: str) -> Decide:
    return lambda header, lines: [at for at, event in events_of(header, lines) if event.user in users]


class World:
    """A log on Kafka with its ledger; `crypt` encrypts it."""

    def __init__(self, address: Address, folder: Path, crypt: Crypt | None) -> None:
        self.address = address
        self.folder = folder
        self.log = KafkaLog(address, salt=fresh_salt, crypt=crypt)
        self.ledger = Ledger(folder / FILE, KEY.verifier.name)
        self.sealer = Sealer(self.ledger, self.log, [FrameSource(self.log, STREAM)], lambda: [KEY], lambda: NOW)
        self.settled = NOW + 1_000
        self.remover = self.fresh()

    def fresh(self) -> KafkaRemover:
        """The remover of a process that just started."""
        limit = lambda stream: self.ledger.next(*stream)  # noqa: E731  # one line of a table
        return KafkaRemover(self.log, self.sealer.note, limit, lambda: self.settled)

    def fill(self, *frames: Frame) -> None:
        for one in frames:
            self.log.append(STREAM, one).result(60)
        self.sealer.finish()

    def take(self, *users: str) -> int:
        count = self.remover.lines(STREAM, self.remover.pick(STREAM, of(*users)), JOB)
        self.compact()
        return count

    def compact(self) -> None:
        list(self.remover.compact())

    def verify(self) -> Store:
        self.sealer.finish()
        # Whoever verifies has no data keys.
        with KafkaLog(self.address) as log:
            return verify_log(log, [STREAM], self.folder / FILE, [KEY.verifier])

    def seen(self) -> list[tuple[int, list[str | None]]]:
        """Each frame's offset, and who is in it, as whoever searches sees it."""
        return [
            (record.offset, [event.user for event in decode(record.frame)])
            for record in self.log.within(EVENTS, 0.0, 1e12, newest_first=True)
        ]

    def settings(self) -> dict[str, str]:
        client = kafka_client.admin(self.address)
        try:
            topic = self.log.topic(STREAM)
            found = client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])["topic"][topic]
        finally:
            client.close()
        return {name: str(one["value"]) for name, one in found.items()}


BOTH = pytest.mark.parametrize("world", [False, True], ids=["plain", "encrypted"], indirect=True)


@pytest.fixture
def world(request: pytest.FixtureRequest, kafka_server: str, tmp_path: Path) -> Iterator[World]:
    crypt = Crypt(CarriedKeys(Master(new_master())), NOW) if getattr(request, "param", False) else None
    made = World(fresh_log(kafka_server, f"t{secrets.token_hex(6)}"), tmp_path, crypt)
    yield made
    made.log.close()
    made.ledger.close()


@BOTH
def test_a_persons_lines_go_everything_else_stays_and_all_of_it_is_proved(world: World) -> None:
    world.fill(frame(0, "alice", "bob"), frame(1, "bob"), frame(2, "alice"), frame(3, "alice", "carol", "bob"))
    before, stored = world.settings(), world.log.read(STREAM, 0)
    held = raw(world.address)
    assert all(one.frame.payload in held for one in stored)
    assert world.take("alice") == 3
    assert sorted(world.seen()) == [(0, ["bob"]), (1, ["bob"]), (3, ["carol", "bob"])]
    proved = world.verify()
    assert proved.faults == []
    assert (proved.accounts[0].gone, proved.accounts[0].removed) == (3, 2)
    # The same again with somebody who stood beside her: what is left takes the place of what was left.
    assert world.take("bob") == 3
    assert world.seen() == [(3, ["carol"])]
    assert world.take("alice", "bob") == 0
    proved = world.verify()
    assert proved.faults == []
    assert world.settings() == before, "brokers compact only while something is to go"
    held = raw(world.address)
    assert [one.frame.payload in held for one in stored] == [False] * 4, "the brokers have none of it"


def test_what_is_not_sealed_or_too_new_waits_and_is_told(world: World) -> None:
    world.fill(frame(0, "alice"))
    world.log.append(STREAM, frame(1, "alice", "bob")).result(60)
    assert [one.standing.offset for one in world.remover.pick(STREAM, of("alice"))] == [0]
    assert [one.standing.offset for one in world.remover.pick(STREAM, of("alice"), late=True)] == [1]
    world.sealer.finish()
    world.settled = NOW + 1
    assert [one.standing.offset for one in world.remover.pick(STREAM, of("alice"), late=True)] == [1]
    assert world.take("alice") == 1
    assert [users for _, users in world.seen()] == [["alice", "bob"]]


@pytest.mark.parametrize("point", ["removal.after_note", "removal.after_change"])
def test_what_a_crash_interrupts_is_carried_out_by_whoever_starts_next(
    world: World, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.fill(frame(0, "alice", "bob"), frame(1, "alice"), frame(2, "bob"))

    def crash(name: str) -> None:
        if name == point:
            raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(kafka_removing, "crash_point", crash)
        with pytest.raises(SystemExit):
            world.take("alice")
    world.remover = world.fresh()
    (job,) = world.remover.resume(world.ledger.said(KIND), ())
    world.compact()
    world.remover.done(job)
    assert sorted(world.seen()) == [(0, ["bob"]), (2, ["bob"])]
    assert world.verify().faults == []
    assert world.fresh().resume(world.ledger.said(KIND), {job.id}) == []
    assert len(world.ledger.said(DONE)) == 1


def test_what_was_removed_without_a_note_or_is_left_of_nothing_is_named(world: World) -> None:
    world.fill(frame(0, "alice", "bob"), frame(1, "bob"), frame(2, "carol"))
    with pytest.MonkeyPatch.context() as patch:
        # Somebody who may write to the topic, but has not the key of the ledger.
        patch.setattr(world.remover, "_note", lambda *_, **__: 0)
        world.take("alice")
    (fault,) = world.verify().faults
    assert (str(fault.file), fault.offset) == ("events:0", 0)
    assert "missing" in fault.what


def test_a_forged_rest_is_named(world: World) -> None:
    world.fill(frame(0, "alice", "bob"), frame(1, "bob"))
    world.take("alice")
    world.sealer.finish()
    (forged,) = [record.frame for record in world.log.read(STREAM, 2) if record.frame.header.content == "rest"]
    assert forged.header.was is not None
    header = Header(received=NOW, content="rest", count=1, first=NOW, last=NOW, was=forged.header.was)
    world.log.put(STREAM, world.log.prepared(Frame(header, pack(Header(received=NOW), b"{}").payload)), b"k").result(60)
    (fault,) = world.verify().faults
    assert fault.offset > 2
    assert "no sealed note says so" in fault.what


def test_records_without_a_key_of_their_own_are_never_put_at_risk(world: World) -> None:
    world.fill(frame(0, "alice", "bob"))
    value: Any = world.log.prepared(frame(1, "bob"))
    world.log.put(STREAM, value, None).result(60)  # type: ignore[arg-type]  # as records were written once
    with pytest.raises(RejectedError, match="from before records had keys"):
        world.take("alice")
