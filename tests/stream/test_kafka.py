"""What the log on Kafka does beyond the contract: bounds, poison, clocks, fences, topics."""

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.producer.transaction_manager import TransactionalRequestResult, TransactionManager

from stream.broker import client as kafka_client
from stream.broker import mend as kafka_mend
from stream.broker import topics as kafka_topics
from stream.broker import transaction as kafka_transaction
from stream.broker.address import Address, parse_address
from stream.broker.group import Membership
from stream.broker.reader import KafkaReader
from stream.broker.record import MAGIC, encode
from stream.broker.state import Fence
from stream.broker.writer import KafkaWriter
from stream.control import Warmth, control_frame
from stream.errors import DamagedError, FullError, RejectedError, StorageError
from stream.frame import Frame, Header, Record, pack
from stream.kafka import KafkaLog
from stream.log import EVENTS, Snapshot, Stream
from tests.services.kafka import fresh_log

pytestmark = [pytest.mark.kafka, pytest.mark.xdist_group("kafka")]

FrameOf = Callable[..., Frame]


@pytest.fixture
def address(kafka_server: str) -> Address:
    """A log of two partitions that nobody else has."""
    return fresh_log(kafka_server, f"t{secrets.token_hex(6)}", 2)


@pytest.fixture
def burying(address: Address) -> Iterator[KafkaLog]:
    """A log whose unreadable records become dead letters."""
    with KafkaLog(address, bury=True) as opened:
        yield opened


def put(address: Address, value: bytes, partition: int = 0) -> int:
    """Write a raw value as somebody else might."""
    producer = kafka_client.producer(address)
    try:
        return int(producer.send(f"{address.prefix}.events", value, partition=partition).get(10).offset)
    finally:
        producer.close()


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def test_partitions_are_apart_and_one_too_many_is_refused(address: Address, frame_of: FrameOf) -> None:
    with KafkaLog(address) as log:
        log.append(Stream("events", 1), frame_of(1)).result(10)
        assert log.read(EVENTS, 0) == ()
        assert len(log.read(Stream("events", 1), 0)) == 1
        with pytest.raises(StorageError, match="no partition 2"):
            log.append(Stream("events", 2), frame_of(1))


def test_a_log_without_topics_says_how_to_make_them(kafka_server: str) -> None:
    with pytest.raises(StorageError, match="tocsin topics --create"):
        KafkaLog(parse_address(f"kafka://{kafka_server}/nothing-here", {}))


def test_what_waits_for_a_broker_is_bounded(address: Address) -> None:
    writer = KafkaWriter(address, in_flight=1000)
    try:
        futures = [writer.append(f"{address.prefix}.events", 0, bytes(600)) for _ in range(50)]
        refused = [future for future in futures if isinstance(future.exception(20), FullError)]
        assert refused, "fifty times 600 bytes do not fit into a thousand"
        assert futures[0].exception(20) is None
        until(lambda: writer.in_flight == 0)
        assert writer.append(f"{address.prefix}.events", 0, bytes(600)).exception(20) is None
    finally:
        writer.close()


def test_a_record_too_large_is_refused_and_those_after_it_are_taken(address: Address) -> None:
    writer = KafkaWriter(address)
    try:
        topic = f"{address.prefix}.events"
        with pytest.raises(StorageError, match="larger than Kafka takes"):
            writer.append(topic, 0, secrets.token_bytes(kafka_client.LARGEST + 1)).result(30)
        assert writer.append(topic, 0, b"small").result(30) >= 0
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"what is this", "no frame"),
        (MAGIC + b"\x00\x00\xff\xff", "longer than the record"),
        (MAGIC + b"\x00\x00\x00\x02\xc1\xc1", "header cannot be read"),
        (encode(Frame(Header(received=1.0, count=1), b"not compressed")), "decompress"),
        (encode(pack(Header(received=1.0, count=1), b"not json")), "not the events"),
        (encode(pack(Header(received=1.0, count=1, content="control"), b'{"control":"?"}')), "control cannot be read"),
    ],
)
def test_a_record_that_cannot_be_read_is_passed_over_and_kept_with_its_reason(
    burying: KafkaLog, address: Address, frame_of: FrameOf, value: bytes, reason: str
) -> None:
    burying.append(EVENTS, frame_of(1)).result(10)
    offset = put(address, value)
    last = burying.append(EVENTS, frame_of(2)).result(10)
    found = [*burying.read(EVENTS, 0, limit=1), *burying.read(EVENTS, 1), *burying.read(EVENTS, 1)]
    assert [record.offset for record in found] == [0, last, last]
    (letter,) = burying.dead_letters.all()
    assert (letter.name, letter.value) == (f"events/0/{offset}", value)
    assert reason in letter.reason


