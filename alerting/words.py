"""Numbers, lengths of time and names as people say them."""

import re
from typing import Final

from alerting.harmless import harmless

_ISSUER: Final = re.compile(r"^[a-z][a-z0-9+.-]*://[^|]*\|(?=.)", re.IGNORECASE)


def counted(count: int, noun: str) -> str:
    """A count with its noun: `1 event`, `1,200 events`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def length(seconds: float) -> str:
    """A length of time in the unit that says most: `45 s`, `30 min`, `4.5 h`, `3 days`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{_short(seconds / 3_600)} h"
    return f"{_short(seconds / 86_400)} days"


def name(value: str, limit: int = 60) -> str:
    """A principal, address or object where there is little room: harmless, and without its issuer's address."""
    return harmless(_ISSUER.sub("", value), limit)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
