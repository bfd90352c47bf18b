"""Encryption at rest: what it costs to write and to read encrypted frames, as a share of plain ones."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector.formats.native import parse_lines
from stream.crypt import Crypt
from stream.crypt_keys import KeyRing, Master, new_master
from stream.frame import unpack
from stream.log import EVENTS
from stream.receipt import receive
from stream.sqlite import open_log
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, lines

COUNT: Final = 100_000
TIMES: Final = 3
START: Final = 1_795_154_400.0


def measure(events: int = COUNT) -> Iterator[Figure]:
    """Process CPU time of making frames durable and reading them back, with a crypt and without, the best of three."""
    made = list(lines(events, principals=1000, start=START, rate=1000.0))
    batches = [made[at : at + BATCH] for at in range(0, events, BATCH)]
    plain = min(_seconds(batches, encrypted=False) for _ in range(TIMES))
    encrypted = min(_seconds(batches, encrypted=True) for _ in range(TIMES))
    yield Figure("log_plain", round(events / plain), "events/s/core", events)
    yield Figure("log_encrypted", round(events / encrypted), "events/s/core", events)
    yield Figure("encryption_overhead", round((encrypted / plain - 1) * 100, 1), "%", events)


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
