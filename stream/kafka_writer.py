"""Writing to Kafka: one idempotent producer, in the order of the calls, with a bound on what is under way."""

import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from stream import kafka_client
from stream.errors import FullError, StorageError, TocsinError
from stream.kafka_address import Address

IN_FLIGHT: Final = 64 * 1024 * 1024
"""Bytes that wait for the broker at most; what comes beyond is refused, so that its sender keeps it."""
END: Final = 20.0
"""Seconds that closing waits for what is under way."""


class _Waiting(NamedTuple):
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    future: Future[int]


class KafkaWriter:
    """Appends records from any thread without ever holding up the caller.

    After a failure everything under way fails with it and a new producer begins, so that no later record stands before
    an earlier one that was then refused.
    """

    def __init__(self, address: Address, *, in_flight: int = IN_FLIGHT) -> None:
        self._address = address
        self._limit = in_flight
        self._size = 0
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._broken = False
        self._producer: KafkaProducer | None = kafka_client.producer(address)
        self._thread = threading.Thread(target=self._run, name="kafka writer", daemon=True)
        self._thread.start()

    @property
    def in_flight(self) -> int:
        """Bytes that the broker has not answered for yet."""
        return self._size

    def append(self, topic: str, partition: int, value: bytes | None, key: bytes | None = None) -> Future[int]:
        """Queue a record; the future has its offset once every replica has it, or the error that says why not.

        A value of None makes compaction forget the key.
        """
        size = len(value or b"")
        waiting = _Waiting(topic, partition, key, value, Future())
        with self._changed:
            if self._closed:
                waiting.future.set_exception(
                    StorageError("the log is closed", where=self._address.where, hint="open it again")
                )
            elif self._size and self._size + size > self._limit:
                waiting.future.set_exception(
                    FullError(
                        f"{self._size:,} bytes wait for Kafka already",
                        where=self._address.where,
                        hint="Kafka is slow or gone; send again in a moment",
                    )
                )
            else:
                self._size += size
                self._queue.append(waiting)
                self._changed.notify_all()
        return waiting.future

    def close(self) -> None:
        """Wait for what is under way, then end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        with self._changed:
            self._changed.wait_for(lambda: not self._size, END)
        if self._producer is not None:
            self._producer.close(timeout=1)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                taken = list(self._queue)
                self._queue.clear()
            for waiting in taken:
                if waiting.future.set_running_or_notify_cancel():
                    self._send(waiting)
                else:
                    self._done(waiting)

    def _send(self, waiting: _Waiting) -> None:
        try:
            if self._broken:
                self._begin_again()
            if self._producer is None:
                self._producer = kafka_client.producer(self._address)
            sent = self._producer.send(waiting.topic, waiting.value, key=waiting.key, partition=waiting.partition)
        except TocsinError as error:
            self._fail(waiting, error)
        except Exception as error:  # noqa: BLE001  # the thread must live on, and each caller is told
            self._broken = True
            self._fail(waiting, kafka_client.explained(self._address, error))
        else:
            sent.add_callback(self._succeeded, waiting)
            sent.add_errback(self._failed, waiting)

    def _begin_again(self) -> None:
        self._broken = False
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=0)
        self._broken = False  # what was under way failed with it, which is no fault of the next one

    def _succeeded(self, waiting: _Waiting, answer: Any) -> None:
        self._done(waiting)
        waiting.future.set_result(answer.offset)

    def _failed(self, waiting: _Waiting, error: BaseException) -> None:
        self._broken = True
        self._fail(waiting, kafka_client.explained(self._address, error))

    def _fail(self, waiting: _Waiting, error: TocsinError) -> None:
        self._done(waiting)
        waiting.future.set_exception(error)

    def _done(self, waiting: _Waiting) -> None:
        with self._changed:
            self._size -= len(waiting.value or b"")
            self._changed.notify_all()


def answered(futures: list[Any]) -> None:
    """See that every record of a flushed batch arrived: a commit alone does not say so. Raises KafkaError."""
    for future in futures:
        if not future.is_done:
            raise KafkaError("a record was neither taken nor refused")
        future.get(0)
