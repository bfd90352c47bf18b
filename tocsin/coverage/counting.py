"""Counting the events of a frame by producer and stretch of event time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from detectors.batch import Batch
from detectors.engine.batches import groups
from detectors.gaps.producer import GOODBYE
from stream.coverage import SECONDS, Counts
from tocsin_audit.event import AuditEvent

Place = tuple[int, str, str]
"""Start of the stretch, source, producer."""


def by_producer(batch: Batch, source: str) -> Iterator[tuple[str, Batch]]:
    """The events by their producer's name; those that name none belong to their source alone."""
    named = 0
    for raw, events in groups("producer", batch, source):
        named += len(events)
        yield raw[1] or "", batch.of(events)
    if named < len(batch.events):
        yield "", batch.of([event for event in batch.events if not event.producer])


def counted(part: Batch, source: str, producer: str) -> Iterator[Counts]:
    """What the events of one producer come to, by stretch of event time."""
    for number in part.cells(SECONDS):
        yield _count(number * SECONDS, source, producer, part.within(SECONDS, number), part)


def add(into: Counts, more: Counts) -> None:
    """There are more of a producer in a stretch."""
    for name in NUMBERS:
        setattr(into, name, getattr(into, name) + getattr(more, name))
    for mine, theirs in ((into.servers, more.servers), (into.tenants, more.tenants)):
        for name, count in theirs.items():
            if name in mine or len(mine) < NAMES:
                mine[name] = mine.get(name, 0) + count


def total(counts: Iterable[Counts], start: int, source: str, producer: str) -> Counts:
    """Several as one."""
    whole = Counts(start, source, producer)
    for one in counts:
        add(whole, one)
    return whole


NAMES = 64
"""Servers and tenants of one producer in one stretch that are told apart."""
NUMBERS = (
    "received",
    "heartbeats",
    "late",
    "skewed",
    "sampled",
    "capped",
    "echoed",
    "nameless",
    "tenantless",
    "goodbyes",
)
"""The fields that are added up."""


def _count(start: int, source: str, producer: str, events: Sequence[AuditEvent], part: Batch) -> Counts:
    tenants = [event.tenant for event in events]
    kinds = [event.kind for event in events]
    named = Counter(tenants)
    without = named.pop(None, 0)
    requests = kinds.count("request")
    counts = Counts(
        start,
        source,
        producer,
        received=len(events),
        heartbeats=kinds.count("heartbeat") if requests < len(kinds) else 0,
        late=[event.late for event in events].count(True) if part.late else 0,
        skewed=[event.skewed for event in events].count(True) if part.skewed else 0,
        sampled=sum(event.sample_rate is not None and event.sample_rate < 1.0 for event in events)
        if [event.sample_rate for event in events].count(None) < len(events)
        else 0,
        capped=[event.bytes_quality for event in events].count("capped"),
        echoed=len(events) - [event.echo for event in events].count(None),
        servers=dict(Counter([event.server for event in events]).most_common(NAMES)),
        tenants={name: count for name, count in named.most_common(NAMES) if name is not None},
    )
    if requests < len(kinds):
        counts.goodbyes = sum(event.kind == "lifecycle" and event.reason == GOODBYE for event in events)
    if without:
        counts.tenantless = sum(event.kind == "request" and event.tenant is None for event in events)
    if [event.user for event in events].count(None):
        counts.nameless = sum(event.kind == "request" and event.actor is None for event in events)
    return counts
