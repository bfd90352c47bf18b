"""Alerts as ECS documents, by pure functions.

Field names and values: Elastic Common Schema 9.4; `event.kind` is `alert` for detections, never `signal`, which is
Kibana's own. Prose for people (`message`, `event.reason`, the report) is made harmless; names and ids stay exact, so
that they can be searched. No URL field is ever filled from words of strangers.
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from alerting.alert import Alert, Incident
from alerting.harmless import harmless, harmless_block
from stream.finding import Finding, Severity, began
from tocsin_audit.event import rfc3339
from tocsin_audit.text import clean

ECS: Final = "9.4.0"
NUMBERS: Final[dict[Severity, int]] = {"notice": 5, "low": 21, "medium": 47, "high": 73, "critical": 99}
"""Severities as Elastic's own rules number them, with `notice` below."""
ATTACK: Final = re.compile(r"(T\d{4})(\.\d{3})?")
TECHNIQUES: Final[dict[str, str]] = {
    "T1020": "Automated Exfiltration",
    "T1046": "Network Service Discovery",
    "T1078": "Valid Accounts",
    "T1087": "Account Discovery",
    "T1098": "Account Manipulation",
    "T1110": "Brute Force",
    "T1119": "Automated Collection",
    "T1199": "Trusted Relationship",
    "T1213": "Data from Information Repositories",
    "T1526": "Cloud Service Discovery",
    "T1528": "Steal Application Access Token",
    "T1530": "Data from Cloud Storage",
    "T1550": "Use Alternate Authentication Material",
    "T1552": "Unsecured Credentials",
    "T1562": "Impair Defenses",
    "T1567": "Exfiltration Over Web Service",
    "T1595": "Active Scanning",
}
"""Names of the MITRE ATT&CK techniques that detectors name."""
VALUES: Final = 50
"""Values that a list holds at most."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document and the id under which it exists once."""

    id: str
    body: dict[str, Any]


def documents(alert: Alert, namespace: str) -> list[Document]:
    """What an alert becomes: a document for each of its findings and one for the change of the incident."""
    found = [Document(finding.id, _settled(finding_document(finding, alert), namespace)) for finding in alert.findings]
    return [*found, Document(alert.id, _settled(incident_document(alert), namespace))]


def finding_document(finding: Finding, alert: Alert) -> dict[str, Any]:
    """A finding as an ECS alert."""
    number = NUMBERS[finding.severity]
    body = {
        "@timestamp": rfc3339(finding.time),
        "message": harmless(finding.title),
        "event": {
            "kind": "alert",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "action": finding.detector,
            "id": finding.id,
            "severity": number,
            "risk_score": float(finding.score or number),
            "reason": harmless(finding.why or finding.observed or finding.title, 2000),
            "start": rfc3339(began(finding)),
            "end": rfc3339(finding.end),
        },
        "rule": {
            "id": f"{finding.detector}/{finding.class_}",
            "name": finding.detector,
            "version": finding.version,
            "category": finding.class_,
            "ruleset": "tocsin",
        },
        "threat": threat(finding.techniques),
        "mcp": {
            "alert": {
                "event_ids": [_text(identity, 256) for identity in finding.event_ids],
                "count": finding.count,
                "score": finding.score,
                "observed": _text(finding.observed, 2000),
                "baseline": _text(finding.expected, 2000),
                "group_key": alert.incident.id,
            }
        },
        "tocsin": {
            "severity": finding.severity,
            "finding": {
                "id": finding.id,
                "class": finding.class_,
                "detector": finding.detector,
                "mode": finding.mode,
                "confidence": finding.confidence,
                "entity": _texts(finding.entity),
                "facts": _lists(finding.facts),
                "techniques": list(finding.techniques[:VALUES]),
                "runbook": finding.runbook,
            },
            "incident": {"id": alert.incident.id, "opening": alert.incident.opening},
        },
        "labels": {"mode": finding.mode},
    }
    return body | about(finding.entity, finding.tenant, finding.facts)


