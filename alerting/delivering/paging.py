"""What an alert means for a service that wakes people, and which openings it was told are over."""

from collections import OrderedDict
from typing import Final, Literal

from alerting.alert import Alert

Action = Literal["trigger", "acknowledge", "resolve"]
REMEMBERED: Final = 10_000
"""Resolved openings that are remembered, so that a late repeat does not page again."""


class Resolved:
    """The openings that a service was told are over, by their `dedup_key`; the oldest are forgotten."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def add(self, key: str) -> None:
        """Remember an opening."""
        self._keys[key] = None
        if len(self._keys) > REMEMBERED:
            self._keys.popitem(last=False)


def action_of(alert: Alert, *, resolved: bool) -> Action | None:
    """What an alert means for a pager; no trigger for an opening that was resolved.

    Bundles and digests tell of further incidents too, so that they are sent all the same.
    """
    if alert.change in ("resolved", "closed"):
        return "resolve"
    if alert.change == "acknowledged":
        return None if resolved else "acknowledge"
    over = resolved or alert.incident.status in ("resolved", "closed")
    if not alert.page or (over and alert.change not in ("bundle", "digest")):
        return None
    return "trigger"
