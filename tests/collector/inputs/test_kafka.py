"""Topics are read by a group of their own: nothing is lost or doubled through a kill, each topic in its format."""

import time
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic

from collector.inputs.kafka import KafkaOptions, KafkaTopics
from stream.errors import StorageError, TocsinError

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

TOOLHIVE = {
    "time": "2026-11-20T06:10:00.1Z",
    "level": "AUDIT",
    "msg": "audit_event",
    "audit_id": "0f8c",
    "type": "mcp_tool_call",
    "logged_at": "2026-11-20T06:10:00.1Z",
    "outcome": "success",
    "component": "crm-mcp",
    "source": {"type": "network", "value": "203.0.113.9"},
    "subjects": {"user_id": "auth0|42", "user": "alice"},
    "target": {"endpoint": "/mcp", "method": "tools/call", "type": "tool", "name": "get_rows"},
}


class Topics:
    """Two topics of a test, and an input that reads them."""

    def __init__(self, bench: Any, server: str) -> None:
        self.bench = bench
        self.plain, self.gateway = (f"{name}-{uuid4().hex[:8]}" for name in ("plain", "gateway"))
        admin = KafkaAdminClient(bootstrap_servers=server)
        admin.create_topics([NewTopic(self.plain, 2, 1), NewTopic(self.gateway, 1, 1)])
        admin.close()
        self.producer = KafkaProducer(bootstrap_servers=server)
        bench.closing.callback(self.producer.close)
        self._options = KafkaOptions(
            brokers=f"kafka://{server}/",
            topics={self.plain: "native", self.gateway: "toolhive"},
            group=f"g-{self.plain}",
            tenant="acme",
        )
        self.input: Any = bench.input(KafkaTopics, self._options)
        bench.closing.callback(lambda: self.input.close())

    def restart(self) -> None:
        """Go on as another process does."""
        self.input.close()
        self.input = self.bench.input(KafkaTopics, self._options)

    def send(self, first: int, last: int) -> None:
        for number in range(first, last):
            event = {"time": time.time(), "server": "crm", "method": "m", "target": f"t{number}"}
            self.producer.send(self.plain, msgspec.json.encode(event), partition=number % 2)
        self.producer.flush()

    def until(self, count: int) -> list[str]:
        """The targets, once there are so many."""
        deadline = time.monotonic() + 60
        while self.bench.tallies["i"].accepted < count:
            assert time.monotonic() < deadline, self.bench.tallies["i"].summary()
            self.input.turn()
        return sorted(event.target for event in self.bench.stored())


@pytest.fixture
def topics(bench: Any, kafka_server: str) -> Topics:
    return Topics(bench, kafka_server)


def test_each_topic_is_read_in_its_format_and_what_is_none_is_counted(topics: Any, bench: Any) -> None:
    topics.send(0, 3)
    topics.producer.send(topics.gateway, msgspec.json.encode(TOOLHIVE))
    topics.producer.send(topics.gateway, b"\xff nonsense")
    topics.producer.send(topics.plain, None, key=b"k", partition=0)
    topics.producer.flush()
    assert topics.until(4) == ["get_rows", "t0", "t1", "t2"]
    assert {event.tenant for event in bench.stored()} == {"acme"}
    deadline = time.monotonic() + 30
    while not sum(bench.tallies["i"].refused.values()):
        assert time.monotonic() < deadline
        topics.input.turn()


def test_what_was_not_committed_comes_again_under_the_same_ids(topics: Any, bench: Any, monkeypatch: Any) -> None:
    topics.send(0, 10)
    with monkeypatch.context() as killed:

        def die(*_: Any) -> None:
            raise KeyboardInterrupt

        killed.setattr(topics.input._consumer, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            topics.until(10)
    topics.restart()
    topics.send(10, 12)
    assert set(topics.until(12)) == {f"t{number}" for number in range(12)}
    places: dict[str, set[str]] = {}
    for event in bench.stored():
        places.setdefault(event.target, set()).add(event.id)
    # The engine counts an id once, so a repeat must have the id of the first time.
    assert all(len(ids) == 1 for ids in places.values())


def test_partitions_that_the_group_gave_to_others_meanwhile_stop_nothing(
    topics: Any, bench: Any, monkeypatch: Any
) -> None:
    topics.send(0, 10)
    store = topics.input._feed.store

    def lose(*given: Any) -> None:
        store(*given)
        monkeypatch.undo()
        topics.input._consumer._coordinator.reset_generation()  # as brokers do with who was silent for too long

    monkeypatch.setattr(topics.input._feed, "store", lose)
    everything = {f"t{number}" for number in range(10)}
    deadline = time.monotonic() + 120
    while {event.target for event in bench.stored()} != everything:
        assert time.monotonic() < deadline, bench.tallies["i"].summary()
        topics.input.turn()
    assert topics.input._feed.store != lose, "they were lost"


def test_nothing_is_committed_while_nothing_can_be_stored(topics: Any, monkeypatch: Any) -> None:
    topics.send(0, 5)
    with monkeypatch.context() as full:

        def refuse(*_: Any) -> None:
            raise StorageError("the disk is full")

        full.setattr(topics.input._feed._intake, "store", refuse)
        with pytest.raises(StorageError):
            topics.until(5)
    assert topics.until(5) == [f"t{number}" for number in range(5)]


def test_brokers_that_are_not_there_are_told(bench: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("collector.inputs.kafka.BOOTSTRAP_MS", 500)
    options = KafkaOptions(brokers="kafka://127.0.0.1:1/", topics={"t": "native"})
    with pytest.raises(TocsinError, match="no Kafka broker"):
        bench.input(KafkaTopics, options)
