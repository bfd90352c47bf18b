"""An incident's life: what an operator's act makes of it."""

from typing import Final, NamedTuple

import msgspec

from alerting.alert import Change, Reason, Status
from alerting.incidents.record import Record
from stream.control import IncidentChange

VERDICTS: Final = ("true", "benign", "false", "duplicate")


class _Act(NamedTuple):
    change: Change
    reason: Reason
    status: Status | None
    from_: frozenset[Status]


_WORKED_ON: Final[frozenset[Status]] = frozenset({"open", "acknowledged", "contained"})
ACTS: Final[dict[str, _Act]] = {
    "ack": _Act("acknowledged", "acknowledged", "acknowledged", frozenset({"open"})),
    "hand-over": _Act("acknowledged", "acknowledged", "acknowledged", _WORKED_ON),
    "contain": _Act("contained", "contained", "contained", frozenset({"open", "acknowledged"})),
    "resolve": _Act("resolved", "resolved", "resolved", _WORKED_ON),
    "close": _Act("closed", "closed", "closed", _WORKED_ON | {"resolved"}),
    "reopen": _Act("reopened", "reopened", "open", frozenset({"resolved", "closed"})),
    "note": _Act("noted", "noted", None, _WORKED_ON | {"resolved", "closed"}),
}


class Lived(NamedTuple):
    """The record after an act, and how to tell it."""

    record: Record
    change: Change
    reason: Reason


def live(record: Record, act: IncidentChange, clock: float) -> Lived | str:
    """What an act makes of an incident, or one sentence why it cannot be done.

    Whoever reopens knows of it, so what was told stays told; a new opening has a page of its own.
    """
    if (rule := ACTS.get(act.act)) is None:
        return f"{act.act!r} is not one of {', '.join(ACTS)}"
    if record.status not in rule.from_:
        return f"the incident is {record.status}"
    if act.act == "close" and act.verdict not in VERDICTS:
        return f"closing takes a verdict: {', '.join(VERDICTS)}"
    if act.act == "close" and act.verdict == "true" and not (act.cause or record.cause):
        return "closing with the verdict true takes the root cause: --root-cause 'what made it possible'"
    if act.act in ("note", "hand-over") and not act.note:
        return "say something that whoever comes next should know: --note '…'"
    if act.act == "hand-over" and not act.to:
        return "handing over takes a name: --to ben"
    after = msgspec.structs.replace(record, status=rule.status or record.status, updated=clock)
    if act.act == "ack":
        after = msgspec.structs.replace(after, acknowledged_by=act.by, acknowledged_at=clock)
    elif act.act == "hand-over":
        # What was contained stays so, and who took it first took it then.
        status: Status = "contained" if record.status == "contained" else "acknowledged"
        taken = record.acknowledged_at if record.acknowledged_at is not None else clock
        after = msgspec.structs.replace(after, status=status, acknowledged_by=act.to, acknowledged_at=taken)
    elif act.act == "contain":
        after = msgspec.structs.replace(after, contained_at=clock)
    elif act.act in ("resolve", "close"):
        ended = record.ended if record.ended is not None else clock
        cause = act.cause or record.cause
        after = msgspec.structs.replace(after, ended=ended, verdict=act.verdict or record.verdict, cause=cause)
    elif act.act == "reopen":
        # Whoever opened it again says when it ends, whatever its detector thinks.
        after = msgspec.structs.replace(reopened(after), lasting=None)
    return Lived(after, rule.change, rule.reason)


def over(record: Record, ended: float, reason: Reason, clock: float) -> Lived:
    """What becomes of an open incident that is over by itself since a moment, for a reason that Tocsin can name.

    Whatever is newer than the last that was heard of it opens it again, though a later end had been expected.
    """
    after = msgspec.structs.replace(record, status="resolved", ended=min(ended, record.active), updated=clock)
    return Lived(after, "resolved", reason)


def reopened(record: Record) -> Record:
    """The record in its next opening, not yet paged."""
    return msgspec.structs.replace(
        record,
        status="open",
        opening=record.opening + 1,
        ended=None,
        verdict=None,
        acknowledged_by=None,
        paged=False,
        heard=(),
        told_at=None,
        acknowledged_at=None,
        contained_at=None,
        late=(),
        due=None,
        told_by=None,
        lasting={},
        remind={},
    )
