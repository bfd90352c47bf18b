"""The log on Kafka as the configuration asks for it: its address, its topics, and the key that all workers share."""

import os
import secrets
import time
from collections.abc import Callable
from typing import Final

from stream.broker import mend as kafka_mend
from stream.broker import topics as kafka_topics
from stream.broker.address import SCHEME, Address, parse_address
from stream.broker.state import Fence
from stream.broker.topics import Topic, Wanted
from stream.broker.writer import PATIENCE
from stream.encryption.crypt import Crypt
from stream.errors import ConfigError, StorageError
from stream.kafka import KafkaLog
from stream.log import Snapshot
from stream.salt import fresh_salt
from tocsin.config.faults import Fault, FaultsError
from tocsin.config.whole import Loaded
from tocsin.secrecy.encryption import carried_crypt, masters_of

ENTITY_KEY: Final = "entity-key"
"""Kept as a snapshot: the key of entities' ids, which every worker that takes over a partition must know."""


def on_kafka(loaded: Loaded) -> bool:
    """Whether the configuration's log is Kafka."""
    return loaded.config.log.startswith(SCHEME)


def address_of(loaded: Loaded) -> Address:
    """The address of the configured log. Raises ConfigError where it is none of Kafka, or says what cannot be."""
    if not on_kafka(loaded):
        raise ConfigError(
            "this needs a log on Kafka, and the configuration's is SQLite",
            where=loaded.document.file,
            hint="say log: kafka://host:9092/prefix, or use `tocsin run`, which does everything in one process",
        )
    return parse_address(loaded.config.log, os.environ, loaded.base)


def wanted(loaded: Loaded, address: Address) -> list[Wanted]:
    """The topics as the configuration wants them."""
    kafka = loaded.config.kafka
    return kafka_topics.wanted(address, kafka.partitions, kafka.retention_days)


def inspect(loaded: Loaded, address: Address) -> list[Topic]:
    """The topics as they are, with their faults."""
    return kafka_topics.inspect(address, wanted(loaded, address), loaded.config.kafka.replication)


def create(loaded: Loaded, address: Address) -> list[str]:
    """Make the missing topics, and the workers' shared key where there is none; the names of what was made.

    The key is kept anew, so that it lies as it should where encryption, or another master key, was configured since.
    """
    crypt = crypt_for(loaded)
    made = kafka_topics.create(address, wanted(loaded, address), loaded.config.kafka.replication)
    with KafkaLog(address, crypt=crypt) as log:
        there = log.load(ENTITY_KEY)
        if there is None or crypt is not None:
            key = secrets.token_urlsafe(32).encode() if there is None else there.meta
            log.save(Snapshot(ENTITY_KEY, 1, 0, key, {}))
    return made


def mend(loaded: Loaded, address: Address) -> list[str]:
    """Add missing replicas and set settings that do not fit; the names of the topics that were changed."""
    return kafka_mend.mend(address, wanted(loaded, address), loaded.config.kafka.replication)


def crypt_for(loaded: Loaded) -> Crypt | None:
    """What encrypts the configured log; None where nothing is encrypted. Raises FaultsError."""
    faults: list[Fault] = []
    masters = masters_of(loaded, faults)
    if faults:
        raise FaultsError(faults)
    return carried_crypt(masters, time.time())


def open_checked(
    loaded: Loaded,
    address: Address,
    fence: Callable[[str], Fence | None] | None = None,
    crypt: Crypt | None = None,
    patience: float = PATIENCE,
) -> KafkaLog:
    """The log, once its topics are what they must be; records that cannot be read become dead letters.

    Raises StorageError naming every topic that does not fit, and the command that mends it.
    """
    faulty = [topic for topic in inspect(loaded, address) if topic.faults]
    if faulty:
        raise StorageError(
            "; ".join(f"{topic.name} {fault}" for topic in faulty for fault in topic.faults),
            where=address.where,
            hint="; ".join(dict.fromkeys(topic.mend for topic in faulty)),
        )
    return KafkaLog(address, fence=fence, bury=True, salt=fresh_salt, crypt=crypt, patience=patience)


def entity_key(log: KafkaLog) -> bytes:
    """The key under which all workers keep entities. Raises StorageError where it was never made."""
    found = log.load(ENTITY_KEY)
    if found is None:
        raise StorageError(
            "the workers' shared key is missing",
            where=log.address.where,
            hint="make it with `tocsin topics --create`",
        )
    return found.meta
