"""A unit of work: what one transaction reads and changes, written in few statements at its end."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from alerting.alert import ENCODER as ALERT_ENCODER
from alerting.alert import Alert
from alerting.database.places import Places
from alerting.database.schema import (
    DECISIONS,
    FINDINGS,
    INCIDENTS,
    MATCHERS,
    OUTBOX,
    TIMELINE,
)
from alerting.deciding.decide import Decision
from alerting.deciding.leaves import Leaves
from alerting.deciding.policy import Matcher
from alerting.incidents.family import Subject
from alerting.incidents.links import Links
from alerting.incidents.record import ENDED, Record, rank
from alerting.incidents.risks import Risks
from alerting.matching import parse_all
from alerting.telling.allowance import Allowance
from stream.finding import DECODER as FINDING_DECODER
from stream.finding import ENCODER as FINDING_ENCODER
from stream.finding import Finding

RECORD_DECODER: Final = msgspec.json.Decoder(Record)
_ENCODER: Final = msgspec.json.Encoder()
_MANY: Final = 500
"""Values in one IN clause."""


class Unit:
    """Reads through, writes at the end; inside it what was put is what is seen.

    `places` says what of the streams has taken effect, `allowance` what receivers' page budgets have left, `leaves`
    what the directory grants, `links` which incidents are tied together, and `risks` what entities have against them.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.places = Places(connection)
        self.allowance = Allowance(connection)
        self.leaves = Leaves(connection)
        self.links = Links(connection)
        self.risks = Risks(connection)
        self._records: dict[str, Record | None] = {}
        self._changed: dict[str, None] = {}
        self._new: set[str] = set()
        self._findings: dict[str, dict[str, Any]] = {}
        self._rows: dict[Table, list[dict[str, Any]]] = {}
        self._causes: dict[str, None] | None = None
        self._first_due: float | None = None
        self._matchers: tuple[Matcher, ...] | None = None

    # -- incidents

    def prefetch(self, ids: Iterable[str]) -> None:
        """Read the records of many incidents at once."""
        missing = [id_ for id_ in dict.fromkeys(ids) if id_ not in self._records]
        for part in _parts(missing):
            found = dict.fromkeys(part, None)
            rows = self.connection.execute(select(INCIDENTS.c.id, INCIDENTS.c.body).where(INCIDENTS.c.id.in_(part)))
            self._records.update(found)
            for id_, body in rows:
                self._records[id_] = RECORD_DECODER.decode(body)

    def record(self, id_: str) -> Record | None:
        """An incident's record, None where there is no such incident."""
        if id_ not in self._records:
            self.prefetch((id_,))
        return self._records[id_]

    def put(self, record: Record) -> None:
        """Keep a new or changed record."""
        if self.record(record.id) is None:
            self._new.add(record.id)
        self._records[record.id] = record
        self._changed[record.id] = None
        if self._causes is not None and record.sources:
            self._causes[record.id] = None

    def causes(self) -> list[Record]:
        """The open incidents of classes that inhibit others."""
        if self._causes is None:
            rows = self.connection.execute(
                select(INCIDENTS.c.id).where(INCIDENTS.c.inhibits.is_(True), INCIDENTS.c.status.not_in(ENDED))
            )
            self._causes = dict.fromkeys(id_ for (id_,) in rows)
            self._causes.update(dict.fromkeys(id_ for id_ in self._changed if (r := self.record(id_)) and r.sources))
            self.prefetch(self._causes)
        found = [self.record(id_) for id_ in self._causes]
        return [record for record in found if record is not None and record.is_open]

    def overdue(self, clock: float, limit: int = 100) -> list[Record]:
        """The first incidents of which a clock has run out."""
        if self._first_due is None:
            # Nothing is written before the unit's end, so that one look is enough for all its frames.
            first = self.connection.execute(select(func.min(INCIDENTS.c.due))).scalar()
            self._first_due = float("inf") if first is None else float(first)
        if clock < self._first_due:
            return []
        late = select(INCIDENTS.c.id).where(INCIDENTS.c.due <= clock).order_by(INCIDENTS.c.due, INCIDENTS.c.id)
        ids = [id_ for (id_,) in self.connection.execute(late.limit(limit))]
        self.prefetch(ids)
        return [record for id_ in ids if (record := self._records[id_]) is not None]

    def open_about(self, tenant: str | None, family: str, about: Subject) -> list[Record]:
        """The open incidents of a family about one entity, of whatever day, the newest first."""
        same = (INCIDENTS.c.tenant == tenant) if tenant is not None else INCIDENTS.c.tenant.is_(None)
        where = (
            INCIDENTS.c.about_value == about.value,
            INCIDENTS.c.about_key == about.key,
            INCIDENTS.c.family == family,
        )
        rows = self.connection.execute(select(INCIDENTS.c.id).where(*where, same, INCIDENTS.c.status.not_in(ENDED)))
        ids = dict.fromkeys([*(id_ for (id_,) in rows), *self._changed])
        self.prefetch(ids)
        found = [record for id_ in ids if (record := self._records[id_]) is not None and record.is_open]
        mine = [one for one in found if (one.tenant, one.family, one.about) == (tenant, family, about)]
        return sorted(mine, key=lambda one: (-one.opened, one.id))

    def open_of(self, family: str, names: Sequence[str]) -> list[Record]:
        """The open incidents of a family that are about one of these, the oldest first; call `flush` before."""
        found: list[str] = []
        for part in _parts(names):
            where = (INCIDENTS.c.about_value.in_(part), INCIDENTS.c.family == family)
            rows = self.connection.execute(select(INCIDENTS.c.id).where(*where, INCIDENTS.c.status.not_in(ENDED)))
            found += rows.scalars()
        self.prefetch(found)
        records = [record for id_ in dict.fromkeys(found) if (record := self._records[id_]) is not None]
        return sorted(records, key=lambda one: (one.opened, one.id))

    def followers(self, id_: str) -> list[Record]:
        """The incidents that nobody was told of because this one, of the day before, was told."""
        rows = self.connection.execute(select(INCIDENTS.c.id).where(INCIDENTS.c.told_by == id_))
        ids = dict.fromkeys([*(found for (found,) in rows), *self._changed])
        self.prefetch(ids)
        return [record for found in ids if (record := self._records[found]) is not None and record.told_by == id_]

    # -- findings, decisions, timeline, links

    def worst_of(self, incident: str, limit: int) -> list[Finding]:
        """The most severe of the newest findings of an incident."""
        self.flush()
        rows = select(FINDINGS.c.body).where(FINDINGS.c.incident == incident, FINDINGS.c.own.is_(True))
        newest = self.connection.execute(rows.order_by(FINDINGS.c.at.desc(), FINDINGS.c.finding).limit(_MANY)).scalars()
        found = [FINDING_DECODER.decode(body) for body in newest]
        return sorted(found, key=lambda one: (-rank(one.severity), -one.time, one.id))[:limit]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Which findings are members of an incident already."""
        found = {id_ for id_ in ids if id_ in self._findings}
        for part in _parts([id_ for id_ in ids if id_ not in found]):
            rows = self.connection.execute(select(FINDINGS.c.finding).where(FINDINGS.c.finding.in_(part)))
            found.update(id_ for (id_,) in rows)
        return found

    def add_finding(self, finding: Finding, incident: str, at: float, *, own: bool) -> None:
        """Make a finding a member of an incident."""
        body = FINDING_ENCODER.encode(finding).decode()
        self._findings[finding.id] = {
            "finding": finding.id,
            "incident": incident,
            "own": own,
            "at": at,
            "owner": finding.entity.get("resource_tenants"),
            "body": body,
        }

    def add_decision(self, decision: Decision, at: float, page_id: str | None) -> None:
        """Record a decision with its reason, and the page that tells it."""
        self.add(
            DECISIONS,
            incident=decision.incident,
            finding=decision.finding,
            at=at,
            reason=decision.reason,
            change=decision.change,
            severity=decision.severity,
            page=decision.page,
            detail=decision.detail,
            page_id=page_id,
        )

    def add_timeline(self, record: Record, at: float, change: str, reason: str, by: str, note: str) -> None:
        """Write a line of an incident's timeline."""
        self.add(
            TIMELINE,
            incident=record.id,
            revision=record.revision,
            at=at,
            change=change,
            reason=reason,
            by=by,
            note=note,
        )

    # -- telling

    def send(self, alert: Alert, sinks: Iterable[str]) -> None:
        """Put an alert into the outbox of each sink."""
        body = ALERT_ENCODER.encode(alert).decode()
        for sink in sinks:
            self.add(
                OUTBOX,
                sink=sink,
                incident=alert.incident.id,
                alert=alert.id,
                at=alert.time,
                state="pending",
                attempts=0,
                due=0.0,
                changed=0.0,
                repeated=False,
                why="",
                body=body,
            )

    def matchers(self, clock: float) -> tuple[Matcher, ...]:
        """The silences and exceptions that have not expired."""
        if self._matchers is None:
            rows = self.connection.execute(select(MATCHERS).where(MATCHERS.c.until > clock))
            self._matchers = tuple(
                Matcher(
                    row.id,
                    row.kind,
                    parse_all(msgspec.json.decode(row.where, type=tuple[str, ...])),
                    row.start,
                    row.until,
                    row.owner,
                    row.reason,
                    row.forced,
                )
                for row in rows
            )
        return tuple(matcher for matcher in self._matchers if matcher.until > clock)

    def forget_matchers(self) -> None:
        """Read the silences and exceptions anew, since one was made or ended."""
        self._matchers = None

    def flush(self) -> None:
        """Write what was put."""
        self.allowance.flush()
        new = [_row(record) for id_ in self._changed if id_ in self._new and (record := self._records[id_])]
        old = [_row(record) for id_ in self._changed if id_ not in self._new and (record := self._records[id_])]
        if new:
            self.connection.execute(insert(INCIDENTS), new)
        if old:
            changed = update(INCIDENTS).where(INCIDENTS.c.id == bindparam("id_"))
            names = [name for name in old[0] if name != "id"]
            statement = changed.values({name: bindparam(name) for name in names})
            self.connection.execute(statement, [{**row, "id_": row.pop("id")} for row in old])
        if self._findings:
            self.connection.execute(insert(FINDINGS), list(self._findings.values()))
        for table, rows in self._rows.items():
            self.connection.execute(insert(table), rows)
        self._changed.clear()
        self._new.clear()
        self._findings.clear()
        self._rows.clear()

    # -- any table

    def add(self, table: Table, **values: Any) -> None:
        """Write a row at the end."""
        self._rows.setdefault(table, []).append(values)


def _row(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "tenant": record.tenant,
        "family": record.family,
        "about_key": record.about.key,
        "about_value": record.about.value,
        "status": record.status,
        "severity": rank(record.severity),
        "updated": record.updated,
        "told_by": record.told_by,
        "inhibits": bool(record.sources),
        "due": record.due,
        "body": _ENCODER.encode(record).decode(),
    }


def _parts(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _MANY] for start in range(0, len(ids), _MANY))
