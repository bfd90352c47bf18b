"""Folding one frame of findings or acts into incidents, decisions and the outbox, inside one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec

from alerting.deciding.decide import Decision, Situation, continues, decide
from alerting.deciding.inhibit import SOURCES, TARGETS
from alerting.deciding.mute import mute, unmute
from alerting.deciding.policy import Policies
from alerting.excepting import Excepting
from alerting.incidents.ending import over_at, stands
from alerting.incidents.family import learned
from alerting.incidents.key import IncidentKey, incident_key
from alerting.incidents.life import Lived, live, over, reopened
from alerting.incidents.record import opened_by, rank, with_findings
from alerting.incidents.risk import Entity, Risk, corroborated, telling, worst
from alerting.response.automatic import want
from alerting.response.denials import deny, lift, obeyed
from alerting.response.evidence_rows import want_evidence
from alerting.response.steps import performed, stepped
from alerting.routing.route import Routes
from alerting.telling.remind import Reminder
from alerting.telling.tell import Decided, Teller
from alerting.unit import Unit
from alerting.wording.texts import Texts
from stream.control import (
    Act,
    Deny,
    DirectoryVersion,
    IncidentChange,
    Lift,
    Linked,
    Muted,
    Obeyed,
    Performed,
    Stepped,
    Unmuted,
)
from stream.finding import Finding, ends

_EXPLAINED: Final = frozenset({"silenced", "excepted", "inhibited"})
"""What is known to be harmless, or to be another's doing, adds to nobody's risk."""
LOOK: Final = 15.0
"""Seconds of the log's clock between two looks for what is over or late."""


class Folder:
    """Folds what stands in the findings stream; everything it does is in the unit it is given."""

    def __init__(self, policies: Policies, routes: Routes, texts: Texts | None) -> None:
        self._policies = policies
        self._routes = routes
        self._teller = Teller(policies, routes, texts)
        self._excepting = Excepting(self._teller)
        self._reminder = Reminder(policies, routes, texts)
        self._look = float("-inf")

    def findings(self, unit: Unit, findings: Sequence[Finding], clock: float, *, imported: bool) -> list[Decided]:
        """Decide findings and change their incidents; one change of an incident a frame, however many findings it has.

        Causes that inhibit come first, so that what they explain in the same frame is theirs, and ends last; of one
        caller's learned owners the most severe, since a new caller pages.
        """
        keys = {finding.id: incident_key(finding) for finding in findings}
        unit.prefetch([name for key in keys.values() for name in (key.id, key.before)])
        known = unit.known(list(keys))
        policies = replace(self._policies, matchers=(*self._policies.matchers, *unit.matchers(clock)))
        told: list[Decided] = []
        changed: dict[str, list[tuple[Finding, Decision]]] = {}
        over_: list[Finding] = []
        unit.risks.prefetch(findings)
        for finding in sorted(findings, key=_turn):
            key = keys[finding.id]
            if ends(finding) and finding.id not in known:
                over_.append(finding)
                continue
            risks = unit.risks.with_(finding, clock)
            situation = Situation(
                record=unit.record(key.id),
                previous=unit.record(key.before),
                causes=unit.causes() if finding.class_ in TARGETS else (),
                repeated=finding.id in known,
                imported=imported,
                unrouted=self._routes.observes(finding, clock),
                corroborated=self._corroborated(risks, clock),
                granted=self._excepting.reason(unit, finding),
            )
            decision = decide(finding, situation, policies, clock)
            if decision.change is None:
                unit.add_decision(decision, clock, None)
                told.append(Decided(finding, decision, None))
                continue
            known.add(finding.id)
            if not imported and decision.reason not in _EXPLAINED:
                unit.risks.keep(risks)
            _join(unit, finding, key, situation, decision, clock)
            changed.setdefault(decision.incident, []).append((finding, decision))
        unit.risks.flush(clock)
        unit.links.find([record for incident in changed if (record := unit.record(incident)) is not None], clock)
        for incident, members in changed.items():
            told += self._teller.tell(unit, incident, members, clock)
            self._respond(unit, incident, members, clock)
        for finding in over_:
            told += self._end(unit, finding, keys[finding.id], clock, live=finding.mode == "live" and not imported)
        return told

    def _respond(self, unit: Unit, incident: str, members: Sequence[tuple[Finding, Decision]], clock: float) -> None:
        """Have done what needs nobody: evidence saved, and containment that was approved beforehand."""
        record = unit.record(incident)
        assert record is not None
        want_evidence(unit, record, [decision for _, decision in members], clock)
        if self._policies.containment.approvals and not self._policies.observe:
            for finding, decision in members:
                want(unit, record, finding, decision, self._policies.containment, clock)

    def _corroborated(self, risks: Sequence[tuple[Entity, Risk]], clock: float) -> str:
        """The risk in words for which even a weaker sign is told; empty where there is none."""
        found = worst(risks, clock)
        if found is None or not corroborated(found[1], clock, self._policies.risk):
            return ""
        return telling(found[1], clock)

    def directory(self, unit: Unit, version: DirectoryVersion, clock: float) -> list[Decided]:
        """Hear of a version of the directory, whose grants may cover what was found before."""
        return self._excepting.hear(unit, version, clock)

    def act(self, unit: Unit, act: Act, clock: float) -> str | None:
        """Do an operator's act; one sentence why not where it cannot be done."""
        if isinstance(act, Muted):
            return mute(unit, act)
        if isinstance(act, Unmuted):
            return unmute(unit, act, clock)
        if isinstance(act, Linked):
            return link(unit, act, clock)
        if not isinstance(act, IncidentChange):
            return self._response(unit, act, clock)
        return self._life(unit, act, clock)

    def _response(self, unit: Unit, act: Deny | Lift | Obeyed | Stepped | Performed, clock: float) -> str | None:
        """What is done about an incident beside its life."""
        match act:
            case Deny():
                return deny(unit, act, self._policies.containment, clock)
            case Lift():
                return lift(unit, act, clock)
            case Obeyed():
                return obeyed(unit, act, clock)
            case Stepped():
                return stepped(unit, act, clock)
            case Performed():
                return performed(unit, act, clock)

    def _life(self, unit: Unit, act: IncidentChange, clock: float) -> str | None:
        before = unit.record(act.incident)
        if before is None:
            return "there is no such incident"
        lived = live(before, act, clock)
        if isinstance(lived, str):
            return lived
        said = [f"handed over to {act.to}" if act.to else "", act.note or act.verdict or ""]
        said.append(f"root cause: {act.cause}" if act.cause else "")
        self._teller.lived(unit, before, lived, act.by, "; ".join(one for one in said if one), clock)
        return None

    def due(self, unit: Unit, clock: float, *, all_: bool = False) -> None:
        """Tell what budgets held back for long enough (`all_` does not wait), what is over, and what is late."""
        self._teller.bundles(unit, clock, all_=all_)
        if clock < self._look:
            return
        self._look = clock + LOOK
        overdue = unit.overdue(clock)
        for record in overdue:
            ended = over_at(record.lasting)
            if ended is not None and ended <= clock:
                said = "its detector would have told it again had it gone on"
                self._teller.lived(unit, record, over(record, ended, "resolved", clock), "tocsin", said, clock)
            else:
                self._teller.late(unit, record, clock)
        self._reminder.due(unit, overdue, clock)

    def _end(self, unit: Unit, finding: Finding, key: IncidentKey, clock: float, *, live: bool) -> list[Decided]:
        """Take from open incidents what a finding says is over; those that hold nothing else are resolved."""
        told: list[Decided] = []
        for before in unit.open_about(key.tenant, key.family, key.subject):
            if not stands(before.lasting, finding):
                continue
            record = with_findings(before, (finding,), clock, live=live)
            ended = over_at(record.lasting)
            whole = ended is not None and ended <= max(clock, finding.time)
            decision = Decision(
                finding=finding.id,
                incident=before.id,
                reason="resolved",
                change="resolved" if whole else "joined",
                severity=finding.severity,
                live=live,
                detail="" if whole else "the rest of it goes on",
            )
            if not told:
                unit.add_finding(finding, before.id, clock, own=True)
            unit.add_decision(decision, clock, None)
            note = finding.observed or finding.title
            if ended is not None and whole:
                lived = over(record, ended, "resolved", clock)
            else:
                lived = Lived(record, "joined", "resolved")
            self._teller.lived(unit, before, lived, "tocsin", note, clock, findings=(finding,))
            told.append(Decided(finding, decision, None))
        if not told:
            decision = Decision(
                finding=finding.id,
                incident=key.id,
                reason="resolved",
                change=None,
                severity=finding.severity,
                live=live,
            )
            unit.add_decision(decision, clock, None)
            told.append(Decided(finding, decision, None))
        return told


