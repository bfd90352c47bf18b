"""Words and names that the findings of `audit_gap` are made of."""

from collections.abc import Iterable, Sequence
from typing import Final

from detectors.telling import plural
from stream.facts import Facts

HOUR: Final = 3_600
DAY: Final = 86_400


def owner(servers: Iterable[str], facts: Facts) -> str | None:
    """The tenant whose servers these all are, by the inventory; None where they are several's or nobody said."""
    found = {known.tenant if (known := facts.server(server)) is not None else None for server in servers}
    return found.pop() if len(found) == 1 else None


def together(at: float) -> str:
    """The matter of those who were told as silent at one moment."""
    return f"silence {int(at)}"


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5:,} more" if len(names) > 5 else shown


def lasting(seconds: float) -> str:
    """A stretch of time in words."""
    if seconds < 120:
        return plural(round(seconds), "second")
    if seconds < 2 * HOUR:
        return plural(round(seconds / 60), "minute")
    return plural(round(seconds / HOUR), "hour") if seconds < 2 * DAY else plural(round(seconds / DAY), "day")
