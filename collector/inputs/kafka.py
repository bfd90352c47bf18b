"""Topics that others fill, one format each, read by a consumer group of the collector's own."""

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, Self

import msgspec
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, KafkaError

from collector.input import Feed, Scope
from collector.reading import Record
from stream.broker.address import Address, parse_address
from stream.broker.client import explained
from stream.errors import TocsinError, UnavailableError

POLL_MS: Final = 500
BATCH: Final = 500
"""Records stored at once at most."""
FETCH: Final = 4 * 1024 * 1024
"""Bytes fetched ahead of one partition at most."""
BOOTSTRAP_MS: Final = 15_000


class KafkaOptions(Scope, frozen=True, kw_only=True):
    """Which topics, where they are, and as whom they are read."""

    brokers: str
    """The brokers, as for the log: `kafka://host:9092,…/?ca=ca.pem&user=name&password_file=…`."""
    topics: dict[str, str]
    """The topics, each with the format of its records."""
    group: str = "tocsin-collector"
    """The consumer group; several Tocsins of one group share the topics."""
    start: Literal["beginning", "end"] = "beginning"
    """Where a group that is new begins."""
    files: str = "."
    """The folder at which the files in `brokers` begin."""

    def placed(self, resolve: Callable[[str], str]) -> Self:
        """With the files of the address where `resolve` puts them."""
        return msgspec.structs.replace(self, files=resolve(self.files))

    @property
    def formats(self) -> Sequence[str]:
        """The formats that are asked for."""
        return tuple(dict.fromkeys(self.topics.values()))

    def faults(self) -> Sequence[str]:
        """What is wrong beyond the types."""
        found = list(super().faults())
        if not self.topics:
            found.append("topics names no topic")
        if self.format != "native":
            found.append("format says nothing here: each topic has its own, in topics")
        if not self.group:
            found.append("group is empty")
        try:
            self.address()
        except TocsinError as error:
            found.append(f"brokers: {error.what}")
        return found

    def address(self) -> Address:
        """The brokers' address; raises ConfigError where it is none."""
        return parse_address(self.brokers, os.environ, Path(self.files))


class KafkaTopics:
    """Reads topics; offsets are committed once the events are durable, so that a kill repeats and never loses."""

    kind: ClassVar[str] = "kafka"
    Options: ClassVar[type[Scope]] = KafkaOptions

    def __init__(self, options: KafkaOptions, feed: Feed) -> None:
        self._options = options
        self._feed = feed
        self._address = options.address()
        self._consumer: Any = None
        self._waiting: dict[TopicPartition, Sequence[Any]] = {}

    def open(self) -> None:
        """Join the group; raises UnavailableError where no broker answers."""
        try:
            self._consumer = KafkaConsumer(
                *self._options.topics,
                **self._address.client(),
                group_id=self._options.group,
                enable_auto_commit=False,
                auto_offset_reset="earliest" if self._options.start == "beginning" else "latest",
                max_poll_records=BATCH,
                max_partition_fetch_bytes=FETCH,
                bootstrap_timeout_ms=BOOTSTRAP_MS,
            )
        except KafkaError as error:
            raise UnavailableError(
                f"no Kafka broker answers ({error})",
                where=self._address.where,
                hint="check that the brokers run, and the address, the login and the certificates in `brokers`",
            ) from error

    def turn(self) -> None:
        """Store what the topics have, then commit."""
        try:
            if not self._waiting:
                self._waiting = self._consumer.poll(timeout_ms=POLL_MS)
            while self._waiting:
                place, found = next(iter(self._waiting.items()))
                self._store(place, found)
                self._waiting.pop(place, None)  # where the partition is another's now, nothing waits any more
        except KafkaError as error:
            raise explained(self._address, error) from error

    def wake(self) -> None:
        """Nothing waits for long."""

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
            self._consumer = None

    def _store(self, place: TopicPartition, found: Sequence[Any]) -> None:
        records = [
            Record(bytes(each.value), each.offset, each.timestamp / 1000 if each.timestamp > 0 else None)
            for each in found
            if each.value
        ]
        digest = sha256(f"{self._options.group}|{place.topic}|{place.partition}".encode()).hexdigest()
        if records:
            self._feed.store(records, digest, self._options.topics[place.topic])
        try:
            self._consumer.commit({place: OffsetAndMetadata(found[-1].offset + 1, "", -1)})
        except CommitFailedError:
            # The partition is another's now, who reads again what was not committed; ids tell that it is the same.
            self._waiting.clear()


INPUT: Final = KafkaTopics
