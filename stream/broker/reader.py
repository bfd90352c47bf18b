"""Reading from Kafka: one thread fetches ahead of all readers, partition by partition."""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Final

from kafka import TopicPartition

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.broker.record import believed, decode
from stream.clock import AHEAD
from stream.errors import DamagedError, StorageError, TocsinError
from stream.frame import Keys, Record
from stream.log import Stream

KEPT: Final = 256
"""Frames of a partition that are kept, read or not."""
FRAMES_AHEAD: Final = 128
BYTES_AHEAD: Final = 16 * 1024 * 1024
"""Beyond so much that nobody has read yet a partition is not fetched further."""
LEAST: Final = 0.25
POLL: Final = 0.05
"""Seconds of one look for data, after which new readers get their turn."""
BEHIND: Final = 5.0
"""Seconds for which readers further ahead wait for one that reads what lies behind what is kept."""
PATIENCE: Final = 30.0
"""Seconds within which what is known to be there must come."""

Poison = Callable[[Stream, int, bytes, str], None]
"""What to do about a record that is no frame: its place, its value, and why. After it the record is passed over."""

_OFFSET: Final = attrgetter("offset")


class _Lane:
    """What was fetched of one partition: every frame with `begin <= offset < next`, and how far somebody has read."""

    def __init__(self, position: int) -> None:
        self.sought: int | None = None
        self.held = False
        self.bad: DamagedError | None = None
        self.behind = 0.0
        self.start(position)

    def start(self, position: int) -> None:
        """Begin anew at a position."""
        self.sought = self.begin = self.next = self.furthest = position
        self.records: list[Record] = []
        self.bad = None

    def since(self, position: int, limit: int) -> list[Record] | None:
        """The frames from a position on; None where it is not among what is kept."""
        if not self.begin <= position <= self.next:
            return None
        first = bisect_left(self.records, position, key=_OFFSET)
        found = self.records[first : first + limit]
        if found:
            self.furthest = max(self.furthest, found[-1].offset + 1)
        elif self.bad is not None and position <= self.next:
            raise self.bad
        return found

    def hold(self) -> bool:
        """Whether enough is there that nobody has read; then it goes on only when a quarter of that is left."""
        unread = self.records[bisect_left(self.records, self.furthest, key=_OFFSET) :]
        share = max(len(unread) / FRAMES_AHEAD, sum(len(record.frame.payload) for record in unread) / BYTES_AHEAD)
        self.held = self.bad is not None or share >= (LEAST if self.held else 1.0)
        return self.held

    def add(self, records: Sequence[Record], end: int) -> None:
        """Take in what follows, up to before `end`, and let go of the oldest that was read."""
        self.records += records
        self.next = end
        spare = min(len(self.records) - KEPT, bisect_left(self.records, self.furthest, key=_OFFSET))
        if spare > 0:
            self.begin = self.records[spare - 1].offset + 1
            del self.records[:spare]


