"""Three brokers that replicate: leaders die, two of three are gone, and every attack becomes one incident."""

import secrets
import threading
from collections.abc import Iterator

import pytest

from stream.broker import mend as kafka_mend
from stream.broker import topics as kafka_topics
from stream.broker.address import parse_address
from tests.services.kafka import OwnCluster
from tests.tocsin.fleet import Fleet, until

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.crash,
    pytest.mark.long,
    pytest.mark.xdist_group("kafka"),
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="module")
def replicated(kafka_server: str) -> Iterator[Fleet]:
    """A fleet on three brokers, whose topics have three replicas."""
    del kafka_server  # asking for it skips where Kafka cannot be had
    with Fleet(2, cluster=True) as made:
        made.attack()
        made.settled()
        yield made


@pytest.fixture
def cluster(replicated: Fleet) -> OwnCluster:
    """Its brokers."""
    assert replicated.cluster is not None
    return replicated.cluster


@pytest.fixture(autouse=True)
def nothing_is_lost_or_doubled_on_three(replicated: Fleet, cluster: OwnCluster) -> Iterator[None]:
    """One attack before and one after each fault; each is one incident in the end."""
    replicated.attack()
    yield
    cluster.revive()
    replicated.ready()
    replicated.attack()
    found = replicated.settled()
    assert {victim: len(found[victim]) for victim in replicated.attacks} == dict.fromkeys(replicated.attacks, 1)
    assert [role.code for role in replicated.roles] == [None] * len(replicated.roles), "nobody ended by himself"


def test_the_leader_of_the_events_dies_while_they_flow(replicated: Fleet, cluster: OwnCluster) -> None:
    ending = threading.Event()

    def flow() -> None:
        while not ending.is_set():
            replicated.attack()

    flowing = threading.Thread(target=flow)
    flowing.start()
    try:
        dying = cluster.leader("fleet.events")
        dying.kill()
        until(lambda: cluster.leader("fleet.events") is not dying, "another broker leads")
        count = len(replicated.attacks)
        until(lambda: len(replicated.attacks) >= count + 5, "attacks are taken on two brokers of three")
    finally:
        ending.set()
        flowing.join()
    replicated.settled()


def test_every_broker_is_restarted_in_turn(replicated: Fleet, cluster: OwnCluster) -> None:
    for broker in cluster.brokers:
        broker.kill()
        replicated.attack()
        cluster.revive()


def test_one_broker_alone_takes_nothing_that_could_be_lost_with_it(replicated: Fleet, cluster: OwnCluster) -> None:
    left = cluster.leader("fleet.events")
    for broker in cluster.brokers:
        if broker is not left:
            broker.kill()
    _, lines = replicated.burst()
    answer = replicated.answer(b"\n".join(lines))
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    until(lambda: replicated.listener.readiness()[0] == 503, "the listener says that it is not ready")
    assert "log" in replicated.listener.readiness()[1]
    cluster.revive()
    replicated.listener.readied()
    until(lambda: replicated.post(b"\n".join(lines)), "the listener takes events")


def test_topics_of_one_replica_are_refused_and_mended(replicated: Fleet, cluster: OwnCluster) -> None:
    address = parse_address(f"kafka://{cluster.server}/t{secrets.token_hex(6)}", {})
    wants = kafka_topics.wanted(address, 2, 1)
    kafka_topics.create(address, wants, 1)
    found = kafka_topics.inspect(address, wants, 3)
    assert {topic.faults for topic in found} == {("has 1 replica, not 3", "has min.insync.replicas=1, not 2")}
    assert {topic.mend for topic in found} == {"tocsin topics --mend"}
    assert len(kafka_mend.mend(address, wants, 3)) == len(wants)
    found = kafka_topics.inspect(address, wants, 3)
    assert {(topic.faults, topic.replication, topic.in_sync) for topic in found} == {((), 3, 3)}
    kafka_topics.remove(address)
    assert "fits" in replicated.listener.run("topics", "--mend"), "its own needed nothing"
