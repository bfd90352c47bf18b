"""Inspection: what looking into content costs, and what receipt pays where there is none."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from collector.admit import Admitted, admit
from collector.enrich import Enricher, Options
from collector.inspection.content import Content
from collector.inspection.inspector import Inspector
from collector.keys import Key
from tocsin.bench.figure import Figure
from tocsin.bench.traffic import BATCH, lines

COUNT: Final = 2_000
TIMES: Final = 5
"""Each is measured so often, and the fastest counts: what others do on the machine only slows."""
START: Final = 1_795_154_400.0
KEY: Final = Key(id="bench", hash="", created=0.0)


def measure(events: int = COUNT) -> Iterator[Figure]:
    """Microseconds an event of one core, by the size of its content, and the share that receipt pays without any."""
    inspector = Inspector()
    for name, content in (("small", _rows(2)), ("1k", _rows(8)), ("8k", _rows(70)), ("tools", _tools(14))):
        seconds = _best(lambda content=content: _inspect(inspector, content, events // 4))  # type: ignore[misc]  # a default binds it
        yield Figure(f"inspection_{name}", round(seconds / (events // 4) * 1e6, 1), "us/event", events // 4)
    made = list(lines(events * 5, principals=1000, start=START, rate=1000.0))
    batches = [made[at : at + BATCH] for at in range(0, len(made), BATCH)]
    enrich = Enricher(Options(inspector=inspector))
    bare = _best(lambda: _receive(batches, None))
    rich = _best(lambda: _receive(batches, enrich))
    yield Figure("receipt_enriching_without_content", round((rich / bare - 1) * 100, 1), "% more", len(made))
    full = [_with_content(line) for line in made[:events]]
    carrying = _best(lambda: _receive([full[at : at + BATCH] for at in range(0, events, BATCH)], enrich))
    yield Figure("receipt_with_content", round(carrying / events * 1e6, 1), "us/event", events)


def _best(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(TIMES):
        begin = time.process_time()
        work()
        best = min(best, time.process_time() - begin)
    return best


def _inspect(inspector: Inspector, content: Content, times: int) -> None:
    for _ in range(times):
        inspector.inspect(content)


def _receive(batches: Sequence[Sequence[bytes]], enrich: Enricher | None) -> None:
    for batch in batches:
        into = Admitted()
        admit(into, batch, range(1, len(batch) + 1), KEY, 256 * 1024, enrich=enrich)
        if len(into.events) != len(batch):
            raise AssertionError(f"{len(into.events)} of {len(batch)} lines were taken")


def _rows(count: int) -> Content:
    rows = [
        {"id": at, "name": f"Customer {at}", "city": "Lisbon", "note": "prefers mail, renewed in spring, no open cases"}
        for at in range(count)
    ]
    return Content({"table": "customers", "limit": count}, {"structuredContent": {"rows": rows}})


def _tools(count: int) -> Content:
    schema = {"type": "object", "properties": {"path": {"type": "string", "description": "where the file stands"}}}
    tool: dict[str, Any] = {"description": "Reads a file whole and returns its text. " * 4, "inputSchema": schema}
    return Content(tools=[{"name": f"read_{at}", **tool} for at in range(count)])


def _with_content(line: bytes) -> bytes:
    content = _rows(2)
    tree = msgspec.json.decode(line)
    return msgspec.json.encode({**tree, "ext": {"arguments": content.arguments, "result": content.result}})
