"""What processes on Kafka do: how soon an incident stands, what a second worker brings, how soon one takes over.

`.venv/bin/python -m benchmarks.scale_out [latency] [workers] [takeover] [restore] [tenant]`, with a broker and a
PostgreSQL of its own; one JSON object a figure. They are those of this machine at this load, which each figure names:
compare within one run.
"""

import json
import os
import random
import re
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import psycopg
from sqlalchemy.engine import make_url

from detectors.discovery import load_detector
from detectors.engine.engine import Engine
from detectors.engine.task import DetectTask
from stream.broker.address import parse_address
from stream.decode import prepare
from stream.frame import Frame, Header
from stream.kafka import KafkaLog
from stream.log import EVENTS, FINDINGS, Snapshot
from stream.receipt import receive
from stream.spread import Spread
from tests.services.kafka import OwnBroker, fresh_log
from tests.services.run import join_run, leave_run, run_folder
from tests.tocsin.fleet import Fleet
from tests.tocsin.kafka_workers import Worker, until
from tocsin.bench.stage import CORE, START, batches, fold
from tocsin.bench.traffic import BATCH, attack, bodies, lines
from tocsin.config.whole import parse_config
from tocsin.evaluation.interval import quantile
from tocsin.roles.tasks import tasks_of
from tocsin.setup import assemble
from tocsin_audit.event import DECODER

SAMPLES: Final = 100
RATE: Final = 2_000.0
"""Events a second beside the samples."""
EVENTS_EACH: Final = 200_000
TENANT_EVENTS: Final = 40_000
PARTITIONS: Final = 8
_TENANT: Final = re.compile(rb"tenant-\d{3}")
_EVEN: Final = re.compile(rb"user-\d{5}[02468]\b")
ENTITIES: Final = int(os.environ.get("ENTITIES", "1000000"))


def latency() -> Iterator[dict[str, Any]]:
    """Milliseconds from sending an attack until its incident is committed, with one partition and with eight."""
    for partitions in (1, 8):
        with Fleet(partitions) as fleet:
            ending = threading.Event()
            load = threading.Thread(target=_load, args=(fleet, ending))
            load.start()
            try:
                spent = _sampled(fleet, str(partitions))
                for share in (0.5, 0.99):
                    value = round(quantile(spent, share), 1)
                    yield {"name": f"incident_p{share * 100:.0f}", "partitions": partitions, "ms": value}
            finally:
                ending.set()
                load.join()


def workers() -> Iterator[dict[str, Any]]:
    """Events a second of one worker and of two over a backlog of eight partitions."""
    broker = OwnBroker(run_folder() / f"broker-{secrets.token_hex(4)}")
    server = broker.start()
    try:
        made = list(_frames(EVENTS_EACH))
        for count in (1, 2):
            address = fresh_log(server, f"w{count}", 8)
            with KafkaLog(address) as log:
                spread = Spread(log)
                futures = [spread.append(EVENTS, frame) for frame in made]
                last = made[-1].header.received + 1.0
                futures.append(spread.append(EVENTS, Frame(Header(received=last, content="tick", codec="none"), b"")))
                for future in futures:
                    future.result(120)
                running = [Worker(server, address.prefix) for _ in range(count)]
                try:
                    for worker in running:
                        worker.took_over()
                    begin = time.perf_counter()
                    until(_caught_up(log, last), "the backlog is folded", 600)
                    spent = time.perf_counter() - begin
                finally:
                    for worker in running:
                        worker.__exit__()
            yield {"name": "backlog", "workers": count, "events_per_second": round(EVENTS_EACH / spent)}
    finally:
        broker.kill()


def takeover() -> Iterator[dict[str, Any]]:
    """Seconds from kill -9 of a worker until another has its partitions and tells of what came meanwhile."""
    session = 2.0
    with Fleet(4, session=session) as fleet:
        for turn in range(5):
            dying, other = fleet.workers[turn % 2], fleet.workers[1 - turn % 2]
            until(lambda: fleet.shared() >= 4, "all partitions are worked on")
            begin = time.perf_counter()
            dying.send(signal.SIGKILL)
            until(lambda: other.metric("tocsin_partitions") == 4, "the other has all partitions")  # noqa: B023  # used at once
            taken = time.perf_counter() - begin
            victim = fleet.attack()
            until(lambda: fleet.known(victim), "an incident")  # noqa: B023  # used at once
            told = time.perf_counter() - begin
            yield {"name": "takeover", "session_s": session, "taken_s": round(taken, 2), "told_s": round(told, 2)}
            dying.start()


def restore() -> Iterator[dict[str, Any]]:
    """Seconds until a worker has read the snapshot of very many principals and can go on."""
    broker = OwnBroker(run_folder() / f"broker-{secrets.token_hex(4)}")
    server = broker.start()
    try:
        engine = Engine([load_detector(name)() for name in CORE])
        everybody, numbers, clock = list(range(ENTITIES)), Counter[str | None](), START
        for batch in batches(everybody, random.Random(1)):  # noqa: S311  # the same every time
            fold(engine, batch, clock, numbers)
            clock += 0.025
        with KafkaLog(fresh_log(server, "restore", 1)) as log:
            meta, rows = engine.snapshot()
            size = len(meta) + sum(len(row) for row in rows.values() if row is not None)
            task = DetectTask(log, engine)
            begin = time.perf_counter()
            whole = task._snapshot(meta, rows)  # as the task does it
            log.save(Snapshot(whole.task, whole.version, 1, whole.meta, whole.buckets))
            saved = time.perf_counter() - begin
        with KafkaLog(parse_address(f"kafka://{server}/restore", {})) as log:
            begin, cpu = time.perf_counter(), time.process_time()
            again = DetectTask(log, Engine([load_detector(name)() for name in CORE]))
            spent, used = time.perf_counter() - begin, time.process_time() - cpu
        known = again.engine.sizes_known("principal")  # type: ignore[attr-defined]  # it is an Engine
        yield {
            "name": "restore",
            "principals": known,
            "snapshot_mb": round(size / 1e6),
            "save_s": round(saved, 1),
            "restore_s": round(spent, 1),
            "restore_cpu_s": round(used, 1),
        }
    finally:
        broker.kill()


