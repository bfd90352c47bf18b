"""The incident's record: what is kept of it, and how findings and acts change it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from alerting.alert import Incident, Status
from alerting.incidents.ending import lasting
from alerting.incidents.family import Subject
from alerting.incidents.key import IncidentKey
from stream.finding import SEVERITIES, Class, Finding, Severity, began

ENDED: Final[frozenset[Status]] = frozenset({"resolved", "closed"})
FACTS: Final = 8
"""Values of one field that an incident keeps."""


def rank(severity: Severity) -> int:
    """A severity's place, from 0 for the least."""
    return SEVERITIES.index(severity)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with what its next decision needs to know.

    `told` is the severity that a person was told of in this opening, by a page, by one held back for a bundle, or,
    where `told_by` names it, by the incident of the day before. `paged` says that this opening's own page went out.
    `ended` is the log's clock when it was resolved or closed. `observed` says that no live finding is in it yet.
    `remind` says by receiver when they are told of this opening again unless somebody acknowledged it.
    `sources` are its classes that inhibit others, `active` the log's clock at its last finding. `heard` names the
    receivers that heard of this opening, so that they hear how it ends whatever hour that is. `told_at`,
    `acknowledged_at` and `contained_at` are of this opening, `late` are its clocks that ran out, and `due` is when the
    next one does. `began` is the event time of the first event of its first finding, or where that one's
    window begins, if no more is `known` of it. `cause` is the root cause that whoever
    closed it named, and `saved` the last opening whose evidence was asked for. `lasting` says by matter when it is
    over, None where a person has to say so.
    """

    id: str
    tenant: str | None
    family: str
    about: Subject
    day: str
    opening: int = 1
    revision: int = 0
    classes: tuple[Class, ...] = ()
    severity: Severity = "notice"
    status: Status = "open"
    title: str = ""
    entity: dict[str, str] = {}
    opened: float
    updated: float
    active: float
    findings: int = 0
    events: int = 0
    runbook: str = ""
    facts: dict[str, tuple[str, ...]] = {}
    acknowledged_by: str | None = None
    verdict: str | None = None
    told: Severity | None = None
    told_by: str | None = None
    cause: str | None = None
    saved: int = 0
    paged: bool = False
    ended: float | None = None
    observed: bool = True
    sources: tuple[Class, ...] = ()
    detectors: tuple[str, ...] = ()
    heard: tuple[str, ...] = ()
    began: float = 0.0
    known: bool = False
    told_at: float | None = None
    acknowledged_at: float | None = None
    contained_at: float | None = None
    late: tuple[str, ...] = ()
    due: float | None = None
    lasting: dict[str, float | None] | None = None
    remind: dict[str, float] = {}

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something about it."""
        return self.status not in ENDED

    def incident(self) -> Incident:
        """The incident as others see it."""
        return Incident(**{name: getattr(self, name) for name in Incident.__struct_fields__})


def opened_by(key: IncidentKey, finding: Finding, clock: float) -> Record:
    """A new incident's record before its first finding joins it."""
    return Record(
        id=key.id,
        tenant=key.tenant,
        family=key.family,
        about=key.subject,
        day=key.date,
        severity=finding.severity,
        title=finding.title,
        entity=dict(finding.entity),
        runbook=finding.runbook or finding.class_,
        opened=clock,
        began=began(finding),
        known=finding.first is not None,
        updated=clock,
        active=clock,
        lasting={},
    )


def with_findings(record: Record, findings: Sequence[Finding], clock: float, *, live: bool, own: bool = True) -> Record:
    """The record after findings joined it; `own` is false for evidence that another incident's cause explains.

    The most severe of them, the newest among equals, gives title, entity and runbook.
    """
    if not own:
        return msgspec.structs.replace(
            record,
            findings=record.findings + len(findings),
            events=record.events + sum(finding.count for finding in findings),
            facts=_facts(record.facts, findings),
            updated=clock,
        )
    severity, title, entity, runbook = record.severity, record.title, record.entity, record.runbook
    for finding in findings:
        if rank(finding.severity) > rank(severity):
            severity, title = finding.severity, finding.title
            entity, runbook = dict(finding.entity), finding.runbook or finding.class_
    classes = tuple(sorted({*record.classes, *(finding.class_ for finding in findings)}))
    detectors = tuple(sorted({*record.detectors, *(finding.detector for finding in findings)}))
    return msgspec.structs.replace(
        record,
        classes=classes,
        detectors=detectors,
        severity=severity,
        title=title,
        entity=entity,
        runbook=runbook,
        findings=record.findings + len(findings),
        events=record.events + sum(finding.count for finding in findings),
        facts=_facts(record.facts, findings),
        updated=clock,
        active=clock,
        observed=record.observed and not live,
        lasting=lasting(record.lasting, findings),
    )


def _facts(known: dict[str, tuple[str, ...]], findings: Sequence[Finding]) -> dict[str, tuple[str, ...]]:
    seen = {name: dict.fromkeys(values) for name, values in known.items()}
    for finding in findings:
        for name, value in finding.entity.items():
            seen.setdefault(name, {})[value] = None
        for name, values in finding.facts.items():
            seen.setdefault(name, {}).update(dict.fromkeys(values))
    return {name: tuple(values)[:FACTS] for name, values in seen.items()}
