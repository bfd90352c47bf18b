"""The steps of a receipt one by one, and what follows the log: microseconds of processor time an event."""

import tempfile
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from collector.admit import Admitted, admit
from collector.enrich import Enricher, Options
from collector.formats.native import parse_lines
from collector.inspection.inspector import Inspector
from collector.keys import Key
from collector.lines import split
from collector.vantage import Point
from stream.dedup import Duplicates
from stream.frame import Header, Record, pack
from stream.index.file import Entry, FrameIndex
from stream.index.terms import terms
from stream.ledger.seal import frame_entry
from stream.receipt import receive
from stream.salt import fresh_salt, salted
from stream.stretch import stretch_of
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, bodies, lines
from tocsin.coverage.fold import Fold
from tocsin_audit.event import DECODER

EVENT_COUNT: Final = 50_000
PRINCIPALS: Final = 5_000
TYPE: Final = "application/x-ndjson"
ROUNDS: Final = 3


def steps() -> Iterator[Figure]:
    """What each step takes of a native body of 500 lines, the least of three rounds; `step_admit` has others in it."""
    start = time.time()
    made = list(bodies(BATCH, lines(EVENT_COUNT, principals=PRINCIPALS, start=start, rate=50_000.0)))
    numbers = range(len(made))
    key = Key(id="bench", hash="", created=start)
    parts = [split(body, TYPE, BATCH) for body in made]
    options = Options(inspector=Inspector())
    point = Point("native", key.id)

    def admitted(at: int) -> Admitted:
        into = Admitted()
        admit(into, parts[at].lines, parts[at].numbers, key, 1 << 20, parts[at].joined, enrich=enricher)
        return into

    enricher = Enricher(options)
    yield _figure("split", lambda at: split(made[at], TYPE, BATCH), numbers)
    yield _figure("body_digest", lambda at: sha256(made[at]).hexdigest(), numbers)
    yield _figure("decode", lambda at: DECODER.decode_lines(made[at]), numbers)
    yield _figure("check", lambda at: parse_lines(made[at], parts[at].lines), numbers)
    yield _figure("admit", admitted, numbers)
    taken = [admitted(at) for at in numbers]
    yield _figure("enrich", lambda at: enricher(taken[at].events, taken[at].lines, point), numbers)

    def known(at: int) -> None:
        stretch = stretch_of(taken[at].events)
        seen.find(key.scope, taken[at].events, start, stretch)
        seen.mark(key.scope, taken[at].events, start, stretch)

    seen = Duplicates()
    yield _figure("duplicates", known, numbers, rounds=1)
    yield _figure("pack", lambda at: pack(Header(received=start), made[at]), numbers)

    def frame(at: int) -> Record:
        one = taken[at]
        source = key.scope
        own = stretch_of(one.events)
        made_of = receive(
            one.events, made[at], start, source=source, digest="", each=one.lines, stretch=own, named=True
        )
        return Record(at, made_of)

    yield _figure("receive", frame, numbers)
    records = [frame(at) for at in numbers]
    yield _figure("salt", lambda at: salted(records[at].frame, fresh_salt()), numbers)
    yield _figure("seal", lambda at: frame_entry("events", 0, at, salted(records[at].frame, bytes(16))), numbers)
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        index = FrameIndex(Path(folder) / "index.sqlite")
        yield _figure(
            "index",
            lambda at: index.put([Entry(at, start, start, terms(taken[at].events))], at + 1, start),
            numbers,
        )
        index.close()
    fold = Fold()
    yield _figure("coverage", lambda at: fold.take(records[at]), numbers, rounds=1)


def _figure(name: str, step: Callable[[int], object], numbers: range, rounds: int = ROUNDS) -> Figure:
    best = min(_seconds(step, numbers) for _ in range(rounds))
    return Figure(f"step_{name}", round(best / EVENT_COUNT * 1e6, 3), "µs/event", EVENT_COUNT)


def _seconds(step: Callable[[int], object], numbers: range) -> float:
    begin = time.process_time()
    for at in numbers:
        step(at)
    return time.process_time() - begin
