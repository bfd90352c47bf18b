"""What an alert about one incident is made of, and whoever writes its text."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from alerting.alert import Alert, Change, Reason
from alerting.incidents.record import Record
from stream.finding import Finding


class Texts(Protocol):
    """Writes what a person reads."""

    def of_change(self, alert: Alert) -> str:
        """The text of an alert about one incident."""
        ...

    def of_bundle(self, records: Sequence[Record], reason: Reason = ...) -> str:
        """The text of a page about several incidents, the most severe first, that are told together for a reason."""
        ...


def alert_of(
    texts: Texts | None,
    record: Record,
    change: Change,
    reason: Reason,
    clock: float,
    *,
    page: bool = False,
    findings: tuple[Finding, ...] = (),
    note: str = "",
    id_: str = "",
) -> Alert:
    """The alert about an incident as it stands; its id is incident and revision unless said otherwise."""
    alert = Alert(
        id=id_ or f"{record.id}.{record.revision}",
        time=clock,
        change=change,
        reason=reason,
        page=page,
        incident=record.incident(),
        findings=findings,
        note=note,
    )
    return msgspec.structs.replace(alert, text=texts.of_change(alert)) if texts is not None else alert


def bundle_of(
    texts: Texts | None, id_: str, records: Sequence[Record], reason: Reason, clock: float, *, page: bool
) -> Alert:
    """The alert about several incidents, the first of which leads."""
    text = texts.of_bundle(records, reason) if texts is not None else ""
    lead = records[0].incident()
    return Alert(id=id_, time=clock, change="bundle", reason=reason, page=page, incident=lead, text=text)
