"""Kafka to findings: events a second of one core through a real broker, and what spreading them costs a listener."""

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Final

from detectors.engine.engine import Engine
from detectors.engine.exchange import OwnerTask
from detectors.engine.task import DetectTask
from stream.broker import topics as kafka_topics
from stream.broker.address import Address, parse_address
from stream.broker.record import decode, encode
from stream.decode import prepare
from stream.errors import UnavailableError
from stream.frame import Frame
from stream.kafka import KafkaLog
from stream.log import EVENTS, Stream
from stream.memory import MemoryLog
from stream.receipt import receive
from stream.spread import spread
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, bodies, lines
from tocsin.config.whole import parse_config
from tocsin.roles.tasks import tasks_of
from tocsin.setup import assemble
from tocsin.upkeep.cycles import spare
from tocsin_audit.event import DECODER

VARIABLE: Final = "TOCSIN_BENCH_KAFKA"
COUNT: Final = 200_000
WARM: Final = 50_000
PRINCIPALS: Final = 5_000
RATE: Final = 60_000.0
"""Events a second of event time."""
PARTITIONS: Final = 8


def measure(events: int = COUNT) -> Iterator[Figure]:
    """Events a second of a core, from fetching to findings and a snapshot, after a warm-up.

    Whole frames of one partition, then frames spread over eight, which exchange what is wide; beside them what the same
    costs without Kafka.

    Raises UnavailableError where no broker was named.
    """
    server = os.environ.get(VARIABLE)
    if not server:
        raise UnavailableError(
            "no Kafka to measure with",
            where=VARIABLE,
            hint=f"start one (deploy/kafka/run.sh /tmp/kafka 9092) and say {VARIABLE}=127.0.0.1:9092",
        )
    frames = list(_frames(events + WARM))
    begin = time.process_time()
    parts = [spread(frame, PARTITIONS) for frame in frames]
    cost = (time.process_time() - begin) / (events + WARM)
    yield Figure("memory_to_findings_cpu", _alone(frames, events), "µs/event", events)
    rate, used = _folded(server, [{0: frame} for frame in frames], 1, events)
    yield Figure("kafka_to_findings", rate, "events/s/core", events, gate=80_000, goal=150_000)
    yield Figure("kafka_to_findings_cpu", used, "µs/event", events)
    rate, used = _folded(server, parts, PARTITIONS, events)
    yield Figure("kafka_to_findings_8_partitions", rate, "events/s/core", events, gate=80_000, goal=150_000)
    yield Figure("kafka_to_findings_8_partitions_cpu", used, "µs/event", events)
    yield Figure("kafka_spread", round(cost * 1e6, 2), "µs/event", events + WARM)


def _frames(events: int) -> Iterator[Frame]:
    start = time.time() - 3600
    for number, body in enumerate(bodies(BATCH, lines(events, principals=PRINCIPALS, start=start, rate=RATE))):
        made = DECODER.decode_lines(body)
        prepare(made, body)
        yield receive(made, body, start + (number + 1) * BATCH / RATE, source="bench", digest=f"{number:064x}")


def _folded(server: str, frames: list[dict[int, Frame]], partitions: int, events: int) -> tuple[float, float]:
    """Events a second of the wall clock and microseconds of CPU an event, in one process over all partitions."""
    address = parse_address(f"kafka://{server}/bench-{secrets.token_hex(4)}", {})
    kafka_topics.create(address, kafka_topics.wanted(address, partitions, 1), 1)
    _append(address, frames)
    with KafkaLog(address, bury=True) as log:
        detectors = assemble(parse_config(""), sinks=False).detectors
        make = tasks_of(log, partitions, detectors)
        pairs = [make(number) for number in range(partitions)]
        ends = [log.end(Stream(EVENTS.name, number)) for number in range(partitions)]
        spare()
        _pass(pairs, [end * WARM // (events + WARM) for end in ends])
        begin, cpu = time.perf_counter(), time.process_time()
        _pass(pairs, ends)
        for pair in pairs:
            for task in pair:
                if task is not None:
                    task.save()
        wall, used = time.perf_counter() - begin, time.process_time() - cpu
    kafka_topics.remove(address)
    return round(events / wall), round(used / events * 1e6, 2)


def _alone(frames: list[Frame], events: int) -> float:
    """Microseconds of CPU an event of the same work on frames that lie in memory."""
    log = MemoryLog()
    for frame in frames:
        log.append(EVENTS, decode(encode(frame)))
    task = DetectTask(log, Engine(assemble(parse_config(""), sinks=False).detectors))
    spare()
    _pass([(task, None)], [WARM // BATCH])
    cpu = time.process_time()
    _pass([(task, None)], [len(frames)])
    task.save()
    return round((time.process_time() - cpu) / events * 1e6, 2)


def _append(address: Address, frames: list[dict[int, Frame]]) -> None:
    with KafkaLog(address) as log:
        for parts in frames:
            for future in [log.append(Stream(EVENTS.name, number), part) for number, part in parts.items()]:
                future.result()


def _pass(pairs: Sequence[tuple[DetectTask, OwnerTask | None]], ends: list[int]) -> None:
    while any(task.position < end for (task, _), end in zip(pairs, ends, strict=True)):
        for (task, owner), end in zip(pairs, ends, strict=True):
            if task.position < end:
                task.advance(wait=0.001, limit=16)
            if owner is not None:
                owner.advance(wait=0.001, limit=16)
