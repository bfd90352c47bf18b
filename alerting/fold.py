"""Folding one frame of findings or acts into incidents, decisions and the outbox, inside one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import msgspec

from alerting.alert import Alert, Change, Reason
from alerting.allowance import Bundle
from alerting.budget import Page, may_page
from alerting.decide import Decision, Situation, continues, decide
from alerting.incident_key import IncidentKey, incident_key
from alerting.inhibit import SOURCES, TARGETS
from alerting.life import live, reopened
from alerting.policy import Policies
from alerting.record import Record, opened_by, rank, with_findings
from alerting.route import Routes, sinks_of
from alerting.unit import Unit
from stream.control import IncidentChange
from stream.finding import Finding


class Texts(Protocol):
    """Writes what a person reads."""

    def of_change(self, alert: Alert) -> str:
        """The text of an alert about one incident."""
        ...

    def of_bundle(self, records: Sequence[Record]) -> str:
        """The text of a page about several incidents, the most severe first."""
        ...


class Decided(NamedTuple):
    """A finding with its decision, and the page or bundle that tells of it."""

    finding: Finding
    decision: Decision
    page_id: str | None


class Folder:
    """Folds what stands in the findings stream; everything it does is in the unit it is given."""

    def __init__(self, policies: Policies, routes: Routes, texts: Texts | None) -> None:
        self._policies = policies
        self._routes = routes
        self._texts = texts

    def findings(self, unit: Unit, findings: Sequence[Finding], clock: float, *, imported: bool) -> list[Decided]:
        """Decide findings and change their incidents; one change of an incident a frame, however many findings it has.

        Causes that inhibit come first, so that what they explain in the same frame is theirs.
        """
        keys = {finding.id: incident_key(finding) for finding in findings}
        unit.prefetch([name for key in keys.values() for name in (key.id, key.before)])
        known = unit.known(list(keys))
        policies = replace(self._policies, matchers=(*self._policies.matchers, *unit.matchers(clock)))
        told: list[Decided] = []
        changed: dict[str, list[tuple[Finding, Decision]]] = {}
        for finding in sorted(findings, key=lambda finding: finding.class_ not in SOURCES):
            key = keys[finding.id]
            situation = Situation(
                record=unit.record(key.id),
                previous=unit.record(key.before),
                causes=unit.causes() if finding.class_ in TARGETS else (),
                repeated=finding.id in known,
                imported=imported,
            )
            decision = decide(finding, situation, policies, clock)
            if decision.change is None:
                unit.add_decision(decision, clock, None)
                told.append(Decided(finding, decision, None))
                continue
            known.add(finding.id)
            _join(unit, finding, key, situation, decision, clock)
            changed.setdefault(decision.incident, []).append((finding, decision))
        for incident, members in changed.items():
            told += self._tell(unit, incident, members, clock)
        return told

    def act(self, unit: Unit, act: IncidentChange, clock: float) -> str | None:
        """Do an operator's act; one sentence why not where it cannot be done."""
        before = unit.record(act.incident)
        if before is None:
            return "there is no such incident"
        lived = live(before, act, clock)
        if isinstance(lived, str):
            return lived
        record = msgspec.structs.replace(lived.record, revision=before.revision + 1)
        unit.put(record)
        unit.add_timeline(record, clock, lived.change, lived.reason, act.by, act.note or act.verdict or "")
        if before.is_open and not record.is_open:
            for follower in unit.followers(record.id):
                unit.put(msgspec.structs.replace(follower, told=None, told_by=None))
        alert = self._alert(record, lived.change, lived.reason, clock)
        sinks: dict[str, None] = {}
        for receiver in self._routes.receivers_of(record):
            heard = sinks_of(receiver, lived.change, page=False, paged=before.paged, ended=not before.is_open)
            sinks.update(dict.fromkeys(heard))
        unit.send(alert, sinks)
        return None

    def bundles(self, unit: Unit, clock: float, *, all_: bool = False) -> None:
        """Tell what budgets held back for long enough, one page a receiver; `all_` does not wait."""
        for bundle in list(unit.allowance.bundles().values()):
            if all_ or bundle.since + self._policies.bundle_after <= clock:
                self._bundle(unit, bundle, clock)

    def _tell(
        self, unit: Unit, incident: str, members: Sequence[tuple[Finding, Decision]], clock: float
    ) -> list[Decided]:
        record = unit.record(incident)
        assert record is not None
        record = msgspec.structs.replace(record, revision=record.revision + 1)
        change, reason = _strongest([decision for _, decision in members])
        paging = [finding for finding, decision in members if decision.page]
        alert_id = f"{record.id}.{record.revision}"
        sinks: dict[str, None] = {}
        pages, bundle = False, None
        for receiver in self._routes.receivers_of(record):
            page = False
            if paging:
                classes = tuple(sorted({finding.class_ for finding in paging}))
                spent = unit.allowance.pages(receiver.name, clock - self._policies.window)
                page = may_page(spent, classes, record.tenant, self._policies, clock)
                waiting = unit.allowance.bundles().get(receiver.name)
                if page:
                    unit.allowance.add_page(receiver.name, Page(clock, classes, record.tenant), alert_id)
                    if waiting is not None:
                        unit.allowance.told(waiting, incident)
                else:
                    waiting = waiting or Bundle(receiver.name, f"{alert_id}.bundle", clock)
                    bundle = waiting.id
                    unit.allowance.hold(waiting, incident, clock)
            pages |= page
            sinks.update(dict.fromkeys(sinks_of(receiver, change, page=page, paged=record.paged, ended=False)))
        if paging and not pages:
            reason = "over_budget"
        record = msgspec.structs.replace(record, paged=record.paged or pages)
        unit.put(record)
        findings = tuple(finding for finding, _ in members)
        unit.add_timeline(record, clock, change, reason, "tocsin", _note(findings))
        if sinks:
            unit.send(self._alert(record, change, reason, clock, page=pages, findings=findings), sinks)
        page_id = alert_id if pages else bundle
        told = []
        for finding, decision in members:
            own_page = page_id if decision.page else None
            if decision.page and not pages:
                decision = msgspec.structs.replace(decision, page=False, reason="over_budget")
            unit.add_decision(decision, clock, own_page)
            told.append(Decided(finding, decision, own_page))
        return told

    def _bundle(self, unit: Unit, bundle: Bundle, clock: float) -> None:
        """Tell what waited for a bundle; it wakes a person unless each has ended or had a page of its own meanwhile."""
        members = unit.allowance.release(bundle)
        unit.prefetch(held.incident for held in members)
        told = {held.incident for held in members if held.told}
        records = [record for held in members if (record := unit.record(held.incident)) is not None]
        records.sort(key=lambda one: (not one.is_open, one.id in told, -rank(one.severity), one.opened, one.id))
        lead = records[0]
        page = lead.is_open and lead.id not in told
        for record in records:
            after = msgspec.structs.replace(record, revision=record.revision + 1, updated=clock)
            if record is lead:
                lead = after = msgspec.structs.replace(after, paged=record.paged or page)
            unit.put(after)
            unit.add_timeline(after, clock, "bundle", "over_budget", "tocsin", bundle.id)
        if page:
            unit.allowance.add_page(bundle.receiver, Page(clock, lead.classes, lead.tenant), bundle.id)
        receivers = [one for one in self._routes.receivers_of(lead) if one.name == bundle.receiver]
        sinks = [sink for one in receivers for sink in sinks_of(one, "bundle", page=page, paged=False, ended=False)]
        if sinks:
            alert = Alert(
                id=bundle.id,
                time=clock,
                change="bundle",
                reason="over_budget",
                page=page,
                incident=lead.incident(),
                text=self._texts.of_bundle([lead, *records[1:]]) if self._texts is not None else "",
            )
            unit.send(alert, sinks)

    def _alert(
        self,
        record: Record,
        change: Change,
        reason: Reason,
        clock: float,
        *,
        page: bool = False,
        findings: tuple[Finding, ...] = (),
    ) -> Alert:
        alert = Alert(
            id=f"{record.id}.{record.revision}",
            time=clock,
            change=change,
            reason=reason,
            page=page,
            incident=record.incident(),
            findings=findings,
        )
        return msgspec.structs.replace(alert, text=self._texts.of_change(alert)) if self._texts is not None else alert


