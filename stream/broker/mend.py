"""Mending topics without losing anything: more replicas, and the settings that they should have."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.broker.topics import Topic, Wanted, enough, inspect
from stream.errors import StorageError

PATIENCE: Final = 600.0
"""Seconds within which new replicas must have what there is; brokers go on copying beyond that, too."""
POLL: Final = 0.2


def mend(address: Address, wants: Sequence[Wanted], replication: int) -> list[str]:
    """Set the settings that do not fit and add the replicas that are missing; the names of what was changed.

    Waits until the new replicas have everything. A number of partitions is never changed, since keys would move. Raises
    StorageError where there are too few brokers, or Kafka does not let us.
    """
    found = [topic for topic in inspect(address, wants, replication) if topic.partitions]
    short = [topic for topic in found if topic.replication < replication and topic.faults]
    wrong = [topic for topic in found if topic.wrong]
    client = kafka_client.admin(address)
    try:
        with kafka_client.guarded(address):
            if short:
                _replicate(address, client, short, replication)
            if wrong:
                # After the replicas, since more of them may be asked for than there were.
                client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, one.name, one.wrong) for one in wrong])
    finally:
        client.close()
    return sorted({topic.name for topic in (*short, *wrong)})


def placed(replicas: Mapping[int, Sequence[int]], brokers: Sequence[int], replication: int) -> dict[int, list[int]]:
    """For each partition with too few replicas, where they should be: those that it has, then the least burdened."""
    burden = Counter(dict.fromkeys(brokers, 0))
    for own in replicas.values():
        burden.update(broker for broker in own if broker in burden)
    moved: dict[int, list[int]] = {}
    for number, own in sorted(replicas.items()):
        if len(own) >= replication:
            continue
        free = sorted(set(brokers) - set(own), key=lambda broker: (burden[broker], broker))
        added = free[: replication - len(own)]
        burden.update(added)
        moved[number] = [*own, *added]
    return moved


def _replicate(address: Address, client: Any, topics: Sequence[Topic], replication: int) -> None:
    brokers = [broker["broker_id"] for broker in client.describe_cluster()["brokers"]]
    enough(address, len(brokers), replication)
    moves: dict[TopicPartition, list[int]] = {}
    for topic in client.describe_topics([topic.name for topic in topics]):
        own = {partition["partition_index"]: partition["replica_nodes"] for partition in topic["partitions"]}
        for number, nodes in placed(own, brokers, replication).items():
            moves[TopicPartition(topic["name"], number)] = nodes
    refused = client.alter_partition_reassignments(moves)
    for error in refused.values():
        if error is not None:
            raise kafka_client.explained(address, error())
    deadline = time.monotonic() + PATIENCE
    while left := client.list_partition_reassignments(list(moves)):
        if time.monotonic() > deadline:
            raise StorageError(
                f"{len(left)} partitions are still being copied",
                where=address.where,
                hint="Kafka goes on by itself; look again with `tocsin topics`",
            )
        time.sleep(POLL)
