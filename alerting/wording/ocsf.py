"""Alerts in the Open Cybersecurity Schema Framework 1.8: Detection Finding (2004) and Incident Finding (2005).

Classes, identifiers and what is required: ocsf/ocsf-schema, `events/findings`. Times are milliseconds since the epoch.
Titles, descriptions and messages are made harmless; names and ids stay exact, so that they can be searched.
"""

import re
from ipaddress import ip_address
from typing import Any, Final

from alerting.alert import Alert, Incident, Status
from alerting.harmless import UNTRUSTED, harmless, harmless_block
from stream.finding import Finding, Severity, began
from tocsin_audit.text import clean

VERSION: Final = "1.8.0"
DETECTION: Final = 2004
INCIDENT: Final = 2005
SEVERITIES: Final[dict[Severity, int]] = {"notice": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
STATUSES: Final[dict[Status, int]] = {"open": 1, "acknowledged": 2, "contained": 2, "resolved": 4, "closed": 5}
"""New, in progress, resolved, closed."""
VERDICTS: Final = {"false": 1, "true": 2, "benign": 5, "duplicate": 10}
RULE: Final = 1
BEHAVIOURAL: Final = 2
"""Types of an analytic."""
VALUES: Final = 50
_ATTACK: Final = re.compile(r"(T\d{4})(\.\d{3})?")


def events(alert: Alert) -> list[dict[str, Any]]:
    """What an alert becomes: a Detection Finding for each of its findings, then the Incident Finding."""
    unique = {finding.id: finding for finding in alert.findings}
    return [*(detection(finding, alert) for finding in unique.values()), incident(alert)]


def detection(finding: Finding, alert: Alert) -> dict[str, Any]:
    """A finding as it was created."""
    body = {
        **_base(DETECTION, 1, finding.severity, finding.time, finding.id),
        "message": harmless(finding.title),
        "start_time": _ms(began(finding)),
        "end_time": _ms(finding.end),
        "count": max(1, finding.count),
        "is_alert": True,
        "status_id": 1,
        "confidence_score": round(finding.confidence * 100),
        "finding_info": _info(finding),
        "evidences": [_evidence(finding)],
        "unmapped": {
            "incident": alert.incident.id,
            "severity": finding.severity,
            "mode": finding.mode,
            "observed": harmless(finding.observed, 2000),
            "expected": harmless(finding.expected, 2000),
            "tenant": _text(finding.tenant or ""),
            "untrusted": UNTRUSTED,
        },
    }
    return _said(body)


def incident(alert: Alert) -> dict[str, Any]:
    """An incident after a change."""
    about = alert.incident
    activity = {"opened": 1, "closed": 3}.get(alert.change, 2)
    body = {
        **_base(INCIDENT, activity, about.severity, alert.time, alert.id),
        "message": harmless(about.title),
        "desc": "\n".join(harmless_block(alert.text, 60, 300)),
        "start_time": _ms(about.opened),
        "end_time": _ms(about.updated),
        "count": max(1, about.events),
        "status_id": STATUSES[about.status],
        "verdict_id": VERDICTS.get(about.verdict or "", 0) or None,
        "finding_info_list": [_info(finding) for finding in alert.findings[:VALUES]] or [_info_of(about)],
        **_assigned(about),
        "unmapped": {
            "incident": about.id,
            "opening": about.opening,
            "revision": about.revision,
            "dedup_key": about.dedup_key,
            "family": about.family,
            "classes": list(about.classes),
            "status": about.status,
            "change": alert.change,
            "reason": alert.reason,
            "page": alert.page,
            "tenant": _text(about.tenant or ""),
            "entity": {_text(key, 64): _text(value) for key, value in list(about.entity.items())[:VALUES]},
            "show": f"tocsin incident show {harmless(about.id, 80)}",
            "untrusted": UNTRUSTED,
        },
    }
    return _said(body)


def _base(class_: int, activity: int, severity: Severity, at: float, uid: str) -> dict[str, Any]:
    return {
        "category_uid": 2,
        "class_uid": class_,
        "activity_id": activity,
        "type_uid": class_ * 100 + activity,
        "severity_id": SEVERITIES[severity],
        "time": _ms(at),
        "metadata": {"version": VERSION, "uid": uid, "product": {"name": "Tocsin", "vendor_name": "Tocsin"}},
    }


def _info(finding: Finding) -> dict[str, Any]:
    analytic = {
        "type_id": RULE if finding.detector in ("sigma", "policy") else BEHAVIOURAL,
        "name": finding.detector,
        "uid": f"{finding.detector}/{finding.class_}",
        "version": finding.version,
        "category": finding.class_,
    }
    info = {
        "uid": finding.id,
        "title": harmless(finding.title),
        "desc": harmless(finding.why or finding.observed, 2000),
        "types": [finding.class_],
        "first_seen_time": _ms(began(finding)),
        "last_seen_time": _ms(finding.end),
        "created_time": _ms(finding.time),
        "analytic": analytic,
        "attacks": [attack for name in finding.techniques[:VALUES] if (attack := _attack(name))],
        "related_events": [{"uid": _text(identity, 256)} for identity in finding.event_ids],
        "related_events_count": finding.count,
    }
    return _said(info)


def _info_of(about: Incident) -> dict[str, Any]:
    """What stands for the findings of a change that brought none."""
    return {"uid": about.id, "title": harmless(about.title), "types": list(about.classes)}


def _evidence(finding: Finding) -> dict[str, Any]:
    entity = finding.entity
    user, server = _text(entity.get("user", "")), _text(entity.get("server", ""))
    facts = {_text(key, 64): [_text(value) for value in values[:VALUES]] for key, values in finding.facts.items()}
    return _said(
        {
            "actor": {"user": {"uid": user, "name": user.rpartition("|")[2]}} if user else None,
            "src_endpoint": {"ip": ip} if (ip := _address(entity.get("source_ip", ""))) else None,
            "dst_endpoint": {"svc_name": server} if server else None,
            "data": {"entity": {_text(key, 64): _text(value) for key, value in entity.items()}, "facts": facts},
        }
    )


def _assigned(about: Incident) -> dict[str, Any]:
    if about.acknowledged_by:
        return {"assignee": {"name": harmless(about.acknowledged_by, 100)}}
    return {"assignee_group": {"name": "unassigned"}}


def _attack(technique: str) -> dict[str, Any] | None:
    match = _ATTACK.fullmatch(technique)
    if match is None:
        return None
    return {"technique": {"uid": match[1]}} | ({"sub_technique": {"uid": technique}} if match[2] else {})


def _said(body: dict[str, Any]) -> dict[str, Any]:
    """The body without what says nothing."""
    return {key: value for key, value in body.items() if value not in (None, "", [], {})}


def _ms(at: float) -> int:
    return round(at * 1000)


def _text(value: str, limit: int = 1024) -> str:
    return clean(value, limit) or ""


def _address(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        return ""
