"""The decision: whether and why a person is told of a finding."""

from collections.abc import Sequence

import msgspec

from alerting.alert import Change, Reason
from alerting.deciding.inhibit import inhibitor
from alerting.deciding.policy import Policies
from alerting.incidents.family import PRINCIPAL, learned
from alerting.incidents.key import incident_key
from alerting.incidents.record import Record, rank
from stream.finding import Finding, Severity, at_least


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may know besides the finding.

    `record` is the incident of the finding's key and `previous` that of the day before, where they exist; `causes` are
    open incidents of classes that inhibit; `repeated` says that the finding is a member already, `imported` that its
    events are history, `unrouted` that all routes to people only observe, `corroborated` for what risk even a weaker
    sign is told, and `granted` which of the directory's grants covers it after all.
    """

    record: Record | None = None
    previous: Record | None = None
    causes: Sequence[Record] = ()
    repeated: bool = False
    imported: bool = False
    unrouted: bool = False
    corroborated: str = ""
    granted: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of one finding, and why.

    `incident` is where it belongs; `change` what it does there, None for nothing. `page` says that a person is woken
    unless the receiver's budget holds it back. `own` is false for evidence that another incident's cause explains, and
    `detail` names that incident, the silence, the exception or the grant.
    """

    finding: str
    incident: str
    reason: Reason
    change: Change | None
    severity: Severity
    page: bool = False
    live: bool = False
    own: bool = True
    detail: str = ""


def decide(finding: Finding, situation: Situation, policies: Policies, clock: float) -> Decision:
    """Decide one finding; the same words give the same answer.

    A person is told once of an opening and again when it gets more severe than what was told. What is observed,
    silenced, excepted, inhibited or below the page never counts as told, so that the next finding that is none of
    these is.
    """
    record, key = situation.record, incident_key(finding).id
    live = finding.mode == "live" and not situation.imported
    if situation.repeated:
        return _decision(finding, key, "repeated", None)
    cause = inhibitor(finding, situation.causes, clock)
    if cause is not None and record is None:
        return _decision(finding, cause.id, "inhibited", "joined", live=live, own=False, detail=cause.id)
    withheld, detail = _withheld(finding, live and not situation.unrouted, cause, situation.granted, policies, clock)
    if withheld == "below_page" and situation.corroborated and rank(finding.severity) + 1 == rank(policies.page_from):
        withheld, detail = None, situation.corroborated
    change = _change(finding, record, live, telling=withheld is None)
    told = _told(record, situation.previous, change)
    if told is not None and another(finding, record if record is not None else situation.previous):
        told = None
    if withheld is None and (told is None or rank(finding.severity) > rank(told)):
        if change == "joined":
            change = "escalated"
        reason: Reason = "new" if change == "opened" else "reopened" if change == "reopened" else "escalated"
        return _decision(finding, key, reason, change, live=live, page=True, detail=detail)
    if withheld is None:
        detail = situation.previous.id if change == "opened" and situation.previous is not None else ""
        withheld = "repeated" if change == "opened" else "joined"
    return _decision(finding, key, withheld, change, live=live, detail=detail)


def another(finding: Finding, record: Record | None) -> bool:
    """Whether somebody new was given what nobody else was, where an incident is about a server and an owner.

    A project that moved has many users, who all are given the same; who takes something else is on his own.
    """
    return (
        record is not None
        and learned(finding)
        and not any(finding.entity.get(key) in record.facts.get(key, ()) for key in PRINCIPAL)
        and not set(finding.facts.get("target", ())) & set(record.facts.get("target", ()))
    )


def continues(previous: Record | None) -> bool:
    """Whether the incident of the day before still stands, so that a new day is the same matter."""
    return previous is not None and previous.is_open


def _decision(
    finding: Finding,
    incident: str,
    reason: Reason,
    change: Change | None,
    *,
    page: bool = False,
    live: bool = False,
    own: bool = True,
    detail: str = "",
) -> Decision:
    return Decision(
        finding=finding.id,
        incident=incident,
        reason=reason,
        change=change,
        severity=finding.severity,
        page=page,
        live=live,
        own=own,
        detail=detail,
    )


def _withheld(
    finding: Finding, live: bool, cause: Record | None, granted: str, policies: Policies, clock: float
) -> tuple[Reason | None, str]:
    """Why nobody is told of a finding however new it is, with what says so; None where somebody may be."""
    if not live or policies.observe:
        return "observed_only", ""
    if granted:
        return "excepted", granted
    if (matcher := policies.covering(finding, clock)) is not None:
        return ("excepted" if matcher.kind == "exception" else "silenced"), matcher.id
    if cause is not None:
        return "inhibited", cause.id
    if not at_least(finding.severity, policies.page_from):
        return "below_page", ""
    return None, ""


def _change(finding: Finding, record: Record | None, live: bool, *, telling: bool) -> Change:
    if record is None:
        return "opened"
    if not record.is_open and _reopens(finding, record, live, telling=telling):
        return "reopened"
    return "escalated" if rank(finding.severity) > rank(record.severity) else "joined"


def _reopens(finding: Finding, record: Record, live: bool, *, telling: bool) -> bool:
    """A finding newer than the end reopens; an older one only where it tells of something worse than was told."""
    if record.ended is None or finding.time > record.ended:
        return live or record.observed
    return telling and (record.told is None or rank(finding.severity) > rank(record.told))


def _told(record: Record | None, previous: Record | None, change: Change) -> Severity | None:
    if record is None:
        return previous.told if previous is not None and previous.is_open else None
    return None if change == "reopened" else record.told
