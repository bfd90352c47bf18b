"""A log on Kafka under a master key: the brokers hold ciphertext, and every process with the key reads it."""

import secrets
from collections.abc import Callable

import msgspec
import pytest
from kafka import TopicPartition

from stream.broker import client as kafka_client
from stream.broker.address import Address
from stream.broker.record import MAGIC, believed, decode, encode
from stream.encryption.carried import CarriedKeys
from stream.encryption.crypt import Crypt
from stream.encryption.keys import Master, new_master
from stream.errors import ConfigError, DamagedError
from stream.frame import Frame, Header, pack, unpack
from stream.kafka import KafkaLog
from stream.log import EVENTS, FINDINGS, Snapshot, Stream
from tests.services.kafka import fresh_log

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

SECRET = b'{"time":5.0,"server":"s","method":"m","user":"very-secret-alice"}'
NOW = 1_795_154_400.0

Keyed = Callable[[], Crypt]


@pytest.fixture
def address(kafka_server: str) -> Address:
    return fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)


@pytest.fixture
def keyed() -> Keyed:
    """The keys of one more process with the same master key."""
    master = Master(new_master())
    return lambda: Crypt(CarriedKeys(master), NOW)


def raw(address: Address) -> bytes:
    """Every key and value that the brokers hold of a log."""
    consumer = kafka_client.consumer(address)
    found: list[bytes] = []
    try:
        for name in ("events", "findings", "state", "wide", "peers", "dead"):
            topic = f"{address.prefix}.{name}"
            for number in consumer.partitions_for_topic(topic) or ():
                place = TopicPartition(topic, number)
                end = consumer.end_offsets([place])[place]
                consumer.assign([place])
                consumer.seek_to_beginning(place)
                while consumer.position(place, timeout_ms=60_000) < end:
                    for message in consumer.poll(timeout_ms=1000).get(place, ()):
                        found += [message.key or b"", message.value or b""]
    finally:
        consumer.close()
    return b"\n".join(found)


def frame() -> Frame:
    return pack(Header(received=NOW, count=1, first=NOW, last=NOW, source="key"), SECRET)


def test_brokers_hold_nothing_in_plain_and_another_process_reads_all_of_it(address: Address, keyed: Keyed) -> None:
    with KafkaLog(address, crypt=keyed()) as log:
        for stream in (EVENTS, FINDINGS, Stream("events", 1)):
            log.append(stream, frame()).result(60)
        log.save(Snapshot("detect/0", 1, 1, SECRET, {"bucket": SECRET * 10_000}))
    held = raw(address)
    assert len(held) > 600
    assert b"very-secret" not in held
    with KafkaLog(address, crypt=keyed(), bury=True) as log:
        for stream in (EVENTS, FINDINGS, Stream("events", 1)):
            (record,) = log.read(stream, 0, wait=60.0)
            assert unpack(record.frame) == SECRET
        assert [unpack(record.frame) for record in log.within(EVENTS, NOW, NOW + 1)] == [SECRET] * 2
        snapshot = log.load("detect/0")
        assert snapshot is not None
        assert (snapshot.meta, snapshot.buckets) == (SECRET, {"bucket": SECRET * 10_000})
        assert log.dead_letters.count == 0


def test_a_master_that_is_not_there_stops_the_reader_and_buries_nothing(address: Address, keyed: Keyed) -> None:
    with KafkaLog(address, crypt=keyed()) as log:
        log.append(EVENTS, frame()).result(60)
    other = Crypt(CarriedKeys(Master(new_master())), NOW)
    with KafkaLog(address, crypt=other, bury=True) as log:
        with pytest.raises(ConfigError, match="not there") as caught:
            log.read(EVENTS, 0, wait=60.0)
        assert "encrypt.previous" in caught.value.hint
        assert log.dead_letters.count == 0


def test_a_record_that_somebody_changed_becomes_a_dead_letter(address: Address, keyed: Keyed) -> None:
    with KafkaLog(address, crypt=keyed()) as log:
        log.append(EVENTS, frame()).result(60)
        value = bytearray(encode(log.read(EVENTS, 0, wait=60.0)[0].frame))
    value[-1] ^= 1
    producer = kafka_client.producer(address)
    producer.send(f"{address.prefix}.events", bytes(value), partition=1).get(60)
    producer.close()
    with KafkaLog(address, crypt=keyed(), bury=True) as log:
        assert log.read(Stream("events", 1), 0) == ()
        assert log.dead_letters.count == 1


def test_a_listener_whose_clock_is_ahead_is_read_all_the_same(keyed: Keyed) -> None:
    crypt = keyed()
    found = believed(decode(encode(crypt.sealed(frame())), crypt), NOW - 3600, 60.0)
    assert found.header.received == NOW - 3600
    assert unpack(found) == SECRET


def test_a_wrapped_key_that_was_changed_is_damage_and_not_a_missing_master(keyed: Keyed) -> None:
    crypt = keyed()
    sealed = crypt.sealed(frame())
    assert sealed.header.key_id is not None
    turned = msgspec.structs.replace(sealed.header, key_id=sealed.header.key_id[:-5] + "AAAA=")
    with pytest.raises(DamagedError):
        unpack(Frame(turned, sealed.payload, None, crypt))
    assert encode(sealed).startswith(MAGIC)
