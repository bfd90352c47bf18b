"""An alert as plain JSON for machines: bounded, its prose harmless, exact values apart, where nobody shows them."""

from typing import Any, Final

import msgspec

from alerting.alert import Alert, Incident
from alerting.harmless import UNTRUSTED, harmless, harmless_block
from alerting.wording.message import about, title
from stream.finding import Finding, began
from tocsin_audit.event import rfc3339
from tocsin_audit.text import clean

FINDINGS: Final = 20
"""Findings of one alert that are written out at most."""
LINES: Final = 60
VALUES: Final = 50
"""Values that a list or a mapping holds at most."""


def plain(alert: Alert, *, repeated: bool, limit: int) -> dict[str, Any]:
    """The alert as a JSON object of at most `limit` bytes; findings are left out from the end, and counted.

    `exact` holds names and addresses as they were seen, for look-ups, cleaned of control characters alone; all other
    strings can be shown as they are.
    """
    incident = alert.incident
    body: dict[str, Any] = {
        "v": 1,
        "id": alert.id,
        "time": rfc3339(alert.time),
        "change": alert.change,
        "reason": alert.reason,
        "page": alert.page,
        "repeated": repeated,
        "title": title(incident),
        "about": about(incident),
        "text": harmless_block(alert.text, LINES, 300),
        "incident": incident_of(incident),
        "findings": [finding_of(finding) for finding in alert.findings[:FINDINGS]],
        "findings_left_out": max(0, len(alert.findings) - FINDINGS),
        "exact": exact(incident),
        "untrusted": UNTRUSTED,
    }
    while len(msgspec.json.encode(body)) > limit and body["findings"]:
        body["findings"].pop()
        body["findings_left_out"] += 1
    for name in ("exact", "text", "about", "title"):
        if len(msgspec.json.encode(body)) > limit:
            del body[name]
    return body


def incident_of(incident: Incident) -> dict[str, Any]:
    """The incident as it stands."""
    return {
        "id": incident.id,
        "opening": incident.opening,
        "revision": incident.revision,
        "dedup_key": incident.dedup_key,
        "tenant": harmless(incident.tenant, 255) or None,
        "family": incident.family,
        "classes": list(incident.classes),
        "severity": incident.severity,
        "status": incident.status,
        "opened": rfc3339(incident.opened),
        "updated": rfc3339(incident.updated),
        "findings": incident.findings,
        "events": incident.events,
        "runbook": incident.runbook,
        "acknowledged_by": harmless(incident.acknowledged_by, 100) or None,
        "verdict": harmless(incident.verdict, 100) or None,
        "show": f"tocsin incident show {harmless(incident.id, 80)}",
    }


def finding_of(finding: Finding) -> dict[str, Any]:
    """A finding with who noticed it, how severe it is, and its techniques."""
    return {
        **evidence_of(finding),
        "detector": finding.detector,
        "severity": finding.severity,
        "techniques": list(finding.techniques[:VALUES]),
    }


def evidence_of(finding: Finding) -> dict[str, Any]:
    """What a finding saw, with its numbers and evidence."""
    return {
        "id": finding.id,
        "class": finding.class_,
        "observed": harmless(finding.observed),
        "expected": harmless(finding.expected),
        "why": harmless(finding.why),
        "from": rfc3339(began(finding)),
        "to": rfc3339(finding.end),
        "events": finding.count,
        "event_ids": [harmless(identity, 80) for identity in finding.event_ids],
    }


def exact(incident: Incident) -> dict[str, Any]:
    """The values that an incident is about, for look-ups and never for display."""
    entity = {_text(key, 64): _text(value) for key, value in list(incident.entity.items())[:VALUES]}
    facts = {
        _text(key, 64): [_text(value) for value in values[:VALUES]]
        for key, values in list(incident.facts.items())[:VALUES]
    }
    return {"tenant": _text(incident.tenant or ""), "entity": entity, "facts": facts}


def _text(value: str, limit: int = 1024) -> str:
    return clean(value, limit) or ""
