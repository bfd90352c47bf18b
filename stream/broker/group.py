"""Membership in a consumer group: which partitions of a topic this process works on, and the proof of it."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.errors import StorageError, TocsinError

logger = logging.getLogger("tocsin.kafka")

SESSION_MS: Final = 6_000
"""Milliseconds without a heartbeat after which a member is taken for dead and its partitions go to others."""
REBALANCE_MS: Final = 60_000
"""Milliseconds that a rebalance may take before those who did not come are left out."""
METADATA_MS: Final = 5_000
"""Milliseconds after which the brokers are asked again which partitions there are."""
POLL: Final = 0.1
"""Seconds of one look at the group."""
RELEASE: Final = 1.5
"""Seconds that giving up a partition waits for a last snapshot at most, and a quarter of the session: without one its
new owner replays a little more."""


class Membership:
    """Takes part in a group over one topic without reading it: records are read through the log.

    `owned` are the partitions that are ours now. A partition that is asked back stays in `owned` no longer, and its
    worker has a moment (RELEASE) to say `released`; one that was lost (a pause longer than the session) is simply gone.
    """

    def __init__(self, address: Address, group: str, topic: str, *, session_ms: int = SESSION_MS) -> None:
        self._address = address
        self._topic = topic
        self._changed = threading.Condition()
        self._owned: set[int] = set()
        self._releasing: set[int] = set()
        self._terms: dict[int, int] = {}
        self._begun: dict[int, int] = {}
        # No heartbeat is sent meanwhile, so it must be a small part of the session.
        self._release = min(RELEASE, session_ms / 4000)
        self._closed = False
        self._joined = False
        self.problem: TocsinError | None = None
        self._consumer = kafka_client.consumer(
            address,
            group_id=f"{address.prefix}-{group}",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 6,
            # What comes before an assignment is paused is thrown away.
            fetch_max_bytes=1024,
            max_partition_fetch_bytes=1024,
            # So long a broker waits for members to come to a rebalance, and they for its answer: our thread does
            # nothing else, and a broker's host may vanish without a word.
            max_poll_interval_ms=max(REBALANCE_MS, session_ms),
            # A topic that was made just now may not be known yet; nobody is given any of it until it is.
            metadata_max_age_ms=METADATA_MS,
            partition_assignment_strategy=(_Owning(lambda: self._consumer.assignment()),),
        )
        self._consumer.subscribe([topic], listener=_Listener(self))
        self._thread = threading.Thread(target=self._run, name=f"group {group}", daemon=True)
        self._thread.start()

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that this process works on."""
        with self._changed:
            return frozenset(self._owned)

    @property
    def joined(self) -> bool:
        """Whether the group has said what is ours, be it nothing."""
        return self._joined

    @property
    def asked_back(self) -> frozenset[int]:
        """Partitions that go to others now, while there is still time for a last snapshot."""
        with self._changed:
            return frozenset(self._releasing)

    def begin(self, partition: int) -> None:
        """Say that work on a partition begins from its last snapshot."""
        with self._changed:
            self._begun[partition] = self._terms.get(partition, 0)

    def holds(self, partition: int) -> bool:
        """Whether a partition was ours all the time since its work began, or is asked back just now.

        One that was lost and came back was another's meanwhile: what is known of it is out of date.
        """
        with self._changed:
            return self._holds(partition)

    def released(self, partition: int) -> None:
        """Say that nothing more will be done for a partition."""
        with self._changed:
            self._releasing.discard(partition)
            self._changed.notify_all()

    def proof(self, partition: int) -> Any:
        """The membership as Kafka's transactions want it: with it a member that was left behind is refused.

        Raises StorageError where the partition is another's already.
        """
        # In this order: a membership that is newer than the loss of a partition must not vouch for it.
        found = self._consumer.group_metadata()
        with self._changed:
            ours = self._holds(partition)
        if not ours or found.generation_id < 0:
            raise StorageError(
                f"partition {partition} of {self._topic} is another worker's now",
                where=self._address.where,
                hint="nothing to do: that worker goes on from the last snapshot",
            )
        return found

    def wait(self, seconds: float) -> bool:
        """Wait for the first assignment; whether there was one."""
        with self._changed:
            return self._changed.wait_for(lambda: self._joined, seconds)

    def close(self) -> None:
        """Leave the group: what is ours goes to others at once."""
        with self._changed:
            self._closed = True
            self._releasing.clear()
            self._changed.notify_all()
        self._thread.join()

    def _holds(self, partition: int) -> bool:
        term = self._terms.get(partition, 0)
        ours = partition in self._owned or partition in self._releasing
        return ours and self._begun.get(partition, term) == term

    def _run(self) -> None:
        known = False
        while not self._closed:
            try:
                # Whoever leads the group with a topic that it does not know yet gives nobody anything, and may miss
                # that the topic came to be known meanwhile: a group with nothing to do, for good.
                if not known:
                    known = bool(self._consumer.partitions_for_topic(self._topic))
                    if not known:
                        time.sleep(POLL)
                        continue
                # Nothing is to be fetched: an assignment arrives paused, and polling only keeps the membership alive.
                self._consumer.poll(timeout_ms=int(POLL * 1000), max_records=1)
                self._pause()
                self.problem = None
            except Exception as error:
                if not isinstance(error, KafkaError):  # a fault of the client, which nobody else would hear of
                    logger.exception("the group's client failed", extra={"topic": self._topic})
                self.problem = kafka_client.explained(self._address, error)
                time.sleep(POLL)
        try:
            self._consumer.close(autocommit=False, timeout_ms=3_000)
        except KafkaError as error:
            self.problem = kafka_client.explained(self._address, error)

    def _pause(self) -> None:
        moving = [place for place in self._consumer.assignment() if place not in self._consumer.paused()]
        if moving:
            self._consumer.pause(*moving)

    def _assigned(self, places: Collection[TopicPartition]) -> None:
        with self._changed:
            for number in {place.partition for place in places} - self._owned:
                self._terms[number] = self._terms.get(number, 0) + 1
                self._owned.add(number)
            self._joined = True
            self._changed.notify_all()

    def _revoked(self, places: Collection[TopicPartition]) -> None:
        with self._changed:
            back = {place.partition for place in places} & self._owned
            self._owned -= back
            if self._closed:
                return
            self._releasing |= back
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._releasing or self._closed, self._release)
            self._releasing.clear()

    def _lost(self, places: Collection[TopicPartition]) -> None:
        with self._changed:
            self._owned -= {place.partition for place in places}
            self._changed.notify_all()


class _Owning(CooperativeStickyAssignor):  # type: ignore[misc]  # the client publishes no types
    """Tells the group which partitions a member has, and not which it was given last.

    kafka-python 3.0 tells the latter, also where they were lost since. Whoever leads then keeps them from others until
    they are given up, which nobody does who has them no more: they are nobody's, for good.
    """

    def __init__(self, owned: Callable[[], Iterable[TopicPartition]]) -> None:
        super().__init__()
        self._owned = owned

    def metadata(self, topics: Iterable[str]) -> Any:
        self.member_assignment = list(self._owned())
        return super().metadata(topics)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the client publishes no types
    def __init__(self, membership: Membership) -> None:
        self._membership = membership

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._membership._assigned(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._membership._revoked(revoked)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._membership._lost(lost)
