"""The ledger: what sealing costs an event beside the hot path and in it, and how fast a store is verified."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from stream.decode import prepare
from stream.frame import Frame, Header
from stream.ledger.file import FILE, Ledger
from stream.ledger.note import Verifier
from stream.ledger.sealer import FrameSource, Sealer
from stream.ledger.signing import new_key
from stream.ledger.store import verify_store
from stream.log import EVENTS
from stream.receipt import receive
from stream.salt import fresh_salt, salted
from stream.sqlite import open_log
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, bodies, lines
from tocsin_audit.event import DECODER

EVENT_COUNT: Final = 100_000
BYTES: Final = 256 * 1024**2
STORED: Final = 32 * 1024
"""Bytes of a frame of the store that is verified: what 500 events take once they are compressed."""
ROUNDS: Final = 5
TOGETHER: Final = 16
"""Frames after which the sealer looks: it stays close behind whoever writes, as in a running Tocsin."""


def measure() -> Iterator[Figure]:
    """Processor time: µs an event to salt (in the hot path) and to seal (beside it), seconds to verify a gigabyte."""
    frames = list(_frames())
    best = min(_salting(frames) for _ in range(ROUNDS))
    yield Figure("ledger_salt", round(best / EVENT_COUNT * 1e6, 3), "µs/event", EVENT_COUNT)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        best = min(_sealing(Path(folder) / str(number), frames) for number in range(ROUNDS))
    yield Figure("ledger_seal", round(best / EVENT_COUNT * 1e6, 2), "µs/event", EVENT_COUNT)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        seconds = _verifying(Path(folder) / "data")
    yield Figure("ledger_verify", round(seconds * 1024**3 / BYTES, 1), "s/GiB", BYTES // STORED)


def _frames() -> Iterator[Frame]:
    start = time.time() - 3600
    for number, body in enumerate(bodies(BATCH, lines(EVENT_COUNT, principals=5_000, start=start, rate=5_000.0))):
        made = DECODER.decode_lines(body)
        prepare(made, body)
        each = body.split(b"\n")
        yield receive(made, body, start + (number + 1) / 10, source="bench", digest=f"{number:064x}", each=each)


def _salting(frames: list[Frame]) -> float:
    begin = time.process_time()
    for frame in frames:
        salted(frame, fresh_salt())
    return time.process_time() - begin


def _sealing(folder: Path, frames: list[Frame]) -> float:
    with open_log(folder, reserve_bytes=0, salt=fresh_salt) as log:
        key = new_key()
        spent = 0.0
        with Ledger(folder / FILE, key.verifier.name) as ledger:
            sealer = Sealer(ledger, log, [FrameSource(log, EVENTS)], lambda: [key], time.time)
            for begin in range(0, len(frames), TOGETHER):
                for future in [log.append(EVENTS, frame) for frame in frames[begin : begin + TOGETHER]]:
                    future.result()
                spent += _seconds(sealer.advance)
            return spent + _seconds(sealer.finish)


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def _verifying(folder: Path) -> float:
    now = time.time()
    with open_log(folder, reserve_bytes=0) as log:
        for begin in range(0, BYTES // STORED, 64):
            headers = [Header(received=now + at / 10, count=1, codec="none") for at in range(begin, begin + 64)]
            for future in [log.append(EVENTS, Frame(header, os.urandom(STORED))) for header in headers]:
                future.result()
        key = new_key()
        with Ledger(folder / FILE, key.verifier.name) as ledger:
            Sealer(ledger, log, [FrameSource(log, EVENTS)], lambda: [key], time.time).finish()
    return min(_verified(folder, key.verifier) for _ in range(3))


def _verified(folder: Path, key: Verifier) -> float:
    begin = time.process_time()
    assert not verify_store(folder, [key]).faults
    return time.process_time() - begin
