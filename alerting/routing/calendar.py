"""Calendars: the hours of a week in which a route is open, in the local time of those who are told."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Calendar:
    """Open on `days` (0 for Monday) from minute `start` to minute `end` of the local day, except on `closed` days.

    Where `end` is not after `start` the hours run past midnight and belong to the day on which they begin.
    """

    zone: ZoneInfo
    days: Collection[int] = range(7)
    start: int = 0
    end: int = MINUTES
    closed: frozenset[date] = frozenset()

    def is_open(self, clock: float) -> bool:
        """Whether it is open at a moment in seconds since the epoch."""
        local = datetime.fromtimestamp(clock, UTC).astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today = local.date()
        if self.start < self.end:
            return self._works(today) and self.start <= minute < self.end
        return (self._works(today) and minute >= self.start) or (
            self._works(today - timedelta(days=1)) and minute < self.end
        )

    def _works(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.closed
