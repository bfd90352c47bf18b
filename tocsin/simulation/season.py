"""Season: how busy a kind of principal is in an hour of its week, with holidays, month ends, growth and launches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

HOUR: Final = 3600
DAY: Final = 86_400

_OFFICE: Final = (0.2, 0.1, 0.1, 0.1, 0.1, 0.3, 1, 3, 7, 10, 11, 10, 7, 9, 10, 10, 9, 7, 4, 2.5, 1.8, 1.2, 0.8, 0.4)
_SERVICE: Final = (3, 3, 3, 3, 3, 3, 3.5, 4, 4.5, 5, 5, 5, 4.8, 5, 5, 5, 5, 4.6, 4.4, 4.2, 4, 3.8, 3.5, 3.2)
_DESK: Final = (2.5, 2, 2, 2, 2, 2.5, 4, 6, 8, 9, 9, 8, 7, 8, 9, 9, 8, 7, 5, 4, 4, 3.5, 3, 3)
_WEEKDAYS: Final = {
    "person": (1.05, 1.1, 1.1, 1.05, 0.9, 0.08, 0.06),
    "support": (1.1, 1.05, 1.0, 1.0, 1.0, 0.45, 0.4),
    "service": (1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.75),
    "bi": (1.2, 1.1, 1.0, 1.0, 1.0, 0.12, 0.1),
}
_HOURS: Final = {"person": _OFFICE, "support": _DESK, "service": _SERVICE, "bi": _OFFICE}
DAY_SIGMA: Final = {"person": 0.45, "support": 0.3, "service": 0.18, "bi": 0.35}
"""How much one day of an actor differs from another: the standard deviation of the logarithm of its factor."""
_MONTH_END: Final = {"person": 1.25, "bi": 1.9, "service": 1.15}


@dataclass(frozen=True, slots=True)
class Surge:
    """A stretch in which those concerned do `factor` times their usual: a launch, a migration, a new workload."""

    start: float
    end: float
    factor: float
    tenant: str | None = None
    kind: str | None = None
    actor: int | None = None


@dataclass(slots=True)
class Season:
    """The calendar that all principals share.

    `start` is seconds since the epoch; `holidays` are local days since the epoch by region; `growth` is the relative
    increase per 30 days.
    """

    start: float
    growth: float = 0.06
    holidays: Mapping[str, frozenset[int]] = field(default_factory=dict)
    surges: list[Surge] = field(default_factory=list)

    def level(self, kind: str, region: str, offset: float, hour: float) -> float:
        """The share of a usual weekday's tasks that falls into the hour starting at `hour`, before surges."""
        local = hour + offset
        day = int(local // DAY)
        hours = _HOURS[kind]
        share = hours[int(local % DAY // HOUR)] / sum(hours) * _WEEKDAYS[kind][(day + 3) % 7]
        if day in self.holidays.get(region, ()):
            share *= 0.12 if kind in ("person", "bi") else 0.7
        if month_end(local):
            share *= _MONTH_END.get(kind, 1.0)
        return share * (1 + self.growth * (hour - self.start) / (30 * DAY))

    def surge(self, hour: float, tenant: str, kind: str, actor: int) -> float:
        """The factor of every surge that concerns an actor in this hour."""
        factor = 1.0
        for surge in self.surges:
            if (
                surge.start <= hour < surge.end
                and surge.tenant in (None, tenant)
                and surge.kind in (None, kind)
                and surge.actor in (None, actor)
            ):
                factor *= surge.factor
        return factor


def month_end(local: float) -> bool:
    """Whether a local moment lies in the last two days of its month."""
    today = datetime.fromtimestamp(local, UTC)
    return datetime.fromtimestamp(local + 2 * DAY, UTC).month != today.month


def day_of_month(local: float) -> int:
    """The day of the month of a local moment."""
    return datetime.fromtimestamp(local, UTC).day
