"""Telling: what of a change is sent to whom, whose page budget it costs, and what waits for a bundle."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from alerting.alert import Change, Reason
from alerting.deciding.decide import Decision
from alerting.deciding.policy import Policies
from alerting.incidents.life import Lived
from alerting.incidents.record import Record, rank
from alerting.routing.budget import Page
from alerting.routing.route import Receiver, Routes, Told, sinks_of
from alerting.telling.bundling import Bundler, Spent
from alerting.telling.remind import reminded
from alerting.unit import Unit
from alerting.wording.texts import Texts, alert_of
from alerting.words import length
from stream.finding import Finding


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
        self._bundler = Bundler(policies, routes, texts)

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
        if lived.change == "noted":
            return
        alert = alert_of(self._texts, record, lived.change, lived.reason, clock, findings=findings, note=note)
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
        pages = False
        held: list[Spent] = []
        receivers = self._receivers(record, clock)
        for told in receivers:
            page = False
            if paging and not told.observe:
                spent = self._bundler.spend(unit, told, record, paging, alert_id, clock)
                if page := spent.page:
                    record = reminded(record, told, self._policies, clock)
                else:
                    held.append(spent)
            pages |= page
            sinks.update(dict.fromkeys(sinks_of(told.receiver, change, page=page, paged=record.paged, ended=False)))
        if paging and not pages:
            reason = held[-1].reason if held else "over_budget"
        heard = dict.fromkeys((*record.heard, *(told.receiver.name for told in receivers)))
        record = msgspec.structs.replace(record, paged=record.paged or pages, heard=tuple(heard))
        record = self._policies.targets.scheduled(record)
        unit.put(record)
        findings = tuple(finding for finding, _ in members)
        unit.add_timeline(record, clock, change, reason, "tocsin", _note(findings))
        if sinks:
            alert = alert_of(self._texts, record, change, reason, clock, page=pages, findings=findings)
            unit.send(alert, sinks)
        page_id = alert_id if pages else held[-1].bundle if held else None
        decided = []
        for finding, decision in members:
            own_page = page_id if decision.page else None
            if decision.page and not pages:
                decision = msgspec.structs.replace(decision, page=False, reason=reason)
            unit.add_decision(decision, clock, own_page)
            decided.append(Decided(finding, decision, own_page))
        return decided

    def bundles(self, unit: Unit, clock: float, *, all_: bool = False) -> None:
        """Tell what was held back for long enough; `all_` does not wait."""
        self._bundler.due(unit, clock, all_=all_)

    def late(self, unit: Unit, record: Record, clock: float) -> None:
        """Say of an incident what is late, and wake those to whom it is passed on when nobody acknowledged it."""
        overdue = self._policies.targets.overdue(record, clock)
        names = tuple(one.clock for one in overdue)
        if not overdue:
            unit.put(self._policies.targets.scheduled(record))
            return
        after = msgspec.structs.replace(record, late=record.late + names, revision=record.revision + 1, updated=clock)
        page = "acknowledge" in names and not self._policies.observe
        told = self._escalated(record) if page else ()
        for receiver in told:
            after = reminded(after, Told(receiver, False), self._policies, clock)
        heard = dict.fromkeys((*after.heard, *(it.name for it in told)))
        after = self._policies.targets.scheduled(msgspec.structs.replace(after, heard=tuple(heard)))
        unit.put(after)
        note = ", ".join(f"{one.clock} within {length(one.target)}" for one in overdue)
        unit.add_timeline(after, clock, "late", "late", "tocsin", note)
        sinks: dict[str, None] = {}
        for receiver in told:
            alert_id = f"{after.id}.{after.revision}"
            unit.allowance.add_page(receiver.name, Page(clock, after.classes, after.tenant), alert_id)
            sinks.update(dict.fromkeys((*receiver.sinks, *receiver.pagers)))
        for one in self._receivers(after, clock):
            sinks.update(dict.fromkeys(one.receiver.sinks))
        if sinks:
            unit.send(alert_of(self._texts, after, "late", "late", clock, page=bool(told)), sinks)

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
