"""Looking through a stream on Kafka by event time, all partitions together, beside those who read it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from heapq import merge
from typing import Any, Final, NamedTuple

from kafka import KafkaConsumer, TopicPartition

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.broker.record import believed, decode
from stream.broker.rest import shown
from stream.clock import AHEAD
from stream.errors import DamagedError, StorageError
from stream.frame import Keys, Record

CHUNK: Final = 64
"""Offsets that are read at once."""
PATIENCE_MS: Final = 10_000


def within(
    address: Address,
    topic: str,
    partitions: int,
    since: float,
    until: float,
    *,
    newest_first: bool,
    keys: Keys | None = None,
) -> Iterator[Record]:
    """Frames with event times in `[since, until)`, by receipt, or against it; records that are no frames are left out.

    What was appended more than a minute before `since` has no such event and is not read. `keys` go with the frames, to
    undo their encryption. Raises StorageError.
    """
    with _lanes(address, topic, partitions, since - AHEAD, newest_first=newest_first, keys=keys) as lanes:
        for record in merge(*lanes, key=_received, reverse=newest_first):
            header = record.frame.header
            if header.last > 0 and header.last >= since and header.first < until:
                yield record


def since(
    address: Address, topic: str, partitions: int, moment: float, *, keys: Keys | None = None
) -> Iterator[Record]:
    """Every frame that was appended from a moment on, by receipt, as one partition would have it.

    Facts and ticks, which stand in all partitions, come once. Raises StorageError.
    """
    with _lanes(address, topic, partitions, moment, newest_first=False, keys=keys) as lanes:
        first, *others = lanes
        yield from merge(first, *(filter(_of_events, lane) for lane in others), key=_received)


@contextmanager
def _lanes(
    address: Address, topic: str, partitions: int, moment: float, *, newest_first: bool, keys: Keys | None
) -> Iterator[list[Iterator[Record]]]:
    """For each partition what was appended from a moment on."""
    places = [TopicPartition(topic, number) for number in range(partitions)]
    consumer = kafka_client.consumer(address)
    try:
        with kafka_client.guarded(address):
            ends = consumer.end_offsets(places, timeout_ms=PATIENCE_MS)
            asked = dict.fromkeys(places, max(0, int(moment * 1000)))
            starts = consumer.offsets_for_times(asked, timeout_ms=PATIENCE_MS)
        yield [
            _lane(_Source(address, consumer, place, keys), starts[place].offset, ends[place], newest_first)
            if starts.get(place) is not None
            else iter(())
            for place in places
        ]
    finally:
        consumer.close()


class _Source(NamedTuple):
    address: Address
    consumer: KafkaConsumer
    place: Any
    keys: Keys | None


def _lane(source: _Source, start: int, end: int, newest_first: bool) -> Iterator[Record]:
    replaced: set[int] = set()
    for begin in range(start, end, CHUNK)[:: -1 if newest_first else 1]:
        records = _chunk(source, begin, min(begin + CHUNK, end))
        for offset, record in records[:: -1 if newest_first else 1]:
            if record.offset != offset:
                # What is left of a frame: until the brokers took the whole one away there are both.
                replaced.add(record.offset)
            elif offset in replaced:
                continue
            yield record


def _chunk(source: _Source, begin: int, end: int) -> Sequence[tuple[int, Record]]:
    """What stands between two offsets, each with its own."""
    address, consumer, place, keys = source
    found: list[tuple[int, Record]] = []
    with kafka_client.guarded(address):
        consumer.assign([place])
        consumer.seek(place, begin)
        while consumer.position(place, timeout_ms=PATIENCE_MS) < end:
            messages = consumer.poll(timeout_ms=PATIENCE_MS, max_records=CHUNK).get(place)
            if not messages:
                raise StorageError(
                    f"Kafka did not give what it has of {place.topic}/{place.partition} at {begin}",
                    where=address.where,
                    hint="look at the brokers, and ask again",
                )
            for message in messages:
                if message.offset >= end:
                    return found
                if message.value is None:
                    continue  # nothing is left of the one whose place it takes
                try:
                    frame = believed(decode(message.value, keys), message.timestamp / 1000, AHEAD)
                    found.append((message.offset, shown(Record(message.offset, frame))))
                except DamagedError:
                    continue  # it lies among the dead letters
    return found


def _of_events(record: Record) -> bool:
    return record.frame.header.content == "events"


def _received(record: Record) -> float:
    return record.frame.header.received
