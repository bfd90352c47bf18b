"""Search: what the index costs an event, how large it is, and how long a principal's history of a day takes."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from collector.formats.native import parse_lines
from stream.decode import decode
from stream.index.file import FILE, Entry, FrameIndex
from stream.index.indexer import Indexer
from stream.index.terms import terms
from stream.log import EVENTS
from stream.receipt import receive
from stream.salt import fresh_salt
from stream.sqlite import SqliteLog, open_log
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, bodies, lines
from tocsin.search import Query, search

EVENT_COUNT: Final = 1_000_000
DAY_COUNT: Final = 10_000_000
SAMPLE: Final = 100_000
"""Events over which the cost is measured that a running Tocsin has."""
DAY: Final = 86_400
PRINCIPALS: Final = 20_000
START: Final = 1_795_132_800.0
ROUNDS: Final = 3


def measure() -> Iterator[Figure]:
    """Over a million events."""
    return _measure("search", EVENT_COUNT)


def measure_day() -> Iterator[Figure]:
    """Over a day of ten million events: about two gigabytes and some minutes."""
    return _measure("search_day", DAY_COUNT)


def _measure(name: str, events: int) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        data = Path(folder)
        with open_log(data, reserve_bytes=0, salt=fresh_salt) as log:
            _fill(log, events)
            with closing(FrameIndex(data / FILE)) as index:
                yield Figure(f"{name}_index", round(_indexing(log, index) * 1e6, 2), "µs/event", SAMPLE, 1.0)
                indexer = Indexer(index, log, lambda: log.end(EVENTS))
                begin = time.process_time()
                while indexer.advance():
                    pass
                cost = time.process_time() - begin
                yield Figure(f"{name}_index_anew", round(cost / (events - SAMPLE) * 1e6, 2), "µs/event", events)
                size = sum(path.stat().st_size for path in data.glob(f"{FILE}*"))
                share = size / sum(path.stat().st_size for path in (data / "log").iterdir())
                yield Figure(f"{name}_index_size", round(size / events, 1), "bytes/event", events)
                yield Figure(f"{name}_index_share", round(share * 100, 1), "% of the log", events)
                whole = Query(principal="https://idp.tenant-007.example|user-000007", limit=1000)
                wall, own = _seconds(log, whole, index)
                yield Figure(f"{name}_history", wall, "s", events, gate=2.0, goal=0.5)
                yield Figure(f"{name}_history_own", own, "s of one core", events)
                yield Figure(
                    f"{name}_nobody", _seconds(log, Query(principal="nobody"), index)[0], "s", events, gate=2.0
                )
                newest = Query(tenant="tenant-007", tool="get_invoice")
                yield Figure(f"{name}_newest", _seconds(log, newest, index)[0], "s", events)


def _indexing(log: SqliteLog, index: FrameIndex) -> float:
    """Seconds of processor time for frames that somebody has decoded just before, as in a running Tocsin."""
    spent, position = 0.0, 0
    while position < SAMPLE // BATCH:
        records = log.read(EVENTS, position)
        for record in records:
            decode(record.frame)
        position = records[-1].offset + 1
        begin = time.process_time()
        entries = [
            Entry(offset, frame.header.first, frame.header.last, terms(decode(frame))) for offset, frame in records
        ]
        index.put(entries, position, records[-1].frame.header.received)
        spent += time.process_time() - begin
    return spent / (position * BATCH)


def _seconds(log: SqliteLog, query: Query, index: FrameIndex) -> tuple[float, float]:
    """The least of some rounds: seconds on the wall, and of processor time."""

    def once(clock: Callable[[], float]) -> float:
        begin = clock()
        search(log, query, index=index)
        return clock() - begin

    wall = min(once(time.perf_counter) for _ in range(ROUNDS))
    return round(wall, 3), round(min(once(time.process_time) for _ in range(ROUNDS)), 3)


def _fill(log: SqliteLog, events: int) -> None:
    rate = events / DAY
    source = lines(events, principals=PRINCIPALS, start=START, rate=rate)
    written: list[Callable[[], int]] = []
    for number, body in enumerate(bodies(BATCH, source)):
        made = body.split(b"\n")
        parsed = parse_lines(body, made)
        assert parsed is not None
        received = START + min((number + 1) * BATCH / rate, DAY - 1.0)
        frame = receive(parsed, body, received, source="bench", digest=f"{number:064x}")
        frame.decoded = None
        written.append(log.append(EVENTS, frame).result)
        if len(written) == 64:
            for done in written:
                done()
            written.clear()
    for done in written:
        done()