def _turn(finding: Finding) -> tuple[bool, int]:
    return finding.class_ not in SOURCES, -rank(finding.severity) if learned(finding) else 0


def _join(
    unit: Unit, finding: Finding, key: IncidentKey, situation: Situation, decision: Decision, clock: float
) -> None:
    """Make the finding a member of its incident, as decided."""
    record = unit.record(decision.incident)
    if record is None:
        record = opened_by(key, finding, clock)
        previous = situation.previous
        if previous is not None and continues(previous):
            unit.links.tie(record.id, previous.id, clock, f"the same matter on the day before ({previous.day})")
            if previous.told is not None:
                record = msgspec.structs.replace(record, told=previous.told, told_by=previous.id)
    elif decision.change == "reopened":
        record = msgspec.structs.replace(reopened(record), told=None)
    record = with_findings(record, (finding,), clock, live=decision.live, own=decision.own)
    if decision.page:
        told_at = record.told_at if record.told_at is not None else clock
        record = msgspec.structs.replace(record, told=decision.severity, told_by=None, told_at=told_at)
    if decision.own:
        sources = tuple(class_ for class_ in record.classes if class_ in SOURCES)
        record = msgspec.structs.replace(record, sources=sources)
        if decision.reason == "inhibited":
            unit.links.tie(record.id, decision.detail, clock, f"{finding.class_} is explained by it")
    unit.put(record)
    unit.add_finding(finding, record.id, clock, own=decision.own)


def link(unit: Unit, act: Linked, clock: float) -> str | None:
    """Tie two incidents together or cut a link, as an operator says; one sentence why not where that cannot be."""
    records = [unit.record(act.one), unit.record(act.other)]
    if act.one == act.other or None in records:
        return "a link needs two incidents"
    if act.cut and not unit.links.cut(act.one, act.other, act.by):
        return "they are not linked"
    if not act.cut:
        unit.links.tie(act.one, act.other, clock, act.why or "an operator says so", by=act.by)
    for record, other in zip(records, (act.other, act.one), strict=True):
        assert record is not None
        after = msgspec.structs.replace(record, revision=record.revision + 1, updated=clock)
        unit.put(after)
        note = f"{'no longer linked' if act.cut else 'linked'} to {other[:12]}{f': {act.why}' if act.why else ''}"
        unit.add_timeline(after, clock, "unlinked" if act.cut else "linked", "linked", act.by, note)
    return None
