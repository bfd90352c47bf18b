"""Reminding: a page that nobody acknowledged is told again, all that one receiver has of them as one page."""

from collections.abc import Sequence
from typing import Final

import msgspec

from alerting.deciding.decide import Decision
from alerting.deciding.policy import Policies
from alerting.incidents.record import Record, rank
from alerting.routing.budget import Page
from alerting.routing.route import Receiver, Routes, Told, sinks_of
from alerting.unit import Unit
from alerting.wording.texts import Texts, alert_of, bundle_of

ALONG: Final = 900.0
"""Seconds of the log's clock: what would be told again so soon is told along."""
AT_ONCE: Final = 1_000
"""Incidents that one reminder tells at most; the others follow with the next look."""


def reminded(record: Record, told: Told, policies: Policies, clock: float) -> Record:
    """The record after a receiver was woken: when they are told again, where they have somebody to wake."""
    after = policies.repeat.get(record.severity, 0.0) if told.repeat is None else told.repeat
    remind = {name: at for name, at in record.remind.items() if name != told.receiver.name}
    if after and told.receiver.pagers:
        remind[told.receiver.name] = clock + after
    return msgspec.structs.replace(record, remind=remind)


class Reminder:
    """Tells receivers again; everything it does is in the unit it is given."""

    def __init__(self, policies: Policies, routes: Routes, texts: Texts | None) -> None:
        self._policies = policies
        self._routes = routes
        self._texts = texts

    def due(self, unit: Unit, overdue: Sequence[Record], clock: float) -> None:
        """Tell every receiver again of whom one of these says that it is time."""
        names = {name for record in overdue for name, at in _waiting(record).items() if at <= clock}
        if not names or self._policies.observe:
            return
        soon = [record.id for record in unit.overdue(clock + ALONG, AT_ONCE)]
        for receiver in self._routes.receivers:
            if receiver.name in names:
                self._tell(unit, receiver, soon, clock)
        self._forget(unit, soon, names - {receiver.name for receiver in self._routes.receivers})

    def _tell(self, unit: Unit, receiver: Receiver, soon: Sequence[str], clock: float) -> None:
        found = [record for id_ in soon if (record := unit.record(id_)) is not None]
        found = [one for one in found if _waiting(one).get(receiver.name, float("inf")) <= clock + ALONG]
        if not found:
            return
        found.sort(key=lambda one: (-rank(one.severity), one.opened, one.id))
        after = [self._again(unit, receiver, record, clock) for record in found]
        lead = after[0]
        page_id = f"{lead.id}.{lead.revision}.again"
        for record in after:
            decision = Decision(
                finding="",
                incident=record.id,
                reason="repeated",
                change=None,
                severity=record.severity,
                page=True,
                live=True,
                detail=receiver.name,
            )
            unit.add_decision(decision, clock, page_id)
            unit.add_timeline(record, clock, "late", "repeated", "tocsin", f"told {receiver.name} again")
        unit.allowance.add_page(receiver.name, Page(clock, (), lead.tenant), page_id)
        if len(after) == 1:
            alert = alert_of(self._texts, lead, "late", "repeated", clock, page=True, id_=page_id)
        else:
            alert = bundle_of(self._texts, page_id, after, "repeated", clock, page=True)
        unit.send(alert, dict.fromkeys(sinks_of(receiver, alert.change, page=True, paged=True, ended=False)))

    def _again(self, unit: Unit, receiver: Receiver, record: Record, clock: float) -> Record:
        told = (one for one in self._routes.of(record, clock) if one.receiver.name == receiver.name)
        after = reminded(record, next(told, Told(receiver, False)), self._policies, clock)
        after = msgspec.structs.replace(after, revision=record.revision + 1, updated=clock)
        after = self._policies.targets.scheduled(after)
        unit.put(after)
        return after

    def _forget(self, unit: Unit, soon: Sequence[str], gone: set[str]) -> None:
        """Take out receivers that the configuration no longer has."""
        for id_ in soon if gone else ():
            record = unit.record(id_)
            if record is not None and not gone.isdisjoint(record.remind):
                kept = {name: at for name, at in record.remind.items() if name not in gone}
                unit.put(self._policies.targets.scheduled(msgspec.structs.replace(record, remind=kept)))


def _waiting(record: Record) -> dict[str, float]:
    return record.remind if record.status == "open" else {}