class KafkaReader:
    """Serves readers of any partitions from one consumer without a group.

    `poison` is told of records that are no frames; without it they raise DamagedError for whoever comes to them.
    `keys` go with the frames, to undo their encryption.
    """

    def __init__(
        self,
        address: Address,
        topic: Callable[[Stream], str],
        poison: Poison | None = None,
        keys: Keys | None = None,
    ) -> None:
        self._address = address
        self._topic = topic
        self._poison = poison
        self._keys = keys
        self._lanes: dict[Stream, _Lane] = {}
        self._grown = threading.Condition()
        self._count = 0
        self._closed = False
        self._problem: TocsinError | None = None
        self._asking = threading.Lock()
        self._asker = kafka_client.consumer(address)
        self._consumer = kafka_client.consumer(
            address, fetch_max_wait_ms=int(POLL * 1000), max_poll_records=KEPT, fetch_max_bytes=2 * BYTES_AHEAD
        )
        self._thread = threading.Thread(target=self._run, name="kafka reader", daemon=True)
        self._thread.start()

    def read(self, stream: Stream, position: int, limit: int, wait: float) -> Sequence[Record]:
        """Durable frames from a position on; see `Log.read`."""
        with self._grown:
            found = self._found(stream, position, limit)
            if found:
                return found
            if wait > 0:
                return self._await(stream, position, limit, wait) or ()
        end = self.end(stream)
        if end <= position:
            return ()
        with self._grown:
            found = self._await(stream, position, limit, PATIENCE, end)
        if found is None:
            raise self._problem or StorageError(
                f"Kafka did not give what it has of {self._topic(stream)}/{stream.partition} at {position}",
                where=self._address.where,
                hint="look at the brokers; it is tried again by itself",
            )
        return found

    def end(self, stream: Stream) -> int:
        """The offset that the next durable frame of a stream will have."""
        place = TopicPartition(self._topic(stream), stream.partition)
        with self._asking, kafka_client.guarded(self._address):
            return int(self._asker.end_offsets([place], timeout_ms=15_000)[place])

    def begin(self, stream: Stream) -> int:
        """The offset of the oldest frame that retention has left."""
        place = TopicPartition(self._topic(stream), stream.partition)
        with self._asking, kafka_client.guarded(self._address):
            return int(self._asker.beginning_offsets([place], timeout_ms=15_000)[place])

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has; 0 where there is no such topic."""
        with self._asking, kafka_client.guarded(self._address):
            return len(self._asker.partitions_for_topic(topic) or ())

    def moved(self, since: int, wait: float) -> int:
        """A number that grows with everything that is fetched; waits up to `wait` seconds until it is not `since`."""
        with self._grown:
            self._grown.wait_for(lambda: self._count != since or self._closed, wait)
            return self._count

    def forget(self, stream: Stream) -> None:
        """Fetch a partition no more."""
        with self._grown:
            self._lanes.pop(stream, None)

    def close(self) -> None:
        """Let waiting readers go, and end."""
        with self._grown:
            self._closed = True
            self._grown.notify_all()
        self._thread.join()
        with self._asking:
            self._asker.close()

    def _found(self, stream: Stream, position: int, limit: int) -> list[Record] | None:
        lane = self._lanes.get(stream)
        if lane is None:
            lane = self._lanes[stream] = _Lane(position)
            self._grown.notify_all()
        found = lane.since(position, limit)
        now = time.monotonic()
        if found is None:
            if position < lane.begin:
                lane.behind = now
            elif lane.behind and now - lane.behind < BEHIND:
                return []  # what somebody else reads leads there
            lane.start(position)
        elif lane.behind:
            lane.behind = now
        elif found and lane.held:
            self._grown.notify_all()
        return found

    def _await(
        self, stream: Stream, position: int, limit: int, wait: float, end: int | None = None
    ) -> list[Record] | None:
        """Frames from a position on as soon as there are any, none where all up to `end` was passed over."""
        until = time.monotonic() + wait
        while not self._closed:
            found = self._found(stream, position, limit)
            if found or (found is not None and end is not None and self._lanes[stream].next >= end):
                return found
            left = until - time.monotonic()
            if left <= 0:
                return None
            self._grown.wait(left)
        return None

    def _run(self) -> None:
        while not self._closed:
            try:
                self._look()
            except Exception as error:  # noqa: BLE001  # the thread must live on, and who waits for it is told
                self._problem = (
                    error if isinstance(error, TocsinError) else kafka_client.explained(self._address, error)
                )
                with self._grown:
                    for lane in self._lanes.values():
                        lane.sought = lane.next  # what was fetched, and not taken, is fetched again
                time.sleep(POLL)
        self._consumer.close()

    def _look(self) -> None:
        """Take what has come of what the readers ask for; where that is nothing, wait until they ask."""
        with self._grown:
            self._grown.wait_for(lambda: self._closed or self._lanes)
            lanes = dict(self._lanes)
            if self._closed or not self._follow(lanes):
                self._grown.wait(POLL)
                return
        for place, messages in self._consumer.poll(timeout_ms=int(POLL * 1000)).items():
            self._take(place, messages, lanes)

    def _follow(self, lanes: dict[Stream, _Lane]) -> bool:
        """Fetch what the lanes ask for from here on; whether there is any.

        A lane that is full is taken out of the assignment: kafka-python 3.0 forgets to go on with what it had fetched
        of a partition that was paused.
        """
        places = {
            TopicPartition(self._topic(stream), stream.partition): lane
            for stream, lane in lanes.items()
            if not lane.hold()
        }
        changed = set(self._consumer.assignment()) != set(places)
        if changed:
            self._consumer.assign(list(places))
        for place, lane in places.items():
            if changed or lane.sought is not None:
                self._consumer.seek(place, lane.next)
                lane.sought = None
        return bool(places)

    def _take(self, place: Any, messages: list[Any], lanes: dict[Stream, _Lane]) -> None:
        stream = next(s for s in lanes if (self._topic(s), s.partition) == (place.topic, place.partition))
        records: list[Record] = []
        bad: DamagedError | None = None
        for message in messages:
            if message.value is None:
                continue  # it takes another one's place, of which nothing is left (see `stream.kafka_removing`)
            try:
                frame = believed(decode(message.value, self._keys), message.timestamp / 1000, AHEAD)
            except DamagedError as error:
                if self._poison is None:
                    bad = DamagedError(
                        error.what,
                        where=f"{place.topic}/{place.partition} at {message.offset}",
                        hint="look at it with `tocsin deadletter list`; something else may write to this topic",
                    )
                    break
                self._poison(stream, message.offset, message.value or b"", error.what)
            else:
                records.append(Record(message.offset, frame))
        with self._grown:
            lane = lanes[stream]
            # A reader may have asked for another place meanwhile; then this is not what follows.
            if self._lanes.get(stream) is lane and lane.sought is None:
                last = records[-1].offset + 1 if bad is not None and records else lane.next
                lane.add(records, messages[-1].offset + 1 if bad is None else last)
                lane.bad = bad
                self._count += 1
                self._problem = None
                self._grown.notify_all()
