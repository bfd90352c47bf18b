"""Whatever dies, sleeps or stumbles on Kafka: every attack becomes one incident, and what happened can be read."""

import json
import secrets
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from tests.tocsin.fleet import Fleet, until
from tocsin_audit.collector import Collector
from tocsin_audit.shipper import Shipper
from tocsin_audit.spool import Spool
from tocsin_audit.troubles import Troubles

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.crash,
    pytest.mark.long,
    pytest.mark.xdist_group("kafka"),
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="module")
def fleet(kafka_server: str) -> Iterator[Fleet]:
    """A fleet that survives the faults of this module one after the other."""
    del kafka_server  # asking for it skips where Kafka cannot be had
    with Fleet() as made:
        made.attack()
        made.settled()
        yield made


@pytest.fixture(autouse=True)
def nothing_is_lost_or_doubled(fleet: Fleet) -> Iterator[None]:
    """One attack before and one after each fault; each is one incident in the end."""
    before = fleet.attack()
    yield
    fleet.ready()
    after = fleet.attack()
    found = fleet.settled()
    assert {victim: len(found[victim]) for victim in fleet.attacks} == dict.fromkeys(fleet.attacks, 1)
    for victim in (before, after):
        assert fleet.pages(found[victim][0]["id"]) <= 1
    assert [role.code for role in fleet.roles] == [None] * len(fleet.roles), "nobody ended by himself"


def test_a_restart_of_postgresql(fleet: Fleet) -> None:
    fleet.postgres.kill()
    fleet.attack()
    until(lambda: any("alert" in one.problems() for one in fleet.deciders), "the decider says that it cannot go on")
    fleet.postgres.start()


def test_a_decider_that_slept_through_a_restart_of_postgresql(fleet: Fleet) -> None:
    sleeper = until(fleet.decider, "one decides")
    other = next(one for one in fleet.deciders if one is not sleeper)
    sleeper.send(signal.SIGSTOP)
    fleet.postgres.kill()
    fleet.attack()
    fleet.postgres.start()
    until(lambda: other.metric("tocsin_decides"), "the other decides")
    fleet.attack()
    sleeper.send(signal.SIGCONT)
    until(lambda: sleeper.metric("tocsin_decides") == 0, "the sleeper learns that it does not decide any more")


def test_a_restart_of_the_broker(fleet: Fleet) -> None:
    fleet.broker.kill()
    fleet.broker.start()


def test_a_broker_that_does_not_answer(fleet: Fleet, tmp_path: Path) -> None:
    shipper = Shipper(Collector(fleet.listener.url, fleet.key), Spool(tmp_path, "run", most_bytes=1 << 20), Troubles())
    try:
        fleet.broker.signal(signal.SIGSTOP)
        refuses(fleet, fleet.answer(filler()))
        _, lines = fleet.burst()
        shipper.deliver(lines)
        until(lambda: shipper.spooled, "what is not taken lies in the spool")
        assert shipper.sent == 0
    finally:
        fleet.broker.signal(signal.SIGCONT)
    fleet.listener.readied()
    until(lambda: shipper.sent == len(lines) and not shipper.spooled, "the spool is sent")
    shipper.close(10)


def test_a_broker_whose_disk_is_full(fleet: Fleet) -> None:
    fleet.broker.kill()
    fleet.broker.file_kib = 12 * 1024  # its indexes need ten
    fleet.broker.start()
    fleet.listener.readied()

    def full() -> httpx.Response | None:
        answer = fleet.answer(filler(500, size=2000))
        return answer if answer.status_code != 200 else None

    refuses(fleet, until(full, "the disk is full"))
    fleet.broker.kill()
    fleet.broker.file_kib = 0
    fleet.broker.start()
    fleet.listener.readied()


def filler(count: int = 1, size: int = 10) -> bytes:
    """Events that mean nothing, of so many bytes at least."""
    common = {"time": time.time(), "server": "filler", "method": "tools/list", "producer": "filler"}
    return b"\n".join(
        json.dumps({**common, "id": secrets.token_hex(8), "filling": secrets.token_hex(size // 2)}).encode()
        for _ in range(count)
    )


def refuses(fleet: Fleet, answer: httpx.Response) -> None:
    """What was sent was refused for now, and load balancers are told to send elsewhere."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["hint"]
    until(lambda: fleet.listener.readiness() == (503, ["log"]), "it says that it is not ready")
    assert "Kafka" in fleet.listener.problems()["log"] or "broker" in fleet.listener.problems()["log"]


def test_a_record_that_is_no_frame(fleet: Fleet) -> None:
    fleet.poison()
    fleet.attack()
    until(lambda: sum(worker.metric("tocsin_dead_letters") or 0 for worker in fleet.workers), "it is buried")
    assert "events/0/" in fleet.listener.run("deadletter", "list")


def test_workers_that_are_killed_and_come_back_again_and_again(fleet: Fleet) -> None:
    for turn in range(4):
        worker = fleet.workers[turn % 2]
        worker.send(signal.SIGKILL if turn % 2 else signal.SIGTERM)
        fleet.attack()
        worker.start()
    until(lambda: fleet.shared() >= 4, "all partitions are worked on")


def test_a_worker_that_sleeps_beyond_its_session(fleet: Fleet) -> None:
    sleeper, other = fleet.workers
    sleeper.send(signal.SIGSTOP)
    fleet.attack()
    until(lambda: other.metric("tocsin_partitions") == 4, "the other has all partitions")
    sleeper.send(signal.SIGCONT)


def test_a_listener_that_is_killed(fleet: Fleet) -> None:
    fleet.listener.send(signal.SIGKILL)
    fleet.listener.start()
    fleet.attack()


def test_a_clock_that_jumps_on_one_host_moves_nobody_else(fleet: Fleet) -> None:
    fleet.ahead(3600.0)
    victim = fleet.attack()
    (incident,) = fleet.settled()[victim]
    opened = datetime.fromisoformat(incident["opened"]).timestamp()
    assert opened < time.time() + 60
