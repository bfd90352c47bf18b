"""Transactions that end: kafka-python 3.0 waits without a limit for an answer that may never come."""

from collections.abc import Mapping
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

LIMIT: Final = 20.0
"""Seconds for one answer: by then the broker has given the transaction up itself."""


def send_offsets(producer: KafkaProducer, offsets: Mapping[Any, Any], membership: Any, seconds: float = LIMIT) -> None:
    """Make offsets of a group part of the transaction; raises KafkaError where that was not done."""
    _answered(producer, producer._transaction_manager.send_offsets_to_transaction(offsets, membership), seconds)


def commit(producer: KafkaProducer, seconds: float = LIMIT) -> None:
    """Commit the transaction; raises KafkaError where that was not done, or nobody knows whether it was."""
    _answered(producer, producer._transaction_manager.begin_commit(), seconds)


def abort(producer: KafkaProducer, seconds: float = LIMIT) -> None:
    """Take the transaction back; raises KafkaError where that was not done."""
    _answered(producer, producer._transaction_manager.begin_abort(), seconds)


def _answered(producer: KafkaProducer, result: Any, seconds: float) -> None:
    producer._sender.wakeup()
    if not result.wait(timeout_ms=seconds * 1000):
        raise KafkaTimeoutError(f"no answer about a transaction in {seconds:g} seconds")
