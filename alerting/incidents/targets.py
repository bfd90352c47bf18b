"""Targets: how soon an incident that somebody was told of is acknowledged, contained and resolved, and what is late."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

import msgspec

from alerting.incidents.ending import over_at
from alerting.incidents.record import Record
from stream.finding import Severity

Clock = Literal["acknowledge", "contain", "resolve"]
CLOCKS: Final[tuple[Clock, ...]] = get_args(Clock)

_MINUTE: Final = 60.0
DETECT: Final = 15 * _MINUTE
"""Seconds from its first event until an incident should have been noticed, whatever its severity."""
DEFAULT: Final[Mapping[Severity, Mapping[Clock, float]]] = {
    "critical": {"acknowledge": 15 * _MINUTE, "contain": 60 * _MINUTE, "resolve": 24 * 60 * _MINUTE},
    "high": {"acknowledge": 30 * _MINUTE, "contain": 4 * 60 * _MINUTE, "resolve": 72 * 60 * _MINUTE},
}
"""Seconds from when somebody was told; a severity or clock that is not there has no target."""


class Reading(NamedTuple):
    """One clock of one incident: its target, when it was reached (None while it runs), and whether that is late."""

    clock: Clock
    target: float
    due: float
    reached: float | None
    late: bool


@dataclass(frozen=True, slots=True)
class Targets:
    """Seconds that each clock may take, by severity."""

    seconds: Mapping[Severity, Mapping[Clock, float]] = field(default_factory=lambda: DEFAULT)

    def readings(self, record: Record, now: float) -> list[Reading]:
        """Every clock of an incident that somebody was told of."""
        return list(self._readings(record, now))

    def overdue(self, record: Record, now: float) -> list[Reading]:
        """The clocks that have run out and were not called late yet; those of an ended incident never are."""
        return [
            one
            for one in self._readings(record, now)
            if record.is_open and one.reached is None and one.late and one.clock not in record.late
        ]

    def scheduled(self, record: Record) -> Record:
        """The record with the next moment at which a clock of it runs out, it is told again, or all in it is over."""
        running = [
            one.due
            for one in self._readings(record, float("-inf"))
            if record.is_open and one.reached is None and one.clock not in record.late
        ]
        over = over_at(record.lasting) if record.is_open else None
        if over is not None:
            running.append(over)
        if record.status == "open":
            running += record.remind.values()
        return msgspec.structs.replace(record, due=min(running, default=None))

    def _readings(self, record: Record, now: float) -> Iterator[Reading]:
        if record.told_at is None:
            return
        reached = {
            "acknowledge": _first(record.acknowledged_at, record.contained_at, record.ended),
            "contain": _first(record.contained_at, record.ended),
            "resolve": record.ended,
        }
        for clock, seconds in self.seconds.get(record.severity, {}).items():
            due = record.told_at + seconds
            when = reached[clock]
            yield Reading(clock, seconds, due, when, (now if when is None else when) > due)


def _first(*moments: float | None) -> float | None:
    return min((one for one in moments if one is not None), default=None)
