"""Walls between tenants: what of an incident somebody is shown who may see some tenants only.

An incident belongs to the tenant of its findings. Where it is about more than its own callers (another tenant's data, a
server or an address that several share) what is said in words, what is counted across tenants and what names others is
left out. The owner of data that somebody else reached sees a side of their own: that it happened, when, and how often.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from alerting.alert import Incident
from alerting.incidents.family import CROSS_TENANT_SUCCESS, FAMILIES, PRINCIPAL
from alerting.matching import parse_all
from stream.finding import SEVERITIES, Class, Finding

OTHER: Final = "another tenant"
"""What stands in the place of a name that must not be seen."""
OWNERS: Final = ("resource_tenants", "tenant")
"""Keys whose values are tenants."""
ENOUGH: Final = frozenset({*PRINCIPAL, *OWNERS, "server", "source_ip", "token", "target", "producer"})


def spans(classes: Sequence[Class], entity: dict[str, str], tenants: frozenset[str]) -> bool:
    """Whether something may tell of more than the tenants' own callers."""
    own = any(key in entity for key in PRINCIPAL) or entity.get("tenant") in tenants
    foreign = any(entity[key] not in tenants for key in OWNERS if key in entity)
    return foreign or not own or any(FAMILIES[class_] == "tenant" for class_ in classes)


def own_finding(finding: Finding, tenants: frozenset[str] | None) -> Finding | None:
    """A finding as it may be seen; None where it is another's."""
    if tenants is None:
        return finding
    if finding.tenant not in tenants:
        return None
    if not spans((finding.class_,), finding.entity, tenants):
        return finding
    mine = any(key in finding.entity for key in PRINCIPAL)
    return msgspec.structs.replace(
        finding,
        entity=_names(finding.entity, tenants),
        title=plain_title((finding.class_,)),
        observed=f"{finding.count} events" if mine else "",
        expected="",
        why="",
        event_ids=finding.event_ids if mine else (),
        count=finding.count if mine else 1,
        facts={},
    )


def own_incident(incident: Incident, tenants: frozenset[str] | None) -> Incident:
    """An incident of one of the tenants, as it may be seen."""
    if tenants is None or not spans(incident.classes, incident.entity, tenants):
        return incident
    plain = msgspec.structs.replace(
        incident, title=plain_title(incident.classes), entity=_names(incident.entity, tenants), facts={}
    )
    if any(key in incident.entity for key in PRINCIPAL):
        return plain
    # Others' callers may be among those who keep it going.
    return msgspec.structs.replace(plain, updated=incident.opened, revision=incident.opening, findings=1, events=0)


def owners_finding(finding: Finding, tenants: frozenset[str]) -> Finding | None:
    """What the owner of the data sees of a finding about another tenant's caller; None where it is not their data."""
    owner = finding.entity.get("resource_tenants")
    if owner is None or owner not in tenants or finding.tenant in tenants or FAMILIES[finding.class_] != "tenant":
        return None
    return Finding(
        id=finding.id,
        detector=finding.detector,
        version=finding.version,
        class_=finding.class_,
        entity={"resource_tenants": owner},
        tenant=owner,
        severity=finding.severity,
        mode=finding.mode,
        confidence=finding.confidence,
        score=finding.score,
        title=_reached(finding.class_),
        observed=f"{finding.count} events",
        start=finding.start,
        first=finding.first,
        end=finding.end,
        time=finding.time,
        count=finding.count,
        techniques=finding.techniques,
        runbook=finding.runbook,
    )


def owners_incident(incident: Incident, seen: Sequence[tuple[float, Finding]]) -> Incident:
    """The owner's side of an incident: `seen` are their findings of it, each with when it joined in seconds."""
    worst = max((finding for _, finding in seen), key=lambda one: (SEVERITIES.index(one.severity), one.time, one.id))
    return Incident(
        id=incident.id,
        opening=incident.opening,
        revision=len(seen),
        tenant=worst.tenant,
        family=incident.family,
        classes=tuple(sorted({finding.class_ for _, finding in seen})),
        severity=worst.severity,
        status=incident.status,
        title=worst.title,
        entity=dict(worst.entity),
        opened=min(at for at, _ in seen),
        updated=max(at for at, _ in seen),
        findings=len(seen),
        events=sum(finding.count for _, finding in seen),
        runbook=worst.runbook,
    )


def own_event(event: dict[str, Any], tenants: frozenset[str]) -> dict[str, Any]:
    """An event of one of the tenants without the names of others."""
    owners = event.get("resource_tenants")
    if not owners:
        return event
    return {**event, "resource_tenants": list(dict.fromkeys(one if one in tenants else OTHER for one in owners))}


def within(where: Sequence[str], tenants: frozenset[str]) -> bool:
    """Whether conditions hold for nothing but these tenants: one of them names tenants, and none but these."""
    return any(
        condition.key == "tenant" and condition.operator == "=" and set(condition.values) <= tenants
        for condition in parse_all(tuple(where))
    )


def plain_title(classes: Sequence[Class]) -> str:
    """What happened, by its classes alone."""
    said = ", ".join(dict.fromkeys(class_.replace("_", " ") for class_ in classes))
    return f"{said[:1].upper()}{said[1:]}"


def _reached(class_: Class) -> str:
    if class_ in CROSS_TENANT_SUCCESS:
        return "Somebody of another tenant reached your data"
    return "Somebody of another tenant tried to reach your data"


def _names(entity: dict[str, str], tenants: frozenset[str]) -> dict[str, str]:
    kept = {key: value for key, value in entity.items() if key in ENOUGH}
    return {key: OTHER if key in OWNERS and value not in tenants else value for key, value in kept.items()}
