"""Replay: history from the log through all detectors, as after a restart without a snapshot."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from detectors.engine.engine import Engine
from stream.decode import prepare
from stream.log import EVENTS
from stream.receipt import receive
from stream.sqlite import open_log
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, bodies, lines
from tocsin.config.whole import parse_config
from tocsin.setup import assemble
from tocsin.upkeep.cycles import spare
from tocsin_audit.event import DECODER

COUNT: Final = 200_000
PRINCIPALS: Final = 5_000


def measure(events: int = COUNT) -> Iterator[Figure]:
    """Events a second: read from the files, decompressed, decoded and folded."""
    start = time.time() - 3600
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        with open_log(Path(folder), reserve_bytes=0) as log:
            rate = 5_000.0
            for number, body in enumerate(bodies(BATCH, lines(events, principals=PRINCIPALS, start=start, rate=rate))):
                made = DECODER.decode_lines(body)
                prepare(made, body)
                received = start + (number + 1) * BATCH / rate
                log.append(EVENTS, receive(made, body, received, source="bench", digest=f"{number:064x}"))
        with open_log(Path(folder), reserve_bytes=0) as log:
            engine = Engine(assemble(parse_config(""), sinks=False).detectors)
            spare()
            position, begin = 0, time.perf_counter()
            while records := log.read(EVENTS, position):
                for record in records:
                    engine.fold(record)
                position = records[-1].offset + 1
            wall = time.perf_counter() - begin
    yield Figure("replay", round(events / wall), "events/s", events, gate=250_000, goal=500_000)
