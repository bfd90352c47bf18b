"""A producer's own rhythm: how long it is quiet at each hour of the week, and how long is longer than that."""

from typing import Final, NamedTuple

HOUR: Final = 3_600
MINUTES: Final = 60
WEEK: Final = 168
UNKNOWN: Final = 0
"""What stands for an hour of the week that was never closed; else it is the longest quiet in minutes, and one."""
QUIET: Final = 61
"""An hour without any event, or none that is worth waiting for."""
USUAL: Final = 20
"""Minutes of quiet in an hour from which on its silence says nothing."""
AHEAD: Final = 14 * 24
"""Hours that are looked ahead for a moment at which silence would be too long."""


class TooLong(NamedTuple):
    """A moment from which on silence is too long, and the longest quiet in minutes that is usual until then."""

    at: float
    usual: int


class Rhythm:
    """The longest quiet of each hour of the week, with slow forgetting, from closed hours in their order.

    `week` holds a byte an hour. `trail` is how many minutes were quiet at the end of the hour that closed last,
    `closed` its number since the epoch.
    """

    week: bytes
    closed: int
    trail: int

    def __init__(self) -> None:
        self.week = b""
        self.closed = -1
        self.trail = 0

    def close(self, hour: int, minutes: int) -> None:
        """An hour closed in which the minutes of a bitmap had events, lowest bit first."""
        week = bytearray(self.week or bytes(WEEK))
        longest, quiet = 0, self.trail
        if 0 <= self.closed < hour - 1:
            for passed in range(self.closed + 1, min(hour, self.closed + 1 + WEEK)):
                week[passed % WEEK] = QUIET
            quiet = MINUTES
        for minute in range(MINUTES):
            quiet = 0 if minutes >> minute & 1 else quiet + 1
            longest = max(longest, quiet)
        self.trail = quiet
        self.closed = hour
        before = week[hour % WEEK]
        seen = min(longest + 1, QUIET)
        week[hour % WEEK] = seen if seen >= before else (3 * before + seen) // 4
        self.week = bytes(week)

    def quiet(self, hour: int) -> int | None:
        """The longest quiet in minutes that is usual in an hour or its neighbours; None where one is not known."""
        if not self.week:
            return None
        around = [self.week[near % WEEK] for near in (hour - 1, hour, hour + 1)]
        return max(around) - 1 if UNKNOWN not in around else None

    def too_long(self, since: float, patience: float) -> TooLong | None:
        """From when on silence since a moment is too long: `patience` times what is usual; None for never.

        An hour that is often quiet for long adds nothing, so that nights and weekends pass unseen.
        """
        weight, usual = 0.0, 0
        first = int(since) // HOUR
        for hour in range(first, first + AHEAD):
            quiet = self.quiet(hour)
            if quiet is None or quiet >= USUAL:
                continue
            usual = max(usual, quiet)
            begin, each = max(since, float(hour * HOUR)), 60.0 * (quiet + 1)
            here = ((hour + 1) * HOUR - begin) / each
            if weight + here >= patience:
                return TooLong(begin + (patience - weight) * each, usual)
            weight += here
        return None