def test_without_a_place_for_dead_letters_a_bad_record_stops_its_reader_by_name(
    address: Address, frame_of: FrameOf
) -> None:
    with KafkaLog(address) as log:
        log.append(EVENTS, frame_of(1)).result(10)
        offset = put(address, b"what is this")
        assert len(log.read(EVENTS, 0)) == 1
        with pytest.raises(DamagedError, match=rf"events/0 at {offset}"):
            log.read(EVENTS, 1)


def test_what_cannot_be_buried_yet_is_neither_passed_over_nor_the_end_of_reading(
    address: Address, frame_of: FrameOf
) -> None:
    troubles = [StorageError("no broker"), RuntimeError("the client itself"), TimeoutError()]
    buried: list[int] = []

    def bury(stream: Stream, offset: int, value: bytes, reason: str) -> None:
        if troubles:
            raise troubles.pop()
        buried.append(offset)

    put(address, b"not a frame")
    with KafkaLog(address) as log:
        log.append(EVENTS, frame_of(1)).result(60)
    reader = KafkaReader(address, lambda stream: f"{address.prefix}.{stream.name}", bury)
    try:
        records: Sequence[Record] = ()
        deadline = time.monotonic() + 120
        while not records and time.monotonic() < deadline:
            with suppress(StorageError):
                records = reader.read(EVENTS, 0, 10, 1.0)
        assert [record.offset for record in records] == [1]
        assert (buried, troubles) == ([0], [])
    finally:
        reader.close()


def test_a_dead_letter_is_sent_again_and_forgotten(burying: KafkaLog, address: Address, frame_of: FrameOf) -> None:
    bad = put(address, b"what is this", partition=1)
    place = Stream("events", 1)
    last = burying.append(place, frame_of(2)).result(10)
    assert [record.offset for record in burying.read(place, 0)] == [last]
    letter = burying.dead_letters.find(f"events/1/{bad}")
    again = burying.dead_letters.replay(letter)
    assert not burying.read(place, again)
    assert [letter.name for letter in burying.dead_letters.all()] == [f"events/1/{again}"]
    with pytest.raises(RejectedError, match="no such dead letter"):
        burying.dead_letters.find(letter.name)


def test_a_listener_from_the_future_does_not_drag_its_partition_along(address: Address) -> None:
    now = time.time()
    with KafkaLog(address) as log:
        for ahead in (-5.0, 30.0, 86_400.0):
            log.append(EVENTS, control_frame(Warmth("live"), now + ahead)).result(10)
        received = [record.frame.header.received for record in log.read(EVENTS, 0)]
        assert received[:2] == [now - 5.0, now + 30.0]
        assert abs(received[2] - now) < 30
    with KafkaLog(address) as again:
        assert [record.frame.header.received for record in again.read(EVENTS, 0)] == received, "every reader says so"


def test_a_large_snapshot_is_split_and_what_is_left_over_goes(address: Address) -> None:
    large, small = secrets.token_bytes(900_000), b"small"
    with KafkaLog(address) as log:
        log.save(Snapshot("detect/1", 1, 5, b"m", {"a": large, "b": small}))
        assert log.load("detect/1") == Snapshot("detect/1", 1, 5, b"m", {"a": large, "b": small})
        log.save(Snapshot("detect/1", 1, 6, large, {"a": small}))
    with KafkaLog(address) as log:
        assert log.load("detect/1") == Snapshot("detect/1", 1, 6, large, {"a": small, "b": small})


def test_a_version_that_comes_back_does_not_find_its_old_buckets(address: Address) -> None:
    with KafkaLog(address) as log:
        for version, name in ((1, "a"), (2, "b"), (1, "c")):
            log.save(Snapshot("task", version, 1, b"", {name: b"x"}))
        assert log.load("task") == Snapshot("task", 1, 1, b"", {"c": b"x"})


def test_a_snapshot_of_somebody_who_lost_the_partition_is_refused(address: Address) -> None:
    topic = f"{address.prefix}.events"
    first = Membership(address, "detect", topic)
    with KafkaLog(address, fence=lambda _: Fence(topic, 0, first.proof)) as log:
        assert first.wait(20)
        log.save(Snapshot("detect", 1, 1, b"", {"a": b"1"}))
        stale = first.proof(0)
        first.close()
        second = Membership(address, "detect", topic)
        assert second.wait(20)
        with pytest.raises(StorageError, match="another worker's"):
            log.save(Snapshot("detect", 1, 2, b"", {"a": b"2"}))
        # One that was asleep does not know of it, and shows what it had: then the broker refuses.
        with (
            KafkaLog(address, fence=lambda _: Fence(topic, 0, lambda _: stale)) as asleep,
            pytest.raises(StorageError, match="not taken"),
        ):
            asleep.save(Snapshot("detect", 1, 3, b"", {"a": b"3"}))
        assert log.load("detect") == Snapshot("detect", 1, 1, b"", {"a": b"1"})
        second.close()


