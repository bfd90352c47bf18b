"""Writing to Kafka: one idempotent producer, in the order of the calls, with a bound on what is under way."""

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import Any, Final, NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaError

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.errors import FullError, StorageError, TocsinError

logger = logging.getLogger("tocsin.kafka")

IN_FLIGHT: Final = 64 * 1024 * 1024
"""Bytes that wait for the broker at most; what comes beyond is refused, so that its sender keeps it."""
END: Final = 20.0
"""Seconds that closing waits for what is under way."""
SLOW: Final = 5.0
"""Seconds without an answer for a partition after which the log is not called ready."""
PATIENCE: Final = 30.0
"""Seconds after which a record that no broker has taken is refused."""
OVERDUE: Final = 1.5
"""Times the patience without an answer after which the client itself has forgotten a record."""
LOOK: Final = 1.0
"""Seconds between two looks for such."""
LATELY: Final = 30.0
"""Seconds for which a refusal is a problem, unless a record of the same partition is taken meanwhile."""


class _Waiting(NamedTuple):
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    future: Future[int]


class _Lane:
    """How a partition answers: how many records wait, since when, and what the last one was refused for."""

    def __init__(self) -> None:
        self.count = 0
        self.since = 0.0
        self.refused: TocsinError | None = None
        self.refused_at = 0.0

    def problem(self, name: str, where: str) -> TocsinError | None:
        """Why nothing can be written there now."""
        now = time.monotonic()
        if self.refused is not None and now - self.refused_at < LATELY:
            return self.refused
        if self.count and now - self.since >= SLOW:
            return StorageError(
                f"no broker answers for {name}: {self.count} records wait for {now - self.since:.0f} seconds",
                where=where,
                hint="look at the brokers; it goes on by itself",
            )
        return None


class KafkaWriter:
    """Appends records from any thread without ever holding up the caller.

    After a failure everything under way fails with it and a new producer begins, so that no later record stands before
    an earlier one that was then refused. `patience` is the seconds after which a record is refused that nobody takes.
    """

    def __init__(self, address: Address, *, in_flight: int = IN_FLIGHT, patience: float = PATIENCE) -> None:
        self._address = address
        self._patience = patience
        self._limit = in_flight
        self._size = 0
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._broken = False
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._producer: KafkaProducer | None = self._made()
        self._thread = threading.Thread(target=self._run, name="kafka writer", daemon=True)
        self._thread.start()

    @property
    def in_flight(self) -> int:
        """Bytes that the broker has not answered for yet."""
        return self._size

    @property
    def problem(self) -> TocsinError | None:
        """Why there is a partition that nothing can be written to now; None where there is none."""
        with self._changed:
            problems = (
                lane.problem(f"{topic}/{partition}", self._address.where)
                for (topic, partition), lane in self._lanes.items()
            )
            return next(filter(None, problems), None)

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
                lane = self._lanes.setdefault((topic, partition), _Lane())
                if not lane.count:
                    lane.since = time.monotonic()
                lane.count += 1
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
            kafka_client.end(self._producer, 1.0)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed or self._broken, LOOK)
                if self._closed and not self._queue:
                    return
                taken = deque(self._queue)
                self._queue.clear()
                now = time.monotonic()
                overdue = any(
                    lane.count and now - lane.since > OVERDUE * self._patience for lane in self._lanes.values()
                )
            if overdue or (self._broken and not taken):
                # What is under way fails with what failed: a record behind one that expired may wait for ever.
                self._end_broken()
            while taken:
                waiting = taken.popleft()
                if not waiting.future.set_running_or_notify_cancel():
                    self._done(waiting)
                elif (error := self._ready()) is not None:
                    # Nobody is there for those behind it either, and asking again takes seconds.
                    self._fail(waiting, error)
                    self._fail_all(taken, error)
                else:
                    self._send(waiting)

    def _fail_all(self, taken: deque[_Waiting], error: TocsinError) -> None:
        with self._changed:
            taken += self._queue
            self._queue.clear()
        for waiting in taken:
            if waiting.future.set_running_or_notify_cancel():
                self._fail(waiting, error)
            else:
                self._done(waiting)
        taken.clear()

    def _made(self) -> KafkaProducer:
        half = int(self._patience * 500)
        return kafka_client.producer(
            self._address,
            delivery_timeout_ms=int(self._patience * 1000),
            request_timeout_ms=min(10_000, half),
            max_block_ms=half,
            bootstrap_timeout_ms=half,
        )

    def _ready(self) -> TocsinError | None:
        """Have a producer; why there can be none."""
        if self._broken:
            self._end_broken()
        try:
            if self._producer is None:
                self._producer = self._made()
        except TocsinError as error:
            return error
        except Exception as error:  # noqa: BLE001  # the thread must live on, and each caller is told
            return kafka_client.explained(self._address, error)
        return None

    def _send(self, waiting: _Waiting) -> None:
        assert self._producer is not None
        try:
            sent = self._producer.send(waiting.topic, waiting.value, key=waiting.key, partition=waiting.partition)
        except Exception as error:  # noqa: BLE001  # the thread must live on, and each caller is told
            self._broken = True
            self._fail(waiting, kafka_client.explained(self._address, error))
        else:
            sent.add_callback(self._succeeded, waiting)
            sent.add_errback(self._failed, waiting, self._producer)

    def _end_broken(self) -> None:
        self._broken = False
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            kafka_client.end(producer, 0.0)
        except Exception as error:  # noqa: BLE001  # the thread must live on, and that producer is done with
            logger.warning("a producer did not end: %r", error)

    def _succeeded(self, waiting: _Waiting, answer: Any) -> None:
        self._done(waiting)
        waiting.future.set_result(answer.offset)

    def _failed(self, waiting: _Waiting, producer: KafkaProducer, error: BaseException) -> None:
        if producer is self._producer:  # else it fails with its producer, which is no fault of the next one
            self._broken = True
        self._fail(waiting, kafka_client.explained(self._address, error))

    def _fail(self, waiting: _Waiting, error: TocsinError) -> None:
        # One that is too large says nothing of the brokers.
        self._done(waiting, None if isinstance(error, FullError) else error)
        waiting.future.set_exception(error)

    def _done(self, waiting: _Waiting, error: TocsinError | None = None) -> None:
        with self._changed:
            lane, now = self._lanes[waiting.topic, waiting.partition], time.monotonic()
            lane.count -= 1
            lane.since, lane.refused, lane.refused_at = now, error, now
            self._size -= len(waiting.value or b"")
            self._changed.notify_all()


def answered(futures: list[Any]) -> None:
    """See that every record of a flushed batch arrived: a commit alone does not say so. Raises KafkaError."""
    for future in futures:
        if not future.is_done:
            raise KafkaError("a record was neither taken nor refused")
        future.get(0)