def tenant() -> Iterator[dict[str, Any]]:
    """What one tenant costs that is as large as the rest together: the core's time for an event, and how much more the
    busiest partition has to do than the others have on average."""
    broker = OwnBroker(run_folder() / f"broker-{secrets.token_hex(4)}")
    server = broker.start()
    try:
        for large in (False, True):
            address = fresh_log(server, f"tenant{large:d}", PARTITIONS)
            with KafkaLog(address) as log:
                spread, last = Spread(log), 0.0
                for frame in _frames(TENANT_EVENTS, large=large):
                    spread.append(EVENTS, frame).result(120)
                    last = frame.header.received
                tick = Frame(Header(received=last + 1.0, content="tick", codec="none"), b"")
                spread.append(EVENTS, tick).result(120)
                spent = _spent(log, last + 0.5)
            yield {
                "name": "tenant",
                "share_of_largest": 0.5 if large else 0.01,
                "events": TENANT_EVENTS,
                "partitions": PARTITIONS,
                "cpu_us_per_event": round(sum(spent) / TENANT_EVENTS * 1e6, 1),
                "busiest_over_mean": round(max(spent) / (sum(spent) / PARTITIONS), 2),
            }
    finally:
        broker.kill()


def _spent(log: KafkaLog, until: float) -> list[float]:
    """Seconds of a core that each partition takes, its owner's included, when one thread folds all of them."""
    make = tasks_of(log, PARTITIONS, assemble(parse_config(""), sinks=False).detectors)
    pairs = [[task for task in make(number) if task is not None] for number in range(PARTITIONS)]
    spent = [0.0] * PARTITIONS
    while min(task.engine.clock for pair in pairs for task in pair) < until:
        for number, pair in enumerate(pairs):
            begin = time.thread_time()
            for task in pair:
                task.advance(wait=1e-6, limit=16)
            spent[number] += time.thread_time() - begin
    return spent


def _frames(events: int, *, large: bool = False) -> Iterator[Frame]:
    """Frames of a hundred tenants, of which one has every second principal where one is to be large."""
    start = time.time() - 3600
    made_lines = lines(events, principals=5_000, start=start, rate=60_000.0)
    if large:
        made_lines = (_TENANT.sub(b"tenant-000", line) if _EVEN.search(line) else line for line in made_lines)
    for number, body in enumerate(bodies(BATCH, made_lines)):
        made = DECODER.decode_lines(body)
        prepare(made, body)
        yield receive(made, body, start + (number + 1) * BATCH / 60_000.0, source="bench", digest=f"{number:064x}")


def _caught_up(log: KafkaLog, clock: float) -> Callable[[], bool]:
    reached: dict[tuple[str, int], float] = {}
    position = 0

    def look() -> bool:
        nonlocal position
        while records := log.read(FINDINGS, position):
            for record in records:
                origin = record.frame.header.origin
                assert origin is not None
                reached[origin.task, origin.partition] = record.frame.header.received
            position = records[-1].offset + 1
        return len(reached) == 2 * log.partitions and min(reached.values()) >= clock - 0.5

    return look


def _load(fleet: Fleet, ending: threading.Event) -> None:
    made = bodies(BATCH, lines(10_000_000, principals=5_000, start=time.time(), rate=RATE, run="load"))
    for body in made:
        if ending.wait(BATCH / RATE):
            return
        fleet.post(body)


def _sampled(fleet: Fleet, name: str) -> list[float]:
    """Milliseconds of each sample: an attack of a class that waits for what may explain it, where there are several."""
    spent = []
    url = make_url(fleet.database).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as store:
        for number in range(SAMPLES):
            body = attack(f"{name}-{number}")
            known = _count(store)
            begin = time.perf_counter()
            fleet.post(body)
            while _count(store) == known and time.perf_counter() - begin < 60:
                time.sleep(0.002)
            spent.append((time.perf_counter() - begin) * 1e3)
            time.sleep(random.uniform(0.05, 0.3))  # noqa: S311  # anywhere between two ticks
    return spent


def _count(store: psycopg.Connection[Any]) -> int:
    row = store.execute("SELECT count(*) FROM incidents").fetchone()
    assert row is not None
    return int(row[0])


FIGURES: Final[dict[str, Callable[[], Iterator[dict[str, Any]]]]] = {
    "latency": latency,
    "workers": workers,
    "takeover": takeover,
    "restore": restore,
    "tenant": tenant,
}


def main(words: list[str]) -> None:
    """Measure what was asked for, else everything."""
    lock = join_run()
    try:
        for word in words or FIGURES:
            for figure in FIGURES[word]():
                print(json.dumps({**figure, "load": round(os.getloadavg()[0], 1)}), flush=True)
    finally:
        leave_run(lock)


if __name__ == "__main__":
    main(sys.argv[1:])
