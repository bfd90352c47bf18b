"""The outbox's rules: pending → attempting → done or refused, in order per incident and sink."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from alerting.alert import Alert, Change
from alerting.incidents.record import rank
from alerting.sink import Result

State = Literal["pending", "attempting", "done", "refused"]
UNFINISHED: Final = ("pending", "attempting")
FIRST_PAUSE: Final = 1.0
"""Seconds after the first failure; each further one doubles them."""
LONGEST_PAUSE: Final = 300.0
DIGEST_AFTER: Final = 3600.0
"""Seconds after which a pager gets what it missed as one page."""
_FOLLOW_UPS: Final = frozenset({"acknowledged", "contained", "resolved", "closed"})


class Due(NamedTuple):
    """The place of a row in the outbox, and its incident."""

    id: int
    incident: str


class Row(NamedTuple):
    """An alert on its way to one sink; `attempts` counts those begun, `at` is the alert's own time."""

    id: int
    incident: str
    at: float
    attempts: int
    due: float
    alert: Alert


class Settled(NamedTuple):
    """What an attempt made of a row; `due` is when to try again, in seconds since the epoch."""

    state: State
    due: float
    why: str
    repeated: bool


def batch(rows: Sequence[Due], waiting: Mapping[str, int], limit: int) -> list[int]:
    """The rows to attempt together: at most one an incident, and none behind one that waits.

    `rows` stand in order; `waiting` has, for each incident with a row whose time has not come, the first such row.
    """
    chosen: dict[str, int] = {}
    for row in rows:
        if len(chosen) == limit:
            break
        if row.incident not in chosen and waiting.get(row.incident, row.id) >= row.id:
            chosen[row.incident] = row.id
    return list(chosen.values())


def settle(row: Row, result: Result, now: float, jitter: float) -> Settled:
    """What a sink's answer makes of a row; `jitter` is a random number from 0 to 1."""
    if result.outcome == "retry":
        return Settled("pending", now + pause(row.attempts, result.after, jitter), result.why, result.repeated)
    return Settled(result.outcome, 0.0, result.why, result.repeated)


def pause(attempts: int, after: float | None, jitter: float) -> float:
    """Seconds until the next attempt: doubling, spread over its upper half, never less than the service asked for."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 20))
    return max(longest * (0.5 + jitter / 2), after or 0.0)


class Digest(NamedTuple):
    """One page instead of many old ones: which rows it stands for, the alerts it lists, and the one that leads it.

    `became` says of openings that somebody saw to meanwhile what came of them, by their deduplication key.
    """

    rows: tuple[Row, ...]
    alerts: tuple[Alert, ...]
    lead: Alert
    page: bool
    became: Mapping[str, Change]


def digest(rows: Sequence[Row], now: float) -> Digest | None:
    """What a pager gets instead of two or more pages that are older than an hour; None where there are fewer.

    What became of an opening whose page was never attempted goes with it. A follow-up of one that may have arrived
    stays, so that no page is left open. A person is woken unless every opening has ended or was acknowledged meanwhile.
    """
    old = [row for row in rows if row.alert.page and row.at <= now - DIGEST_AFTER]
    if len(old) < 2:
        return None
    numbers = {row.id for row in old}
    pages: dict[str, list[Row]] = {}
    for row in rows:
        if row.alert.page:
            pages.setdefault(row.alert.incident.dedup_key, []).append(row)
    whole = {key for key, members in pages.items() if all(row.id in numbers and not row.attempts for row in members)}
    follow_ups = [row for row in rows if row.alert.change in _FOLLOW_UPS]
    taken = {row.alert.incident.dedup_key: row.alert.change for row in follow_ups}
    standing = [row.alert for row in old if row.alert.incident.dedup_key not in taken]
    lead = max(standing or [row.alert for row in old], key=lambda alert: (rank(alert.incident.severity), -alert.time))
    folded = [row for row in follow_ups if row.alert.incident.dedup_key in whole]
    return Digest((*old, *folded), tuple(row.alert for row in old), lead, bool(standing), taken)
