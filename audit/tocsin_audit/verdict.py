"""What to do about a collector's answer to a batch of events."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tocsin_audit.text import clean

_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 30.0
_LONGEST_ASKED: Final = 300.0
_MOST_SHOWN: Final = 5


class Rejected(msgspec.Struct, frozen=True):
    """A line that the collector did not take, and why."""

    line: int | None = None
    field: str | None = None
    error: str | None = None
    hint: str | None = None


class _Reply(msgspec.Struct):
    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejected] = []


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """`act` is `done`, `retry` (not before `wait` seconds) or `split`; `text` is for people."""

    act: str
    accepted: int = 0
    rejected: int = 0
    wait: float | None = None
    text: str | None = None


def judge(status: int, headers: Mapping[str, str], body: bytes, lines: int) -> Verdict:
    """The verdict on an answer to a batch of so many lines. Pure."""
    if status == 200:
        reply = _reply(body)
        rejected = len(reply.rejected)
        return Verdict(act="done", accepted=lines - rejected, rejected=rejected, text=_shown(reply.rejected))
    if status == 400:
        return Verdict(act="done", rejected=lines, text=_shown(_reply(body).rejected) or "the collector took no line")
    if status == 413:
        if lines > 1:
            return Verdict(act="split")
        return Verdict(act="done", rejected=1, text="one event is larger than the collector takes")
    asked = _retry_after(headers.get("retry-after"))
    if status in (401, 403):
        return Verdict(
            act="retry",
            wait=max(asked or 0.0, 10.0),
            text=f"the collector refuses our key ({status}); hint: check TOCSIN_KEY, its scope and its tenant",
        )
    if status in (429, 503):
        return Verdict(act="retry", wait=asked, text=f"the collector is busy ({status})")
    if status < 500:
        return Verdict(
            act="retry",
            wait=max(asked or 0.0, 10.0),
            text=f"the collector answered {status}; hint: TOCSIN_URL should be its address without a path",
        )
    return Verdict(act="retry", wait=asked, text=f"the collector answered {status}")


def wait_before(attempt: int, asked: float | None, chance: float) -> float:
    """Seconds before the next try after `attempt` failures in a row; `chance` in [0, 1) spreads the producers out.

    Exponential back-off with full jitter, never less than the collector asked for.
    """
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 16))
    return max(asked or 0.0, longest * (0.1 + 0.9 * chance))


def _reply(body: bytes) -> _Reply:
    try:
        return msgspec.json.decode(body, type=_Reply)
    except ValueError:
        return _Reply()


def _shown(rejected: list[Rejected]) -> str | None:
    if not rejected:
        return None
    told = "; ".join(
        f"line {item.line}, {clean(item.field, 64)}: {clean(item.error, 200)} (hint: {clean(item.hint, 200)})"
        for item in rejected[:_MOST_SHOWN]
    )
    return f"the collector rejected {len(rejected)} events: {told}"


def _retry_after(value: str | None) -> float | None:
    try:
        return min(_LONGEST_ASKED, max(0.0, float(value))) if value is not None else None
    except ValueError:
        return None
