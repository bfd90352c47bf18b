"""One producer over time, from coverage records: what came, which numbers did not, and when nothing did."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from stream.coverage import SECONDS, Counts, Covered, Gap
from stream.facts import Facts
from tocsin.coverage.counting import add
from tocsin.coverage.stretches import joined, without
from tocsin_audit.event import rfc3339

BEATS: Final = 3
"""Heartbeats in one stretch from which on a producer is one that sends them."""
SHOWN: Final = 200
"""Gaps of one producer that are named; all of them are counted."""


class Seen:
    """Everything that the records say of one producer: counts by stretch, gaps, and numbers that came after all."""

    def __init__(self, source: str, producer: str) -> None:
        self.source = source
        self.producer = producer
        self.cells: dict[int, Counts] = {}
        self.gaps: list[Gap] = []
        self.came: list[Gap] = []


def producers_in(
    covered: Iterable[Covered], until: float, still: list[tuple[float, float]]
) -> dict[tuple[str, str], Seen]:
    """By source and name, what records say of stretches before a moment; `still` takes when the log stood still."""
    found: dict[tuple[str, str], Seen] = {}

    def one(source: str, producer: str) -> Seen:
        return found.setdefault((source, producer), Seen(source, producer))

    for record in covered:
        still += [(begin, end) for begin, end in record.still]
        for counts in record.counts:
            if counts.start < until:
                cells = one(counts.source, counts.producer).cells
                if counts.start not in cells:
                    cells[counts.start] = Counts(counts.start, counts.source, counts.producer, servers={}, tenants={})
                add(cells[counts.start], counts)
        for gap in record.gaps:
            seen = one(gap.source, gap.producer)
            (seen.came if gap.filled else seen.gaps).append(gap)
    return found


def beats(cells: Sequence[Counts]) -> float | None:
    """About how many seconds apart its heartbeats are; None where it sends none."""
    full = [counts.heartbeats for counts in cells if counts.heartbeats >= BEATS]
    return round(SECONDS / max(full), 1) if full else None


def gaps_of(seen: Seen, since: float, until: float) -> list[dict[str, Any]]:
    """The gaps that lie in a stretch of time, with what of each came since and what did not."""
    came: dict[str, list[Gap]] = {}
    for one in seen.came:
        came.setdefault(one.run, []).append(one)
    found = []
    for gap in sorted(seen.gaps, key=lambda gap: (gap.after, gap.run, gap.first)):
        if gap.before < since or gap.after >= until:
            continue
        later = [one for one in came.get(gap.run, ()) if one.at >= gap.at and one.first <= gap.last]
        left = without(gap.first, gap.last + 1, [(one.first, one.last + 1) for one in later])
        missing = sum(end - begin for begin, end in left)
        filled = gap.last + 1 - gap.first - missing
        times = [one.at for one in later if one.last >= gap.first]
        found.append(
            {
                "run": gap.run,
                "first": gap.first,
                "last": gap.last,
                "after": rfc3339(gap.after),
                "before": rfc3339(gap.before),
                "missing": missing,
                "filled": filled,
                "filled_at": rfc3339(max(times)) if filled and not missing else None,
            }
        )
    return found


def silences(seen: Seen, since: float, until: float, facts: Facts) -> list[dict[str, Any]]:
    """When a producer that sends heartbeats said nothing, from its first sign of life on until it says goodbye."""
    heard = sorted(start for start, counts in seen.cells.items() if counts.received)
    if not any(counts.heartbeats >= BEATS for counts in seen.cells.values()):
        return []
    end = until - until % SECONDS
    last = heard[-1]
    if seen.cells[last].goodbyes:
        end = min(end, last + SECONDS)
    begin = max(since - since % SECONDS, heard[0])
    quiet = without(int(begin), int(end), joined((start, start + SECONDS) for start in heard))
    servers = sorted({server for counts in seen.cells.values() for server in counts.servers})
    return [
        {"from": rfc3339(first), "to": rfc3339(after), "planned": _planned(first, after, servers, facts)}
        for first, after in quiet
        if after > since
    ][:SHOWN]


def _planned(begin: float, end: float, servers: Sequence[str], facts: Facts) -> bool:
    """Whether a maintenance window covers all of a stretch, as far as five minutes can tell."""
    for server in servers or [""]:
        known = facts.server(server)
        tenant = known.tenant if known is not None else None
        middle = [float(moment) for moment in range(int(begin), int(end), SECONDS)]
        if all(facts.window("maintenance", at + SECONDS / 2, server=server, tenant=tenant) for at in middle):
            return True
    return False
