"""Moments as people write them: RFC 3339, a date, or how long ago."""

import re
from datetime import UTC, datetime
from typing import Final

from stream.errors import RejectedError

_AGO: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def duration(text: str) -> float | None:
    """Seconds of a length of time as people write it, such as `90m` or `2d`; None where it is none."""
    found = _AGO.match(text.strip())
    return float(found[1]) * _UNITS[found[2]] if found is not None else None


def moment(text: str, now: float) -> float:
    """Seconds since the epoch for `2026-11-20T08:00:00Z`, `2026-11-20` (its start in UTC), `90m` (so long ago).

    Raises RejectedError where it is none of these.
    """
    if (ago := duration(text)) is not None:
        return now - ago
    try:
        parsed = datetime.fromisoformat(text.strip())
        return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise RejectedError(
            f"'{text[:40]}' is no moment", hint="write 2026-11-20T08:00:00Z, 2026-11-20, or how long ago: 90m, 2d"
        ) from None
