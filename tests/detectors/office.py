"""An office of one tenant with three weeks behind it: clerks by day, a robot at all hours, a nightly job."""

import random
from collections.abc import Iterable
from typing import Any, Final

from detectors.data_volume import DataVolume
from detectors.engine.engine import Engine
from stream.finding import Finding
from tests.detectors.streams import DAY, HOUR, directory, event, finish, frames, tick
from tocsin_audit.event import AuditEvent

DAYS: Final = 21
TODAY: Final = DAYS * DAY
"""A Monday, three weeks after the streams' start."""
CLERKS: Final = 8
DIRECTORY: Final[dict[str, Any]] = {
    "principals": [
        *({"user": f"clerk-{number}", "tenant": "acme", "role": "clerk"} for number in range(CLERKS + 1)),
        {"client": "robot", "tenant": "acme", "role": "robot"},
        {"client": "nightly", "tenant": "acme", "role": "batch"},
    ]
}


def call(chance: random.Random, t: float, who: str, *, size: float = 1.0, **fields: Any) -> AuditEvent:
    """One answer to somebody, of a usual size times a factor."""
    named: dict[str, Any] = {"user": who, "client": "desk"} if who.startswith("clerk") else {"client": who}
    rows = max(1, round(chance.lognormvariate(1.5, 0.6) * size))
    settings: dict[str, Any] = {
        "target": chance.choice(("get_customer", "search_orders")),
        "args_hash": f"k:{chance.randrange(400):x}",
        "rows": rows,
        "response_bytes": 110 * rows + 200,
        "bytes_quality": "exact",
    }
    return event(t, **named, **(settings | fields))


def spread(
    chance: random.Random, start: float, seconds: float, number: int, who: str, **options: Any
) -> list[AuditEvent]:
    """So many calls at random moments of a stretch of time."""
    return [call(chance, start + chance.uniform(0, seconds), who, **options) for _ in range(number)]


def ordinary_hour(
    chance: random.Random, start: float, factor: float = 1.0, clerks: Iterable[int] = range(CLERKS)
) -> list[AuditEvent]:
    """One hour of everybody's ordinary work."""
    events: list[AuditEvent] = []
    hour, weekday = int(start % DAY // HOUR), int(start // DAY % 7)
    if weekday < 5 and 8 <= hour < 17:
        for number in clerks:
            events += spread(chance, start, HOUR, round(chance.uniform(5, 13) * factor), f"clerk-{number}")
    events += spread(chance, start, HOUR, round(chance.uniform(8, 16) * factor), "robot")
    if hour == 2:
        events += spread(chance, start, 900, round(chance.uniform(180, 220)), "nightly")
    return events


def ordinary(seed: int, start: float, end: float, **options: Any) -> list[AuditEvent]:
    """Everybody's ordinary work between two moments."""
    chance = random.Random(seed)
    events: list[AuditEvent] = []
    hour = start
    while hour < end:
        events += ordinary_hour(chance, hour, **options)
        hour += HOUR
    return events


class Office:
    """The engine after three weeks, as often as it is asked for."""

    def __init__(self, factor: float = 1.0) -> None:
        engine = _engine()
        early = []
        for record in frames(sorted(ordinary(1, 0.0, TODAY, factor=factor), key=lambda one: one.time)):
            early += engine.fold(record)
        early += engine.fold(tick(TODAY + 3 * 60))
        self.early = early
        """What was found while it learned."""
        self._meta, rows = engine.snapshot()
        self._rows = {name: row for name, row in rows.items() if row is not None}

    def engine(self) -> Engine:
        """The engine as it was on Monday at three minutes past midnight."""
        engine = _engine()
        engine.restore(self._meta, self._rows)
        return engine

    def day(self, events: Iterable[AuditEvent], **options: Any) -> list[Finding]:
        """What is found when these happen after the three weeks."""
        engine = self.engine()
        found: list[Finding] = []
        for record in frames(sorted(events, key=lambda one: one.time), **options):
            found += engine.fold(record)
        return found + finish(engine)


def _engine() -> Engine:
    engine = Engine([DataVolume()])
    engine.fold(directory(0.0, DIRECTORY))
    return engine
