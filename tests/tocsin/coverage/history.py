"""Logs for the tests of coverage: two producers with heartbeats and numbered calls, some of them lost."""

from collections.abc import Sequence
from typing import Any

from stream.frame import Record
from tests.detectors.streams import event, frames, tick
from tocsin_audit.event import AuditEvent


def busy(seconds: int = 3600, *, silent: tuple[int, int] = (0, 0)) -> list[AuditEvent]:
    """Calls and heartbeats of `p1` and `p2`; `p2` loses numbers 100 to 119 and says nothing in a stretch."""
    found = []
    for name, server, tenant in (("p1", "crm", "acme"), ("p2", "billing", "globex")):
        number = 0
        for t in range(0, seconds, 5):
            number += 1
            if name == "p2" and (100 <= number < 120 or silent[0] <= t < silent[1]):
                continue
            fields: dict[str, Any] = {"producer": name, "server": server, "run": f"{name}-run", "seq": number}
            if t % 15 == 0:
                found.append(event(float(t), kind="heartbeat", tenant=None, **fields))
            else:
                found.append(event(float(t), tenant=tenant, user="u", **fields))
    return sorted(found, key=lambda one: one.time)


def record_all(
    events: Sequence[AuditEvent], moments: Sequence[float] | None = None, *, until: int = 7200, source: str = "test"
) -> list[Record]:
    """The frames of events as they arrive, with a tick every twenty seconds."""
    records = [*frames(events, moments, source=source), *ticks(0, until, 20)]
    ordered = sorted(records, key=lambda record: record.frame.header.received)
    return [Record(offset, record.frame) for offset, record in enumerate(ordered)]


def ticks(begin: int, end: int, every: int = 1) -> list[Record]:
    """Time that passes."""
    return [tick(float(t)) for t in range(begin, end, every)]
