"""From receipt to a committed incident, while the rest of the traffic takes up a share of what one core can do."""

import http.client
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from stream.errors import UnavailableError
from tocsin.bench.figure import Figure
from tocsin.bench.pipeline import PRINCIPALS, post
from tocsin.bench.process import Running, running
from tocsin.bench.traffic import BATCH, attack, bodies, lines
from tocsin.evaluation.interval import quantile

CAPACITY_EVENTS: Final = 60_000
SAMPLES: Final = 300
APART: Final = 0.05
"""Seconds between two samples."""
PATIENCE: Final = 5.0
LOADS: Final = ((50, 15.0, 5.0), (80, 60.0, 20.0))
"""Per cent of what one core can do, with gate and goal in milliseconds."""


def measure() -> Iterator[Figure]:
    """Milliseconds, p50 and p99, from sending a request until its incident is committed, at 50 % and 80 % load."""
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as name, running(Path(name)) as one:
        made = list(bodies(BATCH, lines(CAPACITY_EVENTS, principals=PRINCIPALS, start=time.time() - 5, rate=30_000.0)))
        cpu = one.cpu_seconds()
        post(one, made)
        one.settled(60)
        capacity = CAPACITY_EVENTS / (one.cpu_seconds() - cpu)
        for load, gate, goal in LOADS:
            spent = _sampled(one, Path(name) / "data" / "alerts.sqlite", capacity * load / 100, str(load))
            one.settled(60)
            yield Figure(f"alert_p50_at_{load}", round(quantile(spent, 0.5), 2), "ms", len(spent))
            yield Figure(f"alert_p99_at_{load}", round(quantile(spent, 0.99), 2), "ms", len(spent), gate, goal)


def _sampled(one: Running, database: Path, rate: float, name: str) -> list[float]:
    """Milliseconds of each sample: an attack of somebody new on a server of its own, which makes a new incident."""
    ending = threading.Event()
    load = threading.Thread(target=_load, args=(one, rate, ending, name))
    load.start()
    spent: list[float] = []
    connection = http.client.HTTPConnection(urlsplit(one.url).netloc, timeout=30)
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
            time.sleep(1.0)
            for number in range(SAMPLES):
                body = attack(f"{name}-{number}")
                before = time.perf_counter()
                known = _incidents(store)
                _send(one, connection, body)
                while _incidents(store) == known:
                    if time.perf_counter() - before > PATIENCE:
                        raise UnavailableError("an attack made no incident in time", where=one.url)
                    time.sleep(0.0005)
                spent.append((time.perf_counter() - before) * 1e3)
                time.sleep(APART)
    finally:
        ending.set()
        load.join()
        connection.close()
    return spent


def _load(one: Running, rate: float, ending: threading.Event, name: str) -> None:
    """Ordinary traffic at a steady rate, in batches, each at its moment."""
    connection = http.client.HTTPConnection(urlsplit(one.url).netloc, timeout=30)
    made = _lasting(rate, name)
    due = time.perf_counter()
    for body in made:
        if ending.is_set():
            break
        time.sleep(max(0.0, due - time.perf_counter()))
        due += BATCH / rate
        _send(one, connection, body)
    connection.close()


def _lasting(rate: float, name: str) -> Iterator[bytes]:
    seconds = SAMPLES * (APART + 0.2)
    return bodies(
        BATCH, lines(int(rate * seconds), principals=PRINCIPALS, start=time.time(), rate=rate, run=f"load-{name}")
    )


def _send(one: Running, connection: http.client.HTTPConnection, body: bytes) -> None:
    headers = {"authorization": f"Bearer {one.key}", "content-type": "application/x-ndjson"}
    connection.request("POST", "/v1/events", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status not in (http.client.OK, 429, 503):
        raise UnavailableError(f"{answer.status} {text[:200]!r}", where=one.url)


def _incidents(store: sqlite3.Connection) -> int:
    (count,) = store.execute("SELECT count(*) FROM incidents").fetchone()
    return int(count)
