"""Excepting what the directory's grants cover, whether they were known when it was used or came after it."""

from typing import Final

import msgspec
from sqlalchemy import func, select

from alerting.database.schema import DECISIONS, TIMELINE
from alerting.database.schema import FINDINGS as MEMBERS
from alerting.deciding.decide import Decision
from alerting.deciding.granted import EXCEPTED, Leave, leave_of, since, ticket, words
from alerting.incidents.life import Lived, over
from alerting.incidents.record import Record
from alerting.telling.tell import Decided, Teller
from alerting.unit import Unit
from stream.control import DirectoryVersion
from stream.finding import DECODER, Finding, ends

_FAMILY: Final = "tenant"


class Excepting:
    """Knows the grants of the newest version of the directory, and excepts what they cover."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._digest = ""
        self._leave = Leave()

    def leave(self, unit: Unit) -> Leave:
        """The grants that were heard of."""
        if unit.leaves.digest() != self._digest:
            self._digest, self._leave = unit.leaves.digest(), unit.leaves.leave()
        return self._leave

    def reason(self, unit: Unit, finding: Finding) -> str:
        """The grant that covers a finding, in words; empty where none does."""
        if finding.class_ not in EXCEPTED:
            return ""
        grant = self.leave(unit).covering(finding)
        return ticket(grant) if grant is not None else ""

    def hear(self, unit: Unit, version: DirectoryVersion, clock: float) -> list[Decided]:
        """Take in a version of the directory; what its new grants cover in open incidents is excepted.

        A finding stays what it was, and its decision stands beside the new one. An incident in which nothing else was
        found is resolved, with the grant as the reason; a person still gives the verdict.
        """
        if unit.leaves.digest() == version.digest:
            return []
        before, after = self.leave(unit), leave_of(version.directory)
        unit.leaves.keep(version.digest, after, clock)
        new = since(before, after)
        told: list[Decided] = []
        if new:
            unit.flush()
            leave = Leave(tuple(new), after.roles)
            for record in unit.open_of(_FAMILY, leave.named_by(new)):
                told += self._of(unit, record, leave, clock)
        return told

    def _of(self, unit: Unit, record: Record, leave: Leave, clock: float) -> list[Decided]:
        members = _members(unit, record)
        excepted = _excepted(unit, record)
        told: list[Decided] = []
        said: dict[str, None] = {}
        for finding in members:
            grant = leave.covering(finding) if finding.id not in excepted else None
            if grant is None:
                continue
            excepted.add(finding.id)
            said[words(grant)] = None
            decision = Decision(
                finding=finding.id,
                incident=record.id,
                reason="excepted",
                change=None,
                severity=finding.severity,
                live=finding.mode == "live",
                detail=ticket(grant),
            )
            unit.add_decision(decision, clock, None)
            told.append(Decided(finding, decision, None))
        if told:
            whole = excepted.issuperset(finding.id for finding in members)
            lived = over(record, clock, "excepted", clock) if whole else _goes_on(record, clock)
            findings = tuple(one.finding for one in told)
            self._teller.lived(unit, record, lived, "tocsin", "; ".join(said), clock, findings=findings)
        return told


def _goes_on(record: Record, clock: float) -> Lived:
    """An incident of which a part is excepted."""
    return Lived(msgspec.structs.replace(record, updated=clock), "joined", "excepted")


def _members(unit: Unit, record: Record) -> list[Finding]:
    """What was found in this opening of an incident."""
    reopened = select(func.max(TIMELINE.c.at)).where(TIMELINE.c.incident == record.id, TIMELINE.c.change == "reopened")
    begun = unit.connection.execute(reopened).scalar() or 0.0
    rows = select(MEMBERS.c.body).where(MEMBERS.c.incident == record.id, MEMBERS.c.own.is_(True), MEMBERS.c.at >= begun)
    found = [DECODER.decode(body) for body in unit.connection.execute(rows.order_by(MEMBERS.c.at)).scalars()]
    return [finding for finding in found if not ends(finding)]


def _excepted(unit: Unit, record: Record) -> set[str]:
    rows = select(DECISIONS.c.finding).where(DECISIONS.c.incident == record.id, DECISIONS.c.reason == "excepted")
    return set(unit.connection.execute(rows).scalars())
