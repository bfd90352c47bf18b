"""The log on Kafka: the same contract as the embedded one, with as many partitions and processes as you like."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self

from stream.broker import topics as kafka_topics
from stream.broker.address import Address
from stream.broker.dead import DeadLetters
from stream.broker.reader import KafkaReader
from stream.broker.record import check, encode, fresh_key
from stream.broker.search import since, within
from stream.broker.state import Fence, KafkaState, Size
from stream.broker.writer import PATIENCE, KafkaWriter
from stream.encryption.crypt import Crypt
from stream.errors import DamagedError, StorageError, TocsinError
from stream.frame import Frame, Record
from stream.log import EVENTS, FINDINGS, PEERS, WIDE, Snapshot, Stream
from stream.salt import salted

STREAMS: Final = (EVENTS.name, FINDINGS.name, WIDE, PEERS)


class KafkaLog:
    """The `Log` contract on Kafka: a topic for each named stream, a compacted one for snapshots.

    `partitions` is how many `events` has. With `bury` a record that cannot be read goes to the dead letters with the
    reason and is passed over; without, it raises DamagedError for whoever reads it. `fence` says for a task whose
    group vouches for who saves its snapshots. `salt` makes a new salt for each payload (see `stream.salt`).
    `crypt` encrypts what is written, so that neither broker nor disk can read it, and decrypts what is read.
    `patience` is the seconds after which a frame is refused that no broker has taken.
    """

    def __init__(
        self,
        address: Address,
        *,
        fence: Callable[[str], Fence | None] | None = None,
        bury: bool = False,
        salt: Callable[[], bytes] | None = None,
        crypt: Crypt | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.address = address
        self.crypt = crypt
        self._salt = salt
        self._bury = bury
        self._buried: set[tuple[Stream, int]] = set()
        self._counts: dict[str, int] = {}
        with ExitStack() as resources:
            self._writer = KafkaWriter(address, patience=patience)
            resources.callback(self._writer.close)
            self.dead_letters = DeadLetters(address, self._writer)
            self._reader = KafkaReader(address, self.topic, self.dead_letters.bury if bury else None, crypt)
            resources.callback(self._reader.close)
            for name in (*STREAMS, kafka_topics.STATE):
                self._counts[name] = self._count(name)
            counted = self._counts[kafka_topics.STATE]
            self._state = KafkaState(address, self._topic(kafka_topics.STATE), counted, fence, crypt)
            resources.callback(self._state.close)
            self._resources = resources.pop_all()

    @property
    def partitions(self) -> int:
        """How many partitions the events have."""
        return self._counts[EVENTS.name]

    @property
    def in_flight(self) -> int:
        """Bytes that the brokers have not answered for yet."""
        return self._writer.in_flight

    @property
    def restoring(self) -> int:
        """Records of snapshots that a take-over has still to read."""
        return self._state.left

    def size(self, task: str) -> Size:
        """Bytes of a task's snapshots, as far as they were loaded or saved here."""
        return self._state.size(task)

    @property
    def problem(self) -> TocsinError | None:
        """Why there is a partition that nothing can be written to now; None where all is well."""
        return self._writer.problem

    def append(self, stream: Stream, frame: Frame) -> Future[int]:
        """Add a frame; see `Log.append`."""
        return self.put(stream, self.prepared(frame), fresh_key())

    def prepared(self, frame: Frame) -> Frame:
        """A frame as it is written: salted and encrypted."""
        whole = frame if self._salt is None else salted(frame, self._salt())
        return whole if self.crypt is None else self.crypt.sealed(whole)

    def put(self, stream: Stream, frame: Frame | None, key: bytes) -> Future[int]:
        """Write a prepared frame, or None, in the place of whatever else has the key, once brokers compact."""
        value = None if frame is None else encode(frame)
        return self._writer.append(self._known(stream), stream.partition, value, key)

    def read(self, stream: Stream, position: int, *, limit: int = 64, wait: float = 0.0) -> Sequence[Record]:
        """Durable frames from a position on; see `Log.read`."""
        self._known(stream)
        while True:
            records = self._reader.read(stream, position, limit, wait)
            if not self._bury or not records:
                return records
            sound = [record for record in records if self._sound(stream, record)]
            if sound:
                return sound
            position = records[-1].offset + 1

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; see `Log.save`."""
        self._state.save(snapshot)

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task; see `Log.load`."""
        return self._state.load(task)

    def within(self, stream: Stream, since: float, until: float, *, newest_first: bool = False) -> Iterator[Record]:
        """Durable frames of all partitions with event times in `[since, until)`, by receipt or against it."""
        topic, partitions = self._known(stream), self._counts[stream.name]
        return within(self.address, topic, partitions, since, until, newest_first=newest_first, keys=self.crypt)

    def since(self, stream: Stream, moment: float) -> Iterator[Record]:
        """Every durable frame that was appended from a moment on, all partitions together, by receipt."""
        return since(self.address, self._known(stream), self._counts[stream.name], moment, keys=self.crypt)

    def end(self, stream: Stream) -> int:
        """The offset that the next durable frame of a stream will have."""
        self._known(stream)
        return self._reader.end(stream)

    def begin(self, stream: Stream) -> int:
        """The offset of the oldest frame that is still there."""
        self._known(stream)
        return self._reader.begin(stream)

    def moved(self, since: int, wait: float) -> int:
        """A number that changes when frames arrive; waits up to `wait` seconds until it is not `since`."""
        return self._reader.moved(since, wait)

    def forget(self, stream: Stream) -> None:
        """Say that nobody here reads a partition any more."""
        self._reader.forget(stream)

    def topic(self, stream: Stream) -> str:
        """The topic of a stream."""
        return self._topic(stream.name)

    def close(self) -> None:
        """Make durable what was appended, and let waiting readers go."""
        self._resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _sound(self, stream: Stream, record: Record) -> bool:
        """Whether a frame's payload is what it should be; if not it is buried, once in a process."""
        try:
            check(record.frame)
        except DamagedError as error:
            if (stream, record.offset) not in self._buried:
                self.dead_letters.bury(stream, record.offset, encode(record.frame), error.what)
                self._buried.add((stream, record.offset))
            return False
        return True

    def _topic(self, name: str) -> str:
        return f"{self.address.prefix}.{name}"

    def _count(self, name: str) -> int:
        count = self._reader.partitions(self._topic(name))
        if not count:
            raise StorageError(
                f"Kafka has no topic {self._topic(name)}",
                where=self.address.where,
                hint="make the topics with `tocsin topics --create`",
            )
        return count

    def _known(self, stream: Stream) -> str:
        if stream.partition >= self._counts.get(stream.name, 0):
            raise StorageError(
                f"there is no partition {stream.partition} of {stream.name!r}",
                where=self.address.where,
                hint=f"{stream.name!r} has {self._counts.get(stream.name, 0)} partitions here (`tocsin topics`)",
            )
        return self._topic(stream.name)
