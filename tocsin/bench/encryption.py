"""Encryption at rest: what encrypted frames and alerts cost more than plain ones, to write and to read."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alerting.database.store import Store
from alerting.task import AlertTask
from collector.formats.native import parse_lines
from stream.encryption.crypt import Crypt
from stream.encryption.keys import KeyRing, Master, new_master
from stream.frame import unpack
from stream.log import EVENTS
from stream.memory import MemoryLog
from stream.receipt import receive
from stream.sqlite import open_log
from tocsin.bench.figure import Figure
from tocsin.bench.incidents import append, finding
from tocsin.bench.traffic import BATCH, lines
from tocsin.config.whole import parse_config
from tocsin.secrecy.encryption import columns_of
from tocsin.setup import assemble

COUNT: Final = 100_000
TIMES: Final = 3
INCIDENTS: Final = 1_000
AT_ONCE: Final = 50
START: Final = 1_795_154_400.0


def measure(events: int = COUNT) -> Iterator[Figure]:
    """Process CPU time of making frames durable and reading them back, and of incidents, with a crypt and without.

    The best of three each.
    """
    made = list(lines(events, principals=1000, start=START, rate=1000.0))
    batches = [made[at : at + BATCH] for at in range(0, events, BATCH)]
    plain = min(_seconds(batches, encrypted=False) for _ in range(TIMES))
    encrypted = min(_seconds(batches, encrypted=True) for _ in range(TIMES))
    yield Figure("log_plain", round(events / plain), "events/s/core", events)
    yield Figure("log_encrypted", round(events / encrypted), "events/s/core", events)
    yield Figure("encryption_overhead", round((encrypted / plain - 1) * 100, 1), "%", events)
    plain = min(_deciding(encrypted=False) for _ in range(TIMES))
    encrypted = min(_deciding(encrypted=True) for _ in range(TIMES))
    yield Figure("alerts_plain", round(plain / INCIDENTS * 1e6), "µs/incident", INCIDENTS)
    yield Figure("alerts_encrypted", round(encrypted / INCIDENTS * 1e6), "µs/incident", INCIDENTS)


def _seconds(batches: list[list[bytes]], *, encrypted: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        crypt = Crypt(KeyRing(data, Master(new_master())), START) if encrypted else None
        with open_log(data, reserve_bytes=0, crypt=crypt) as log:
            begin = time.process_time()
            written = []
            for number, batch in enumerate(batches):
                events = parse_lines(b"\n".join(batch), batch)
                assert events is not None
                frame = receive(events, b"\n".join(batch), START + number, source="bench", digest="")
                written.append(log.append(EVENTS, frame))
            for future in written:
                future.result()
            for record in log.within(EVENTS, 0.0, 1e12):
                unpack(record.frame)
            return time.process_time() - begin


def _deciding(*, encrypted: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        ring = KeyRing(data, Master(new_master()))
        store = Store(f"sqlite:///{data / 'alerts.sqlite'}", columns_of(Crypt(ring, START) if encrypted else None))
        try:
            log = MemoryLog()
            task = AlertTask(log, store, assemble(parse_config(""), sinks=False).policies)
            begin = time.process_time()
            for first in range(0, INCIDENTS, AT_ONCE):
                append(log, [finding(number, 0) for number in range(first, first + AT_ONCE)], first)
                task.advance(wait=0.0)
            return time.process_time() - begin
        finally:
            store.close()
