"""Telling: what of a change is sent to whom, whose page budget it costs, and what waits for a bundle."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from alerting.alert import Alert, Change, Reason
from alerting.allowance import Bundle
from alerting.budget import Page, may_page
from alerting.decide import Decision
from alerting.life import Lived
from alerting.policy import Policies
from alerting.record import Record, rank
from alerting.route import Receiver, Routes, Told, sinks_of
from alerting.unit import Unit
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


class Teller:
    """Sends what was decided to those whom the routes name; everything it does is in the unit it is given."""

    def __init__(self, policies: Policies, routes: Routes, texts: Texts | None) -> None:
        self._policies = policies
        self._routes = routes
        self._texts = texts

    def lived(
        self,
        unit: Unit,
        before: Record,
        lived: Lived,
        by: str,
        note: str,
        clock: float,
        *,
        findings: tuple[Finding, ...] = (),
    ) -> None:
        """Keep what became of an incident's life, and tell it to those who heard of the incident.

        Whoever was not told of the next day's incident because of one that has ended is told of what comes there.
        """
        record = msgspec.structs.replace(lived.record, revision=before.revision + 1)
        record = self._policies.targets.scheduled(record)
        unit.put(record)
        if before.is_open and not record.is_open:
            for follower in unit.followers(record.id):
                unit.put(msgspec.structs.replace(follower, told=None, told_by=None))
        unit.add_timeline(record, clock, lived.change, lived.reason, by, note)
        alert = self._alert(record, lived.change, lived.reason, clock, findings=findings, note=note)
        sinks: dict[str, None] = {}
        for told in self._receivers(before, clock):
            heard = sinks_of(told.receiver, lived.change, page=False, paged=before.paged, ended=not before.is_open)
            sinks.update(dict.fromkeys(heard))
        unit.send(alert, sinks)

    def tell(
        self, unit: Unit, incident: str, members: Sequence[tuple[Finding, Decision]], clock: float
    ) -> list[Decided]:
        """Tell of an incident that these findings changed; the decisions as the budgets left them."""
        record = unit.record(incident)
        assert record is not None
        record = msgspec.structs.replace(record, revision=record.revision + 1)
        change, reason = _strongest([decision for _, decision in members])
        paging = [finding for finding, decision in members if decision.page]
        alert_id = f"{record.id}.{record.revision}"
        sinks: dict[str, None] = {}
        pages, bundle = False, None
        receivers = self._receivers(record, clock)
        for receiver, observe in receivers:
            page = False
            if paging and not observe:
                page, held = self._spend(unit, receiver, record, paging, alert_id, clock)
                bundle = held or bundle
            pages |= page
            sinks.update(dict.fromkeys(sinks_of(receiver, change, page=page, paged=record.paged, ended=False)))
        if paging and not pages:
            reason = "over_budget"
        heard = dict.fromkeys((*record.heard, *(told.receiver.name for told in receivers)))
        record = msgspec.structs.replace(record, paged=record.paged or pages, heard=tuple(heard))
        record = self._policies.targets.scheduled(record)
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

    def bundles(self, unit: Unit, clock: float, *, all_: bool = False) -> None:
        """Tell what budgets held back for long enough, one page a receiver; `all_` does not wait."""
        for bundle in list(unit.allowance.bundles().values()):
            if all_ or bundle.due <= clock:
                self._bundle(unit, bundle, clock)

    def late(self, unit: Unit, record: Record, clock: float) -> None:
        """Say of an incident what is late, and wake those to whom it is passed on when nobody acknowledged it."""
        overdue = self._policies.targets.overdue(record, clock)
        names = tuple(one.clock for one in overdue)
        after = msgspec.structs.replace(record, late=record.late + names, revision=record.revision + 1, updated=clock)
        after = self._policies.targets.scheduled(after)
        page = "acknowledge" in names and not self._policies.observe
        told = self._escalated(record) if page else ()
        heard = dict.fromkeys((*after.heard, *(it.name for it in told)))
        after = msgspec.structs.replace(after, heard=tuple(heard))
        unit.put(after)
        if not overdue:
            return
        note = ", ".join(f"{one.clock} within {one.target / 60:.0f} min" for one in overdue)
        unit.add_timeline(after, clock, "late", "late", "tocsin", note)
        sinks: dict[str, None] = {}
        for receiver in told:
            alert_id = f"{after.id}.{after.revision}"
            unit.allowance.add_page(receiver.name, Page(clock, after.classes, after.tenant), alert_id)
            sinks.update(dict.fromkeys((*receiver.sinks, *receiver.pagers)))
        for one in self._receivers(after, clock):
            sinks.update(dict.fromkeys(one.receiver.sinks))
        if sinks:
            unit.send(self._alert(after, "late", "late", clock, page=bool(told)), sinks)

    def _escalated(self, record: Record) -> tuple[Receiver, ...]:
        """Those to whom an incident is passed on, by the receivers who heard of it."""
        names = dict.fromkeys(one.escalate_to for one in self._routes.receivers if one.name in record.heard)
        return tuple(one for one in self._routes.receivers if one.name in names)

    def _receivers(self, record: Record, clock: float) -> Sequence[Told]:
        """Those whom the routes name now, and those who heard of this opening before."""
        told = {one.receiver.name: one for one in self._routes.of(record, clock)}
        for receiver in self._routes.receivers:
            if receiver.name in record.heard and receiver.name not in told:
                told[receiver.name] = Told(receiver, False)
        return tuple(told.values())

    def _spend(
        self, unit: Unit, receiver: Receiver, record: Record, paging: Sequence[Finding], alert_id: str, clock: float
    ) -> tuple[bool, str | None]:
        """Whether a receiver is paged now; else the bundle that tells it."""
        budget = self._policies.budget_of(receiver)
        classes = tuple(sorted({finding.class_ for finding in paging}))
        spent = unit.allowance.pages(receiver.name, clock - budget.window)
        verdict = may_page(spent, classes, record.tenant, budget, clock)
        waiting = unit.allowance.bundles().get((receiver.name, ""))
        if verdict == "page":
            unit.allowance.add_page(receiver.name, Page(clock, classes, record.tenant), alert_id)
            if waiting is not None:
                unit.allowance.told(waiting, record.id)
            return True, None
        due = clock + (budget.storm_after if verdict == "storm" else budget.bundle_after)
        waiting = unit.allowance.hold(Bundle(receiver.name, "", f"{alert_id}.bundle", clock, due), record.id, clock)
        return False, waiting.id

    def _bundle(self, unit: Unit, bundle: Bundle, clock: float) -> None:
        """Tell what waited for a bundle; it wakes a person unless each has ended or had a page of its own meanwhile."""
        members = unit.allowance.held(bundle)
        unit.allowance.release(bundle, clock)
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
        receivers = [one for one in self._routes.receivers if one.name == bundle.receiver]
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
        note: str = "",
    ) -> Alert:
        alert = Alert(
            id=f"{record.id}.{record.revision}",
            time=clock,
            change=change,
            reason=reason,
            page=page,
            incident=record.incident(),
            findings=findings,
            note=note,
        )
        return msgspec.structs.replace(alert, text=self._texts.of_change(alert)) if self._texts is not None else alert


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