def test_an_answer_about_a_snapshot_that_never_comes_is_not_waited_for(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    with KafkaLog(address) as log, monkeypatch.context() as lost:
        log.save(Snapshot("detect", 1, 1, b"", {"a": b"1"}))
        lost.setattr(TransactionManager, "begin_commit", lambda _: TransactionalRequestResult())
        lost.setattr(kafka_transaction.commit, "__defaults__", (0.5,))
        with pytest.raises(StorageError, match="no answer about a transaction"):
            log.save(Snapshot("detect", 1, 2, b"", {"a": b"2"}))
    with KafkaLog(address) as log:
        log.save(Snapshot("detect", 1, 3, b"", {"a": b"3"}))
        assert log.load("detect") == Snapshot("detect", 1, 3, b"", {"a": b"3"})


def test_partitions_move_to_who_joins_and_back_to_who_stays(address: Address) -> None:
    topic = f"{address.prefix}.events"
    first = Membership(address, "detect", topic)
    assert first.wait(20)
    assert first.owned == {0, 1}
    second = Membership(address, "detect", topic)

    def release() -> bool:
        for number in first.asked_back:
            first.released(number)
        return len(first.owned) == len(second.owned) == 1

    until(release)
    assert first.owned | second.owned == {0, 1}
    first.close()
    until(lambda: second.owned == {0, 1})
    second.close()


def test_a_partition_that_was_lost_and_came_back_is_begun_anew(address: Address) -> None:
    topic = f"{address.prefix}.events"
    member = Membership(address, "detect", topic)
    assert member.wait(20)
    member.begin(0)
    assert member.holds(0)
    place = [TopicPartition(topic, 0)]
    member._lost(place)
    member._assigned(place)
    assert member.owned == {0, 1}
    assert not member.holds(0), "another may have had it meanwhile"
    with pytest.raises(StorageError, match="another worker's"):
        member.proof(0)
    member.begin(0)
    assert member.holds(0)
    assert member.proof(0) is not None
    member.close()


def test_a_fault_of_the_groups_client_is_told_and_survived(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Membership(address, "detect", f"{address.prefix}.events")
    assert member.wait(60)

    def failing(**_: object) -> None:
        raise ValueError("Coordinator selected invalid assignment protocol")

    with monkeypatch.context() as patched:
        patched.setattr(member._consumer, "poll", failing)
        until(lambda: member.problem, 60)
    assert "invalid assignment protocol" in str(member.problem)
    until(lambda: member.problem is None, 60)
    assert member.owned == {0, 1}
    member.close()


def test_what_a_member_lost_is_somebodys_again(address: Address) -> None:
    topic = f"{address.prefix}.events"
    first = Membership(address, "detect", topic, session_ms=10_000)
    assert first.wait(60)
    assert first.owned == {0, 1}
    # As where brokers do not know a member any more that was silent for too long. It comes back together with another:
    # whoever leads waits for the session of the lost one to end.
    first._consumer._coordinator.reset_generation()
    second = Membership(address, "detect", topic, session_ms=10_000)
    until(lambda: (len(first.owned), len(second.owned)) == (1, 1), 120)
    first.close()
    second.close()


def test_a_search_by_time_goes_through_all_partitions_by_receipt(address: Address, frame_of: FrameOf) -> None:
    now = time.time()
    with KafkaLog(address) as log:
        for number in range(150):
            log.append(Stream("events", number % 2), frame_of(number, received=now - 150 + number))
        put(address, b"what is this")
        log.append(EVENTS, control_frame(Warmth("live"), now)).result(10)

        def found(since: float, until: float, *, newest_first: bool = False) -> list[int]:
            records = log.within(EVENTS, since, until, newest_first=newest_first)
            return [int(record.frame.header.digest, 16) for record in records]

        assert found(0, 1e12) == list(range(150))
        assert found(now - 100, now - 50) == list(range(50, 100))
        assert found(now - 100, 1e12, newest_first=True) == list(range(149, 49, -1))
        assert found(now + 300, 1e12) == []


def test_topics_that_do_not_fit_are_named_with_what_mends_them_and_mended(kafka_server: str) -> None:
    address = parse_address(f"kafka://{kafka_server}/t{secrets.token_hex(6)}", {})
    kafka_topics.create(address, kafka_topics.wanted(address, 2, 1), 1)
    assert not any(topic.faults for topic in kafka_topics.inspect(address, kafka_topics.wanted(address, 2, 1), 1))
    wants = kafka_topics.wanted(address, 3, 2)
    events, findings, _wide, _peers, state, _dead = kafka_topics.inspect(address, wants, 1)
    assert "has 2 partitions, not 3" in events.faults
    assert "has retention.ms=86400000, not 172800000" in events.faults
    assert events.mend.endswith("; tocsin topics --mend")
    assert findings.mend == "tocsin topics --mend"
    assert state.faults == ("has 2 partitions, not 3",)
    assert findings.name in kafka_mend.mend(address, wants, 1)
    events, findings, *_ = kafka_topics.inspect(address, wants, 1)
    assert (events.faults, findings.faults) == (("has 2 partitions, not 3",), ())
    assert kafka_mend.mend(address, wants, 1) == []
    assert kafka_topics.create(address, kafka_topics.wanted(address, 2, 1), 1) == []


def test_more_replicas_than_brokers_are_refused_by_number(kafka_server: str, address: Address) -> None:
    wants = kafka_topics.wanted(address, 2, 1)
    events, *_ = kafka_topics.inspect(address, wants, 3)
    assert events.faults == ("has 1 replica, not 3", "has min.insync.replicas=1, not 2")
    new = parse_address(f"kafka://{kafka_server}/t{secrets.token_hex(6)}", {})
    for mending in (partial(kafka_mend.mend, address, wants, 3), partial(kafka_topics.create, new, wants_of(new), 3)):
        with pytest.raises(StorageError, match="3 replicas are asked for, and there is 1 broker") as told:
            mending()
        assert "kafka.replication: 1" in told.value.hint
    assert kafka_topics.inspect(new, wants_of(new), 3)[0].partitions == 0, "nothing was made"


def wants_of(address: Address) -> list[kafka_topics.Wanted]:
    return kafka_topics.wanted(address, 2, 1)


@given(
    st.dictionaries(st.integers(0, 20), st.lists(st.integers(1, 7), unique=True, min_size=1), max_size=12),
    st.integers(1, 7),
)
def test_added_replicas_lie_on_brokers_of_their_own_and_nothing_is_moved(
    replicas: dict[int, list[int]], replication: int
) -> None:
    brokers = list(range(1, 8))
    moved = kafka_mend.placed(replicas, brokers, replication)
    assert moved.keys() == {number for number, own in replicas.items() if len(own) < replication}
    for number, nodes in moved.items():
        assert nodes[: len(replicas[number])] == replicas[number]
        assert len(nodes) == len(set(nodes)) == replication
        assert set(nodes) <= set(brokers)


def test_added_replicas_are_shared_out_evenly() -> None:
    moved = kafka_mend.placed({number: [1] for number in range(6)}, [1, 2, 3], 2)
    assert sorted(nodes[1] for nodes in moved.values()) == [2, 2, 2, 3, 3, 3]


def test_nobody_at_the_address_is_told_as_that() -> None:
    # In a process of its own, since the client leaves its sockets to the collector.
    program = """
from stream.broker import client as kafka_client
from stream.errors import UnavailableError
from stream.broker.address import parse_address
try:
    kafka_client.consumer(parse_address("kafka://127.0.0.1:9/t", {}), bootstrap_timeout_ms=300)
except UnavailableError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "no Kafka broker can be reached (127.0.0.1:9: " in told.stdout
    assert "check that the brokers run" in told.stdout


def test_many_threads_read_both_partitions_while_they_grow(address: Address, frame_of: FrameOf) -> None:
    with KafkaLog(address) as log:
        found: dict[int, list[bytes]] = {0: [], 1: []}

        def follow(number: int) -> None:
            place = 0
            while len(found[number]) < 300:
                for record in log.read(Stream("events", number), place, limit=7, wait=1.0):
                    found[number].append(record.frame.payload)
                    place = record.offset + 1

        threads = [threading.Thread(target=follow, args=(number,), daemon=True) for number in found]
        for thread in threads:
            thread.start()
        frames = [frame_of(number, size=2000) for number in range(300)]
        for frame in frames:
            log.append(EVENTS, frame)
            log.append(Stream("events", 1), frame)
        for thread in threads:
            thread.join(30)
        assert found[0] == found[1] == [frame.payload for frame in frames]


def test_a_header_with_what_a_newer_program_adds_can_be_read(burying: KafkaLog, address: Address) -> None:
    header = msgspec.msgpack.encode({"received": 5.0, "content": "tick", "codec": "none", "novelty": 1})
    put(address, MAGIC + len(header).to_bytes(4, "big") + header)
    assert burying.read(EVENTS, 0)[0].frame.header.received == 5.0


def test_readers_of_a_partition_far_apart_do_not_starve_one_another(address: Address, frame_of: FrameOf) -> None:
    with KafkaLog(address) as log:
        for future in [log.append(EVENTS, frame_of(1)) for _ in range(900)]:
            future.result(60)
        places = [0, 700]

        def advance() -> bool:
            for reader, place in enumerate(places):
                if found := log.read(EVENTS, place, limit=16, wait=1e-6):
                    places[reader] = found[-1].offset + 1
            return min(places) == 900

        until(advance, 60)
