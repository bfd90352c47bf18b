"""Dead letters: records that could not be read, kept with the place they stood at and the reason."""

from collections.abc import Iterator
from typing import Final

import msgspec
from kafka import TopicPartition

from stream.broker import client as kafka_client
from stream.broker import topics as kafka_topics
from stream.broker.address import Address
from stream.broker.record import fresh_key
from stream.broker.writer import KafkaWriter
from stream.errors import RejectedError
from stream.log import Stream

PATIENCE: Final = 30.0
"""Seconds within which a dead letter must be durable before its record is passed over."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that was passed over: where it stood, why, and its value as it was."""

    stream: str
    partition: int
    offset: int
    reason: str
    value: bytes

    @property
    def name(self) -> str:
        """What it is called: its place."""
        return f"{self.stream}/{self.partition}/{self.offset}"


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(DeadLetter).decode


class DeadLetters:
    """The topic of dead letters: one for each place, however often it is come by."""

    def __init__(self, address: Address, writer: KafkaWriter) -> None:
        self._address = address
        self._topic = f"{address.prefix}.{kafka_topics.DEAD}"
        self._writer = writer
        self.count = 0

    def bury(self, stream: Stream, offset: int, value: bytes, reason: str) -> None:
        """Keep a record that is about to be passed over. Raises StorageError where that is not durable."""
        letter = DeadLetter(stream.name, stream.partition, offset, reason[:500], value)
        self._writer.append(self._topic, 0, _ENCODE(letter), letter.name.encode()).result(PATIENCE)
        self.count += 1

    def all(self) -> Iterator[DeadLetter]:
        """Every dead letter, in the order in which they were first come by."""
        place = TopicPartition(self._topic, 0)
        found: dict[str, DeadLetter] = {}
        consumer = kafka_client.consumer(self._address)
        try:
            with kafka_client.guarded(self._address):
                end = consumer.end_offsets([place], timeout_ms=10_000)[place]
                consumer.assign([place])
                consumer.seek_to_beginning(place)
                while consumer.position(place, timeout_ms=10_000) < end:
                    for message in consumer.poll(timeout_ms=500).get(place, ()):
                        if message.value is None:
                            found.pop(message.key.decode(), None)
                        else:
                            letter = _DECODE(message.value)
                            found.setdefault(letter.name, letter)
        finally:
            consumer.close()
        yield from found.values()

    def find(self, name: str) -> DeadLetter:
        """The dead letter of a name. Raises RejectedError where there is none."""
        for letter in self.all():
            if letter.name == name:
                return letter
        raise RejectedError("there is no such dead letter", where=name, hint="`tocsin deadletter list` shows them all")

    def replay(self, letter: DeadLetter) -> int:
        """Append a dead letter's record again where it came from, and forget it; its new offset.

        Where it still cannot be read it becomes a dead letter again, at its new place.
        """
        topic = f"{self._address.prefix}.{letter.stream}"
        offset = self._writer.append(topic, letter.partition, letter.value, fresh_key()).result(PATIENCE)
        self.forget(letter)
        return offset

    def forget(self, letter: DeadLetter) -> None:
        """Remove a dead letter."""
        self._writer.append(self._topic, 0, None, letter.name.encode()).result(PATIENCE)