def incident_document(alert: Alert) -> dict[str, Any]:
    """A change of an incident: an event about alerts, so that counting alerts counts each finding once."""
    incident = alert.incident
    number = NUMBERS[incident.severity]
    body = {
        "@timestamp": rfc3339(alert.time),
        "message": harmless(incident.title),
        "event": {
            "kind": "event",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "action": f"incident-{alert.change}",
            "id": alert.id,
            "severity": number,
            "risk_score": float(number),
            "reason": harmless(incident.title, 2000),
            "start": rfc3339(incident.opened),
            "end": rfc3339(incident.updated),
        },
        "rule": {"name": incident.family, "category": incident.family, "ruleset": "tocsin"},
        "mcp": {"alert": {"group_key": incident.id, "count": incident.events}},
        "tocsin": {
            "severity": incident.severity,
            "page": alert.page,
            "reason": alert.reason,
            "change": alert.change,
            "report": harmless_block(alert.text, 200),
            "incident": _incident(incident),
        },
        "labels": {"page": "true" if alert.page else "false"},
    }
    return body | about(incident.entity, incident.tenant, incident.facts)


def about(entity: dict[str, str], tenant: str | None, facts: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """Who and what it is about, under ECS's names where it has them; what fits none of its types stays in `tocsin`."""
    known = {key: [value, *facts.get(key, ())] for key, value in entity.items()}
    known |= {key: list(values) for key, values in facts.items() if key not in known}
    fields: dict[str, Any] = {}
    users = _cleaned([*known.get("user", []), *known.get("on_behalf_of", [])])
    addresses = [address for value in known.get("source_ip", []) if (address := _address(value))]
    if "user" in entity:
        user = _text(entity["user"], 1024)
        fields["user"] = {"id": user, "name": user.rpartition("|")[2]}
    if tenant:
        fields["organization"] = {"id": _text(tenant, 1024)}
    if "source_ip" in entity:
        fields["source"] = {"address": _text(entity["source_ip"], 256)}
        if address := _address(entity["source_ip"]):
            fields["source"]["ip"] = address
    if "server" in entity:
        fields["service"] = {"name": _text(entity["server"], 1024)}
    related = {"user": users, "ip": list(dict.fromkeys(addresses))[:VALUES]}
    if related := {key: values for key, values in related.items() if values}:
        fields["related"] = related
    return fields


def threat(techniques: tuple[str, ...]) -> dict[str, Any]:
    """The ATT&CK techniques among the ids; those of other lists stay in `tocsin.finding.techniques`."""
    matches = [match for technique in techniques[:VALUES] if (match := ATTACK.fullmatch(technique))]
    if not matches:
        return {}
    ids = list(dict.fromkeys(match[1] for match in matches))
    technique: dict[str, Any] = {"id": ids, "name": [TECHNIQUES[found] for found in ids if found in TECHNIQUES]}
    if below := [match[0] for match in matches if match[2]]:
        technique["subtechnique"] = {"id": below}
    return {"framework": "MITRE ATT&CK", "technique": technique}


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "opening": incident.opening,
        "revision": incident.revision,
        "family": incident.family,
        "classes": list(incident.classes),
        "status": incident.status,
        "title": _text(incident.title),
        "entity": _texts(incident.entity),
        "facts": _lists(incident.facts),
        "opened": rfc3339(incident.opened),
        "updated": rfc3339(incident.updated),
        "findings": incident.findings,
        "events": incident.events,
        "runbook": incident.runbook,
        "acknowledged_by": _text(incident.acknowledged_by or ""),
        "verdict": _text(incident.verdict or ""),
    }


def _settled(body: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The body with what all documents carry, without fields that say nothing."""
    body["event"] |= {"module": "tocsin", "provider": "tocsin", "dataset": "tocsin.alert"}
    body["ecs"] = {"version": ECS}
    body["data_stream"] = {"type": "logs", "dataset": "tocsin.alert", "namespace": namespace}
    body["observer"] = {"vendor": "Tocsin", "product": "Tocsin", "type": "ids"}
    kept = without_nothing(body)
    assert isinstance(kept, dict)
    return kept


def without_nothing(value: Any) -> Any:
    """A JSON value without fields that say nothing."""
    if not isinstance(value, dict):
        return value
    return {key: kept for key, item in value.items() if (kept := without_nothing(item)) not in ("", None, [], {})}


def _text(value: str, limit: int = 500) -> str:
    return clean(value, limit) or ""


def _cleaned(values: list[str]) -> list[str]:
    return list(dict.fromkeys(text for value in values[:VALUES] if (text := _text(value, 1024))))


def _texts(entity: dict[str, str]) -> dict[str, str]:
    return {_text(key, 64): _text(value, 1024) for key, value in list(entity.items())[:VALUES]}


def _lists(facts: dict[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {_text(key, 64): _cleaned(list(values)) for key, values in list(facts.items())[:VALUES]}


def _address(value: str) -> str | None:
    try:
        return str(ip_address(value))
    except ValueError:
        return None
