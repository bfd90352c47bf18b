"""What a person reads: what happened with numbers, why now, about whom, and the next three steps."""

from collections.abc import Mapping, Sequence
from typing import Final

from alerting.alert import Alert, Change, Incident, Reason
from alerting.harmless import harmless
from alerting.incidents.record import Record, rank
from alerting.runbook import Runbooks
from alerting.words import counted
from stream.finding import Finding, began
from tocsin_audit.event import rfc3339

STEPS: Final = 3
LISTED: Final = 20
"""Incidents that a page about several names."""

_WHY: Final[dict[Reason, str]] = {
    "new": "It is new.",
    "joined": "It goes on; whoever was told already knows of it.",
    "escalated": "Nobody was told of it yet, or only of something less severe.",
    "reopened": "It happened again after it had ended.",
    "repeated": "It goes on from the day before, which somebody has been told of.",
    "silenced": "A silence covers it, so nobody is woken.",
    "excepted": "An exception or a grant covers it, so nobody is woken.",
    "inhibited": "Another incident explains it, so nobody is woken.",
    "grouped": "It is told with others of its group.",
    "over_budget": "The page budget holds it back for a bundle within half an hour.",
    "observed_only": "It is only observed, so nobody is woken.",
    "below_page": "It is below what wakes a person.",
    "acknowledged": "Somebody has taken it.",
    "contained": "It has been contained.",
    "resolved": "It has been resolved.",
    "closed": "It has been closed.",
    "noted": "Somebody wrote of it.",
    "late": "Nobody has done about it what should have been done by now.",
}

_TOGETHER: Final[dict[Reason, str]] = {
    "over_budget": "that the page budget held back",
    "grouped": "of one group",
    "repeated": "that nobody has acknowledged",
}
_AGAIN: Final = "Nobody has acknowledged it since it was told."


class Messages:
    """Writes alerts with the steps of their runbooks."""

    def __init__(self, runbooks: Runbooks) -> None:
        self._runbooks = runbooks

    def of_change(self, alert: Alert) -> str:
        """The text of an alert about one incident."""
        incident = alert.incident
        lines = [title(incident)]
        if alert.findings:
            worst = max(alert.findings, key=lambda finding: rank(finding.severity))
            lines += happened(worst)
            if len(alert.findings) > 1:
                lines.append(f"With it came {counted(len(alert.findings) - 1, 'more finding')}.")
        lines.append(f"Why now: {_why(alert)}")
        if alert.note:
            lines.append(f"Said of it: {harmless(alert.note, 300)}")
        lines.append(f"About: {about(incident)}")
        if incident.status in ("open", "acknowledged", "contained"):
            lines += self._next(incident)
        short = incident.id[:12]
        take = f"take it: tocsin incident ack {short}; " if incident.status == "open" and alert.page else ""
        lines.append(
            f"Incident {incident.id}, opening {incident.opening}; {take}all of it: tocsin incident show {short}"
        )
        return "\n".join(lines)

    def of_bundle(self, records: Sequence[Record], reason: Reason = "over_budget") -> str:
        """The text of a page about several incidents, the most severe first."""
        lines = [f"{counted(len(records), 'incident')} {_TOGETHER.get(reason, _TOGETHER['over_budget'])}"]
        lines += [_line(record.incident()) for record in records[:LISTED]]
        return "\n".join([*lines, *_rest(len(records)), "All of them: tocsin incident list"])

    def _next(self, incident: Incident) -> list[str]:
        steps = self._runbooks.of(incident).first_15_minutes[:STEPS]
        lines = ["Next:"]
        for number, step in enumerate(steps, 1):
            lines.append(f"{number}. {self._runbooks.step_text(step, incident)}")
        return lines


def digest_text(alerts: Sequence[Alert], became: Mapping[str, Change]) -> str:
    """The text of one page in place of many that could not be delivered for an hour or more.

    Each opening is told once, by its most severe page; those that somebody has seen to come last, as `became` says.
    """
    told: dict[str, Alert] = {}
    for alert in sorted(alerts, key=lambda alert: (rank(alert.incident.severity), alert.time)):
        told[alert.id if alert.change in ("bundle", "digest") else alert.incident.dedup_key] = alert
    waiting = sum(key not in became for key in told)
    about_ = f" about {counted(len(told), 'incident')}" if len(told) < len(alerts) else ""
    still = "waits" if waiting == 1 else "wait"
    seen_to = f"; {waiting} of them still {still} for somebody" if waiting < len(told) else ""
    first = _moment(min(alert.time for alert in alerts))
    lines = [f"{counted(len(alerts), 'page')}{about_} since {first} could not be delivered until now{seen_to}"]
    order = sorted(told.items(), key=lambda one: (one[0] in became, -rank(one[1].incident.severity), one[1].time))
    for key, alert in order[:LISTED]:
        meanwhile = f", {became[key]} meanwhile" if key in became else ""
        lines.append(f"{_line(alert.incident)} (at {_moment(alert.time)}{meanwhile})")
        if alert.change in ("bundle", "digest"):
            lines += [f"  {line}" for line in alert.text.splitlines()[1:-1]]
    return "\n".join([*lines, *_rest(len(told)), "All of them: tocsin incident list"])


def title(incident: Incident) -> str:
    """The one line that names an incident."""
    where = f" [{harmless(incident.tenant, 60)}]" if incident.tenant else ""
    return f"{incident.severity.upper()}{where} {harmless(incident.title, 200)}"


def about(incident: Incident) -> str:
    """What an incident is about, in one line."""
    parts = [f"{key} {harmless(value, 120)}" for key, value in sorted(incident.entity.items())]
    if incident.tenant and "tenant" not in incident.entity:
        parts.append(f"tenant {harmless(incident.tenant, 120)}")
    return ", ".join(parts) or "no entity"


def happened(finding: Finding) -> list[str]:
    """What a finding saw, with its numbers, and why that matters."""
    lines = []
    seen = harmless(finding.observed, 300)
    usual = harmless(finding.expected, 300)
    if seen:
        lines.append(f"What happened: {seen}" + (f" (expected: {usual})" if usual else ""))
    if finding.why:
        lines.append(f"Why it matters: {harmless(finding.why, 400)}")
    # A window may end later than what was seen in it.
    first, last = _moment(began(finding)), _moment(min(finding.end, max(finding.time, began(finding))))
    span = first if last <= first else f"{first} to {last}"
    lines.append(f"When: {span}; {counted(finding.count, 'event')}, confidence {finding.confidence:.0%}")
    return lines


def _why(alert: Alert) -> str:
    """The reason in words; of an incident that was taken, by whom."""
    if alert.change == "late" and alert.reason == "repeated":
        return _AGAIN
    who = alert.incident.acknowledged_by
    return f"{harmless(who, 60)} has taken it." if alert.reason == "acknowledged" and who else _WHY[alert.reason]


def _line(incident: Incident) -> str:
    ended = f", {incident.status}" if incident.status != "open" else ""
    return f"- {title(incident)}: {about(incident)} ({incident.id[:12]}{ended})"


def _rest(count: int) -> list[str]:
    return [f"and {count - LISTED} more"] if count > LISTED else []


def _moment(at: float) -> str:
    return f"{rfc3339(at)[:19]}Z"
