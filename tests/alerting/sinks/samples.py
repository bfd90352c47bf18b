"""Alerts to deliver."""

from typing import Any

from alerting.alert import Alert, Change, Incident
from stream.finding import Finding, Severity
from tocsin_audit.event import rfc3339

NOON = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""


def a_finding(identity: str = "f-1", **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "id": identity,
        "detector": "failed_auth",
        "version": "1.0",
        "class_": "spray",
        "entity": {"source_ip": "203.0.113.9"},
        "tenant": "acme",
        "severity": "high",
        "confidence": 0.9,
        "score": 80,
        "title": "Password spray from 203.0.113.9",
        "observed": "40 principals, 120 failures in 5 min",
        "expected": "at most 3 principals",
        "why": "40 principals failed from one address in 5 minutes; at most 3 are usual",
        "start": NOON - 300,
        "end": NOON,
        "time": NOON,
        "event_ids": ("e1", "e2"),
        "count": 120,
        "techniques": ("T1110.003", "AML.T0012", "SAFE-T1005"),
        "runbook": "spray",
    }
    return Finding(**(given | changes))


def an_incident(identity: str = "i-1", **changes: Any) -> Incident:
    given: dict[str, Any] = {
        "id": identity,
        "opening": 1,
        "revision": 1,
        "tenant": "acme",
        "family": "auth",
        "classes": ("spray",),
        "severity": "high",
        "status": "open",
        "title": "Password spray from 203.0.113.9",
        "entity": {"source_ip": "203.0.113.9", "server": "billing"},
        "opened": NOON,
        "updated": NOON + 1,
        "findings": 1,
        "events": 120,
        "runbook": "spray",
    }
    return Incident(**(given | changes))


def an_alert(number: int = 1, change: Change = "opened", revision: int = 1, **changes: Any) -> Alert:
    incident = an_incident(f"i-{number}", revision=revision)
    given: dict[str, Any] = {
        "id": f"i-{number}:{revision}",
        "time": NOON + number,
        "change": change,
        "reason": "new",
        "page": change == "opened",
        "incident": incident,
        "findings": (a_finding(f"f-{number}"),) if change == "opened" else (),
        "text": f"What happened\nSeen at {rfc3339(NOON)}",
    }
    return Alert(**(given | changes))


def a_hostile_alert(number: int, words: str, severity: Severity = "high") -> Alert:
    """An alert whose every string from outside is hostile."""
    finding = a_finding(
        f"f-{number}",
        entity={"user": words, "server": words, "source_ip": words, "target": words},
        tenant=words,
        title=words,
        observed=words,
        expected=words,
        why=words,
        event_ids=(words,) * 20,
        facts={"tool": (words,) * 3, words[:30]: (words,)},
        severity=severity,
    )
    incident = an_incident(
        f"i-{number}",
        tenant=words,
        title=words,
        entity={"user": words, "server": words, "source_ip": words},
        facts={"tool": (words,) * 3},
        acknowledged_by=words,
        severity=severity,
    )
    return an_alert(number, incident=incident, findings=(finding,) * 30, text=f"{words}\n{words}")
