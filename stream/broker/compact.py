"""Having brokers take single records away: by compaction, which keeps of each key the last record alone.

Every record of ours has a key of its own, so that compaction takes nothing but what another record takes the place of.
It is switched on for as long as it takes, since it copies all that a partition holds.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.errors import StorageError

PATIENCE: Final = 600.0
"""Seconds within which the brokers must have done it; they go on beyond that, too."""
POLL: Final = 0.5
AT_ONCE: Final = {
    "cleanup.policy": "compact,delete",
    "min.cleanable.dirty.ratio": "0.0",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "100",
    "segment.ms": "100",
}
"""What has brokers compact at once, also what they have just been given."""
_READ_MS: Final = 10_000

Places = Mapping[TopicPartition, Collection[int]]
"""Offsets by partition."""


def take_away(address: Address, places: Places, nudge: Callable[[str, int], object]) -> Iterator[int]:
    """Have brokers take records away in whose place others stand by now; how many are left, again and again until none.

    `nudge` writes some record to a partition, since brokers compact nothing of the file that they write to. Raises
    StorageError where they did not do it in time, or do not let us.
    """
    left = {place: sorted(offsets) for place, offsets in places.items() if offsets}
    if not left:
        return
    deadline = time.monotonic() + PATIENCE
    consumer = kafka_client.consumer(address)
    try:
        with kafka_client.guarded(address), _compacting(address, sorted({place.topic for place in left})):
            while left := {place: still for place, some in left.items() if (still := _there(consumer, place, some))}:
                yield sum(map(len, left.values()))
                if time.monotonic() > deadline:
                    raise StorageError(
                        f"the brokers still have {sum(map(len, left.values())):,} records whose places were taken",
                        where=address.where,
                        hint="look at their log cleaner, and ask again: it goes on where it stopped",
                    )
                for place in left:
                    nudge(place.topic, place.partition)
                time.sleep(POLL)
    finally:
        consumer.close()


@contextmanager
def _compacting(address: Address, topics: list[str]) -> Iterator[None]:
    client = kafka_client.admin(address)
    try:
        before = _own_settings(client, topics)
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, AT_ONCE) for topic in topics])
        try:
            yield
        finally:
            client.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic, _back(before[topic])) for topic in topics]
            )
    finally:
        client.close()


def _own_settings(client: Any, topics: list[str]) -> dict[str, dict[str, str]]:
    """What of the settings the topics have of their own, and not from their broker."""
    described = client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics], config_filter="modified"
    )["topic"]
    return {
        topic: {name: str(described[topic][name]["value"]) for name in AT_ONCE if name in described.get(topic, {})}
        for topic in topics
    }


def _back(before: Mapping[str, str]) -> dict[str, object]:
    # Where a process died meanwhile the settings are still those of compaction: then nobody had others.
    known = {name: value for name, value in before.items() if value != AT_ONCE[name]}
    back = {name: known.get(name, (AlterConfigOp.DELETE, None)) for name in AT_ONCE}
    return {**back, "cleanup.policy": known.get("cleanup.policy", "delete")}


def _there(consumer: KafkaConsumer, place: Any, offsets: list[int]) -> list[int]:
    """Those of the offsets, in rising order, at which there still is a record."""
    consumer.assign([place])
    end = consumer.end_offsets([place], timeout_ms=_READ_MS)[place]
    found: list[int] = []
    left = list(offsets)
    while left and left[0] < end:
        consumer.seek(place, left[0])
        messages = consumer.poll(timeout_ms=_READ_MS).get(place, ())
        if not messages:
            return found + left  # nobody answers now; it is asked again
        present = {message.offset for message in messages}
        last = messages[-1].offset
        found += [offset for offset in left if offset in present]
        left = [offset for offset in left if offset > last]
    return found