def _join(
    unit: Unit, finding: Finding, key: IncidentKey, situation: Situation, decision: Decision, clock: float
) -> None:
    """Make the finding a member of its incident, as decided."""
    record = unit.record(decision.incident)
    if record is None:
        record = opened_by(key, finding, clock)
        previous = situation.previous
        if previous is not None and continues(previous):
            unit.link(record.id, previous.id, clock, f"the same matter on the day before ({previous.day})")
            if previous.told is not None:
                record = msgspec.structs.replace(record, told=previous.told, told_by=previous.id)
    elif decision.change == "reopened":
        record = msgspec.structs.replace(reopened(record), told=None)
    record = with_findings(record, (finding,), clock, live=decision.live, own=decision.own)
    if decision.page:
        record = msgspec.structs.replace(record, told=decision.severity, told_by=None)
    if decision.own:
        sources = tuple(class_ for class_ in record.classes if class_ in SOURCES)
        record = msgspec.structs.replace(record, sources=sources)
        if decision.reason == "inhibited":
            unit.link(record.id, decision.detail, clock, f"{finding.class_} is explained by it")
    unit.put(record)
    unit.add_finding(finding, record.id, clock, own=decision.own)


def _strongest(decisions: Sequence[Decision]) -> tuple[Change, Reason]:
    """How a change is told that several findings of one frame made together."""
    order: tuple[Change, ...] = ("opened", "reopened", "escalated", "joined")
    changes = {decision.change for decision in decisions}
    change = next(change for change in order if change in changes)
    best = next((one for one in decisions if one.page), None) or next(one for one in decisions if one.change == change)
    return change, best.reason


def _note(findings: Sequence[Finding]) -> str:
    first = max(findings, key=lambda finding: rank(finding.severity))
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{first.class_} {first.id}{more}"
