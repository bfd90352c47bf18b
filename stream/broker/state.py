"""Snapshots of tasks in a compacted topic: what belongs together is one transaction, and large rows are split."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from uuid import uuid4
from zlib import crc32

import msgspec
from kafka import KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, KafkaError
from kafka.structs import OffsetAndMetadata

from stream.broker import client as kafka_client
from stream.broker import transaction as kafka_transaction
from stream.broker.address import Address
from stream.broker.writer import answered
from stream.encryption.crypt import Crypt
from stream.errors import UNREADABLE, DamagedError, StorageError
from stream.log import Snapshot

logger = logging.getLogger("tocsin.kafka")

PART: Final = 256 * 1024 - 1024
"""Bytes of one record's content at most: a record is to stay below 256 KiB."""
BATCH: Final = 8 * 1024 * 1024
"""Bytes that are on their way at once at most."""
TRANSACTION_MS: Final = 10_000
"""Milliseconds after which the broker gives up the transaction of a writer that died in it."""
PATIENCE: Final = 120.0
"""Seconds without a record after which reading a snapshot gives up."""
META: Final = ""

_END: Final = b"\0"


class Row(msgspec.Struct, array_like=True):
    """One record: a part of a bucket, or of the meta with the position. `lineage` tells states of versions apart."""

    lineage: int
    version: int
    part: int
    parts: int
    content: bytes
    position: int = 0


class Fence(NamedTuple):
    """Who may save: the place whose owner a group names, and the proof that we still are the one it names."""

    topic: str
    partition: int
    proof: Callable[[int], Any]


class Size(NamedTuple):
    """Bytes of a task's snapshots: of all that a take-over reads, and of what the last one brought."""

    whole: int
    last: int


class _Known(NamedTuple):
    version: int
    lineage: int
    parts: dict[str, int]
    sizes: dict[str, int]


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Row).decode


