"""The whole path on one core: HTTP, durable, all detectors, alert committed."""

import http.client
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from stream.errors import UnavailableError
from tocsin.bench import receipt
from tocsin.bench.figure import Figure
from tocsin.bench.process import Running, running
from tocsin.bench.traffic import BATCH, bodies, lines

EVENTS: Final = 300_000
WARM: Final = 30_000
PRINCIPALS: Final = 5_000
SENDERS: Final = 4
RATE: Final = 60_000.0
"""Events a second of event time, so that event time goes about as fast as the clock."""

SHOWN: Final = 0.02
"""Microseconds an event from which on a stage is shown."""


def measure(events: int = EVENTS) -> Iterator[Figure]:
    """Events a second of one core: everything posted, folded and decided, in batches of 500.

    The processor time of all threads counts; the wall's clock beside it also has what others took of the core. What
    each stage took of it stands below, and then what the steps of a receipt take where nothing else runs.
    """
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder, running(Path(folder)) as one:
        start = time.time()
        made = list(bodies(BATCH, lines(events + WARM, principals=PRINCIPALS, start=start - 5, rate=RATE)))
        warm = WARM // BATCH
        post(one, made[:warm])
        one.settled(60)
        stages, cpu, begin = one.stage_seconds(), one.cpu_seconds(), time.perf_counter()
        post(one, made[warm:])
        one.settled(120)
        wall, used = time.perf_counter() - begin, one.cpu_seconds() - cpu
        stages = {name: seconds - stages.get(name, 0.0) for name, seconds in one.stage_seconds().items()}
    yield Figure("http_to_alert", round(events / used), "events/s/core", events, gate=60_000, goal=100_000)
    yield Figure("http_to_alert_cpu", round(used / events * 1e6, 2), "µs/event", events)
    yield Figure("http_to_alert_wall", round(events / wall), "events/s", events)
    costs = {name: round(seconds / events * 1e6, 2) for name, seconds in stages.items()}
    for name, cost in sorted(costs.items(), key=lambda one: -one[1]):
        if cost >= SHOWN:
            yield Figure(f"stage_{name.replace(' ', '_')}", cost, "µs/event", events)
    yield from receipt.steps()


def post(one: Running, made: list[bytes]) -> None:
    """Send all bodies, several at once, each until it is taken; raises UnavailableError where one never is."""
    work = iter(made)
    lock = threading.Lock()
    faults: list[str] = []

    def send() -> None:
        headers = {"authorization": f"Bearer {one.key}", "content-type": "application/x-ndjson"}
        connection = http.client.HTTPConnection(urlsplit(one.url).netloc, timeout=60)
        while not faults:
            with lock:
                body = next(work, None)
            if body is None:
                break
            while True:
                connection.request("POST", "/v1/events", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == http.client.OK:
                    break
                if answer.status not in (429, 503):
                    faults.append(f"{answer.status} {text[:200]!r}")
                    break
                time.sleep(0.02)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise UnavailableError(f"events were not accepted: {faults[0]}", where=one.url)
