"""Bundling: what a page costs its receiver, what waits for others, and the one page that tells of several incidents."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from alerting.alert import Change, Reason
from alerting.deciding.policy import Policies
from alerting.incidents.family import CROSS_TENANT_SUCCESS
from alerting.incidents.record import Record, rank
from alerting.routing.budget import Page, may_page
from alerting.routing.grouping import Group, due
from alerting.routing.route import Receiver, Routes, Told, sinks_of
from alerting.telling.allowance import DRILL, Bundle
from alerting.telling.remind import reminded
from alerting.unit import Unit
from alerting.wording.texts import Texts, alert_of, bundle_of
from stream.finding import Class, Finding

_SHOWN: Final = 20
"""Findings that the page about a group of one incident shows."""


class Spent(NamedTuple):
    """Whether a receiver is paged now; else the bundle that tells it, and why."""

    page: bool
    bundle: str | None = None
    reason: Reason = "over_budget"


class Bundler:
    """Spends page budgets and tells what waited; everything it does is in the unit it is given."""

    def __init__(self, policies: Policies, routes: Routes, texts: Texts | None) -> None:
        self._policies = policies
        self._routes = routes
        self._texts = texts

    def spend(
        self, unit: Unit, told: Told, record: Record, paging: Sequence[Finding], alert_id: str, clock: float
    ) -> Spent:
        """Page a receiver now, or hold the incident back for a bundle."""
        receiver = told.receiver
        classes = tuple(sorted({finding.class_ for finding in paging}))
        if told.group is not None and classes != (DRILL,):
            return self._group(unit, receiver, told.group, record, classes, alert_id, clock)
        budget = self._policies.budget_of(receiver)
        spent = unit.allowance.pages(receiver.name, clock - budget.window)
        verdict = may_page(spent, classes, record.tenant, budget, clock)
        waiting = unit.allowance.bundles().get((receiver.name, ""))
        if verdict == "page":
            unit.allowance.add_page(receiver.name, Page(clock, classes, record.tenant), alert_id)
            if waiting is not None:
                unit.allowance.told(waiting, record.id)
            return Spent(True)
        later = clock + (budget.storm_after if verdict == "storm" else budget.bundle_after)
        new = Bundle(receiver.name, "", f"{alert_id}.bundle", clock, later)
        return Spent(False, unit.allowance.hold(new, record.id, clock).id)

    def _group(
        self,
        unit: Unit,
        receiver: Receiver,
        group: Group,
        record: Record,
        classes: Sequence[Class],
        alert_id: str,
        clock: float,
    ) -> Spent:
        there = unit.allowance.bundles().get((receiver.name, group.key))
        urgent = not CROSS_TENANT_SUCCESS.isdisjoint(classes)
        later = due(group, there.due if there is not None else None, clock, urgent=urgent)
        new = Bundle(receiver.name, group.key, f"{alert_id}.{group.key[:8]}.group", clock, later, group.interval)
        return Spent(False, unit.allowance.hold(new, record.id, clock).id, "grouped")

    def due(self, unit: Unit, clock: float, *, all_: bool = False) -> None:
        """Tell what was held back for long enough, one page a receiver and group; `all_` does not wait."""
        for bundle in list(unit.allowance.bundles().values()):
            if bundle.due > clock and not all_:
                continue
            if not bundle.id:
                unit.allowance.release(bundle, clock)
            elif (later := self._later(unit, bundle, clock)) is not None and not all_:
                unit.allowance.put_off(bundle, later)
            else:
                self._tell(unit, bundle, clock)

    def _later(self, unit: Unit, bundle: Bundle, clock: float) -> float | None:
        """When a group is told for whose page the receiver's budget has nothing left; None for now."""
        receiver = next((one for one in self._routes.receivers if one.name == bundle.receiver), None)
        if not bundle.group or receiver is None:
            return None
        budget = self._policies.budget_of(receiver)
        if not (records := self._members(unit, bundle)):
            return None
        spent = unit.allowance.pages(receiver.name, clock - budget.window)
        verdict = may_page(spent, records[0].classes, records[0].tenant, budget, clock)
        last = bundle.since + budget.bundle_after
        if verdict == "page" or clock >= last:
            return None
        return min(last, clock + budget.storm_after) if verdict == "storm" else last

    def _members(self, unit: Unit, bundle: Bundle) -> list[Record]:
        """What waits for a bundle: first what somebody should be woken for, the most severe first."""
        members = unit.allowance.held(bundle)
        unit.prefetch(held.incident for held in members)
        told = {held.incident for held in members if held.told}
        records = [record for held in members if (record := unit.record(held.incident)) is not None]
        return sorted(
            records, key=lambda one: (not one.is_open, one.id in told, -rank(one.severity), one.opened, one.id)
        )

    def _tell(self, unit: Unit, bundle: Bundle, clock: float) -> None:
        """Tell what waited; it wakes a person unless each has ended or had a page of its own meanwhile."""
        told = {held.incident for held in unit.allowance.held(bundle) if held.told}
        records = self._members(unit, bundle)
        unit.allowance.release(bundle, clock)
        if not records:
            return  # all of it was removed since: its time to be kept was over, or somebody asked for that
        reason: Reason = "grouped" if bundle.group else "over_budget"
        receivers = [one for one in self._routes.receivers if one.name == bundle.receiver]
        page = records[0].is_open and records[0].id not in told
        after: list[Record] = []
        for number, record in enumerate(records):
            changed = msgspec.structs.replace(record, revision=record.revision + 1, updated=clock)
            if page and not number:
                changed = msgspec.structs.replace(changed, paged=True)
                for receiver in receivers:
                    changed = reminded(changed, self._told(changed, receiver, clock), self._policies, clock)
            changed = self._policies.targets.scheduled(changed)
            unit.put(changed)
            unit.add_timeline(changed, clock, "bundle", reason, "tocsin", bundle.id)
            after.append(changed)
        lead = after[0]
        if page:
            unit.allowance.add_page(bundle.receiver, Page(clock, lead.classes, lead.tenant), bundle.id)
        if bundle.group and len(after) == 1:
            change: Change = "reopened" if lead.opening > 1 else "opened"
            findings = tuple(unit.worst_of(lead.id, _SHOWN))
            alert = alert_of(self._texts, lead, change, reason, clock, page=page, findings=findings, id_=bundle.id)
        else:
            alert = bundle_of(self._texts, bundle.id, after, reason, clock, page=page)
        heard = [sink for one in receivers for sink in sinks_of(one, alert.change, page=page, paged=False, ended=False)]
        unit.send(alert, dict.fromkeys(heard))

    def _told(self, record: Record, receiver: Receiver, clock: float) -> Told:
        found = (one for one in self._routes.of(record, clock) if one.receiver.name == receiver.name)
        return next(found, Told(receiver, False))