class KafkaState:
    """The compacted topic of snapshots; safe to use from any thread.

    `fence` gives for a task what its group says; with it a writer that lost its partition, and does not know it yet,
    cannot save. `crypt` encrypts what is saved. `left` is how many records of the topic a take-over has still to read.
    """

    def __init__(
        self,
        address: Address,
        topic: str,
        partitions: int,
        fence: Callable[[str], Fence | None] | None = None,
        crypt: Crypt | None = None,
    ) -> None:
        self._address = address
        self._topic = topic
        self._partitions = partitions
        self._fence = fence
        self._crypt = crypt
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._sizes: dict[str, Size] = {}
        self.left = 0
        self._producer: KafkaProducer | None = None
        self._name = f"{topic}-{uuid4().hex}"

    def save(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; one of another version takes nothing over from the one before."""
        with self._lock:
            known = self._known.get(snapshot.task)
            rows: list[tuple[bytes, bytes | None]] = []
            if known is None or known.version != snapshot.version:
                before = list(self._rows(snapshot.task))
                last = max((row.lineage for _, row in before), default=0)
                known = _latest(before) if before else None
                if known is None or known.version != snapshot.version:
                    rows += [(key, None) for key, _ in before]
                    known = _Known(snapshot.version, last + 1, {}, {})
            parts, sizes = dict(known.parts), dict(known.sizes)
            for name, content in snapshot.buckets.items():
                rows += self._split(snapshot.task, name, content, known, parts)
            rows += self._split(snapshot.task, META, snapshot.meta, known, parts, snapshot.position)
            self._write(snapshot, rows)
            sizes[META] = len(snapshot.meta)
            for name, content in snapshot.buckets.items():
                sizes[name] = len(content or b"")
            self._known[snapshot.task] = known._replace(parts=parts, sizes=sizes)
            last = len(snapshot.meta) + sum(len(content or b"") for content in snapshot.buckets.values())
            self._sizes[snapshot.task] = Size(sum(sizes.values()), last)

    def load(self, task: str) -> Snapshot | None:
        """The last snapshot of a task, with every bucket it has; None before the first."""
        with self._lock:
            rows = list(self._rows(task))
            self._known.pop(task, None)
            if not rows:
                return None
            known = _latest(rows)
            pieces: dict[str, dict[int, Row]] = {}
            for key, row in rows:
                if row.lineage == known.lineage:
                    pieces.setdefault(_name(key, task), {})[row.part] = row
            sizes = {name: sum(len(row.content) for row in found.values()) for name, found in pieces.items()}
            self._known[task] = known._replace(sizes=sizes)
            self._sizes[task] = Size(sum(sizes.values()), 0)
        whole = {name: self._joined(task, name, found) for name, found in pieces.items()}
        meta = whole.pop(META)
        position = pieces[META][0].position
        return Snapshot(task, known.version, position, meta, dict(sorted(whole.items())))

    def size(self, task: str) -> Size:
        """Bytes of a task's snapshots, as far as they were loaded or saved here."""
        return self._sizes.get(task, Size(0, 0))

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            if self._producer is not None:
                kafka_client.end(self._producer, 1.0)
                self._producer = None

    def _split(
        self, task: str, name: str, content: bytes | None, known: _Known, parts: dict[str, int], position: int = 0
    ) -> Iterator[tuple[bytes, bytes | None]]:
        before = parts.pop(name, 1)
        if content is not None and self._crypt is not None:
            content = self._crypt.seal("state", f"{task} {name}", content)
        count = 0 if content is None else max(1, -(-len(content) // PART))
        if count > 1:
            parts[name] = count
        for part in range(max(before, count)):
            key = _key(task, name, part)
            if content is None or part >= count:
                yield key, None
            else:
                piece = content[part * PART : (part + 1) * PART]
                yield key, _ENCODE(Row(known.lineage, known.version, part, count, piece, position))

    def _write(self, snapshot: Snapshot, rows: list[tuple[bytes, bytes | None]]) -> None:
        fence = self._fence(snapshot.task) if self._fence is not None else None
        partition = self._partition(snapshot.task)
        try:
            producer = self._begun()
            producer.begin_transaction()
            sent: list[Any] = []
            size = 0
            for key, value in rows:
                sent.append(producer.send(self._topic, value, key=key, partition=partition))
                size += len(value or b"")
                if size >= BATCH:
                    producer.flush(timeout=kafka_transaction.LIMIT)
                    size = 0
            producer.flush(timeout=kafka_transaction.LIMIT)
            # Before the commit, which returns normally where the broker had given the transaction up.
            answered(sent)
            if fence is not None:
                place = TopicPartition(fence.topic, fence.partition)
                offsets = {place: OffsetAndMetadata(snapshot.position, "", -1)}
                kafka_transaction.send_offsets(producer, offsets, fence.proof(fence.partition))
            kafka_transaction.commit(producer)
        except StorageError:
            self._give_up(abort=True)
            raise
        except KafkaError as error:
            self._give_up(abort=isinstance(error, CommitFailedError))
            raise StorageError(
                f"the snapshot of {snapshot.task} was not taken ({type(error).__name__}: {error})",
                where=self._address.where,
                hint="it is made again; where another worker has taken over, this one lets go by itself",
            ) from error

    def _give_up(self, *, abort: bool) -> None:
        """Begin with a new producer the next time.

        A transaction that is still good is taken back, since nobody reads beyond it while it is open; after other
        errors that may wait for ever, and the broker takes it back when its time is over.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            if abort:
                kafka_transaction.abort(producer)
        except KafkaError:
            logger.info("a transaction was left to its end", extra={"topic": self._topic})
        finally:
            kafka_client.end(producer, 1.0 if abort else 0.0)

    def _begun(self) -> KafkaProducer:
        if self._producer is None:
            producer = kafka_client.producer(
                self._address,
                transactional_id=self._name,
                transaction_timeout_ms=TRANSACTION_MS,
                delivery_timeout_ms=TRANSACTION_MS,
                request_timeout_ms=5_000,
                retry_backoff_ms=5,
            )
            self._producer = producer  # before anything can go wrong, so that it is given back
            producer.init_transactions()
        return self._producer

    def _rows(self, task: str) -> Iterator[tuple[bytes, Row]]:
        """The live rows of a task, however many writers there were before."""
        place = TopicPartition(self._topic, self._partition(task))
        prefix = task.encode() + _END
        rows: dict[bytes, bytes] = {}
        reader = kafka_client.consumer(self._address, isolation_level="read_committed")
        try:
            with kafka_client.guarded(self._address):
                # What a writer left open that died ends here too: only then is it known what was committed behind it.
                with_open = self._end(place)
                reader.assign([place])
                reader.seek_to_beginning(place)
                heard = time.monotonic()
                while (left := with_open - reader.position(place, timeout_ms=10_000)) > 0:
                    self.left = left
                    fetched = reader.poll(timeout_ms=200, max_records=10_000)
                    for message in fetched.get(place, ()):
                        if not message.key.startswith(prefix):
                            continue
                        if message.value is None:
                            rows.pop(message.key, None)
                        else:
                            rows[message.key] = message.value
                    if fetched:
                        heard = time.monotonic()
                    elif time.monotonic() - heard > PATIENCE:
                        raise StorageError(
                            f"the snapshot of {task} cannot be read to its end",
                            where=self._address.where,
                            hint="look at the brokers; it is tried again by itself",
                        )
        finally:
            self.left = 0
            reader.close()
        for key, value in rows.items():
            try:
                yield key, _DECODE(value)
            except UNREADABLE as error:
                raise self._damaged(task, f"a row cannot be read ({error})") from error

    def _end(self, place: Any) -> int:
        asker = kafka_client.consumer(self._address)
        try:
            return int(asker.end_offsets([place], timeout_ms=10_000)[place])
        finally:
            asker.close()

    def _joined(self, task: str, name: str, found: dict[int, Row]) -> bytes:
        parts = found[0].parts if 0 in found else len(found) + 1
        if any(part not in found for part in range(parts)):
            raise self._damaged(task, f"the bucket {name!r} lacks a part")
        content = b"".join(found[part].content for part in range(parts))
        return content if self._crypt is None else self._crypt.open("state", f"{task} {name}", content)

    def _damaged(self, task: str, what: str) -> DamagedError:
        hint = "delete the topic and make it anew with `tocsin topics --create`; the state is rebuilt from the log"
        return DamagedError(f"the snapshot of {task}: {what}", where=self._topic, hint=hint)

    def _partition(self, task: str) -> int:
        number = task.rpartition("/")[2]
        return (int(number) if number.isdigit() else crc32(task.encode())) % self._partitions


def _latest(rows: list[tuple[bytes, Row]]) -> _Known:
    lineage = max(row.lineage for _, row in rows)
    own = [(key, row) for key, row in rows if row.lineage == lineage]
    parts = {}
    for key, row in own:
        if row.parts > 1:
            parts[_name(key, key.split(_END, 1)[0].decode())] = row.parts
    return _Known(own[0][1].version, lineage, parts, {})


def _key(task: str, name: str, part: int) -> bytes:
    key = task.encode() + _END + name.encode()
    return key if part == 0 else key + _END + str(part).encode()


def _name(key: bytes, task: str) -> str:
    return key[len(task.encode()) + 1 :].split(_END, 1)[0].decode()
