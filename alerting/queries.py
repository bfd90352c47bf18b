"""What people and machines ask about incidents: the list, one of them whole, and why something was decided."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, func, or_, select

from alerting.alert import Incident, Status
from alerting.record import ENDED, Record, rank
from alerting.runbook import Runbooks
from alerting.schema import BUNDLES, DECISIONS, FINDINGS, HELD, INCIDENTS, LINKS, MATCHERS, OUTBOX, PAGES, TIMELINE
from alerting.store import Store
from alerting.targets import Targets
from alerting.unit import RECORD_DECODER
from stream.errors import RejectedError
from stream.finding import DECODER as FINDING_DECODER
from stream.finding import Severity, public
from tocsin_audit.event import rfc3339

ROWS: Final = 1000
"""Findings, decisions, deliveries and lines of the timeline that one answer shows at most, the newest."""
_SHORTEST: Final = 4
"""Digits of an incident's id that name it at least."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents: `state` is `open` (nothing ended yet), `ended`, `all` or one status; times in seconds.

    `tenants` bounds what the asker may see, None for everything; incidents without a tenant are seen by those alone
    who may see everything.
    """

    state: str = "open"
    tenants: frozenset[str] | None = None
    family: str | None = None
    severity: Severity | None = None
    entity: str | None = None
    since: float | None = None
    limit: int = 100


def list_incidents(store: Store, wanted: Filter) -> list[Incident]:
    """The incidents that fit, the most recently changed first."""
    conditions = [*_state(wanted.state), *_seen_by(wanted.tenants)]
    if wanted.family is not None:
        conditions.append(INCIDENTS.c.family == wanted.family)
    if wanted.severity is not None:
        conditions.append(INCIDENTS.c.severity >= rank(wanted.severity))
    if wanted.entity is not None:
        conditions.append(INCIDENTS.c.about_value == wanted.entity)
    if wanted.since is not None:
        conditions.append(INCIDENTS.c.updated >= wanted.since)
    newest = select(INCIDENTS.c.body).where(*conditions).order_by(INCIDENTS.c.updated.desc(), INCIDENTS.c.id)
    with store.reading() as connection:
        rows = connection.execute(newest.limit(wanted.limit))
        return [RECORD_DECODER.decode(body).incident() for (body,) in rows]


def find(store: Store, id_: str, tenants: frozenset[str] | None = None) -> Record:
    """The incident that an id or the beginning of one names.

    Raises RejectedError where there is none, or several.
    """
    beginning = id_.lower()
    if len(beginning) < _SHORTEST or not all(digit in "0123456789abcdef" for digit in beginning):
        raise RejectedError(
            f"{id_[:64]!r} is no incident's id", hint="4 or more of its hexadecimal digits; see `tocsin incident list`"
        )
    matching = select(INCIDENTS.c.body).where(
        INCIDENTS.c.id >= beginning, INCIDENTS.c.id <= beginning + "g", *_seen_by(tenants)
    )
    with store.reading() as connection:
        found = connection.execute(matching.limit(2)).all()
    if len(found) != 1:
        what = "several incidents begin" if found else "no incident begins"
        raise RejectedError(f"{what} with {beginning[:32]}", hint="see `tocsin incident list --state all`")
    return RECORD_DECODER.decode(found[0].body)


def show(
    store: Store,
    id_: str,
    runbooks: Runbooks,
    tenants: frozenset[str] | None = None,
    *,
    targets: Targets | None = None,
    now: float = 0.0,
) -> dict[str, Any]:
    """One incident whole: clocks, findings, timeline, decisions, deliveries, links and its runbook.

    Raises RejectedError where the id names no one incident.
    """
    record = find(store, id_, tenants)
    incident = record.incident()
    book = runbooks.of(incident)
    with store.reading() as connection:
        return {
            "incident": summary(incident),
            "clocks": clocks(record, targets, now),
            "findings": _findings(connection, record.id),
            "timeline": _timeline(connection, record.id),
            "decisions": _decisions(connection, record.id),
            "deliveries": _deliveries(connection, record.id),
            "links": _links(connection, record.id, tenants),
            "runbook": {
                "title": book.title,
                "phases": {
                    name: [
                        {
                            "id": step.id,
                            "purpose": step.purpose,
                            "who": step.who,
                            "minutes": step.minutes,
                            "text": runbooks.step_text(step, incident),
                            "query": runbooks.query_text(step, incident),
                        }
                        for step in steps
                    ]
                    for name, steps in book.phases()
                },
                "lines": runbooks.lines(incident),
            },
        }


def clocks(record: Record, targets: Targets | None, now: float) -> dict[str, Any]:
    """How long it took to notice an incident, and how its clocks stand; lengths in seconds."""
    readings = (targets or Targets()).readings(record, now)
    return {
        "detect": round(max(0.0, record.opened - record.began), 1),
        **{
            one.clock: {
                "target": one.target,
                "due": rfc3339(one.due),
                "reached": rfc3339(one.reached) if one.reached is not None else None,
                "late": one.late,
            }
            for one in readings
        },
    }


def why(store: Store, id_: str, tenants: frozenset[str] | None = None) -> dict[str, Any]:
    """Why somebody was told of an incident, or was not: every decision, its page, and what is held back.

    Raises RejectedError where the id names no one incident.
    """
    record = find(store, id_, tenants)
    with store.reading() as connection:
        decisions = _decisions(connection, record.id)
        ids = {decision["page_id"] for decision in decisions if decision["page_id"]}
        told = connection.execute(select(PAGES.c.alert).where(PAGES.c.alert.in_(ids))).scalars().all()
        held = connection.execute(
            select(BUNDLES.c.receiver, HELD.c.since)
            .join_from(HELD, BUNDLES, HELD.c.bundle == BUNDLES.c.id)
            .where(HELD.c.incident == record.id, HELD.c.told.is_(False))
        )
        return {
            "incident": summary(record.incident()),
            "told": record.told,
            "told_by": record.told_by,
            "decisions": decisions,
            "pages": sorted(told),
            "held": [{"receiver": row.receiver, "since": rfc3339(row.since)} for row in held],
            "links": _links(connection, record.id, tenants),
        }


def mutes(
    store: Store, clock: float, *, kind: str | None = None, id_: str | None = None, all_: bool = False
) -> list[dict[str, Any]]:
    """Silences and exceptions with how many findings each held back, those that end first in front.

    Without `all_` those that have ended are left out; `id_` is the beginning of an id.
    """
    conditions = [] if all_ else [MATCHERS.c.until > clock]
    if kind is not None:
        conditions.append(MATCHERS.c.kind == kind)
    if id_ is not None:
        conditions += [MATCHERS.c.id >= id_, MATCHERS.c.id <= id_ + "g"]
    held = select(func.count()).where(
        DECISIONS.c.reason.in_(("silenced", "excepted")), DECISIONS.c.detail == MATCHERS.c.id
    )
    columns = select(*MATCHERS.c, held.scalar_subquery().label("held")).where(*conditions)
    with store.reading() as connection:
        rows = connection.execute(columns.order_by(MATCHERS.c.until, MATCHERS.c.id).limit(ROWS)).mappings()
        return [_mute(row, clock) for row in rows]


def _mute(row: RowMapping, clock: float) -> dict[str, Any]:
    state = "ended" if row["until"] <= clock else "waiting" if row["start"] > clock else "holding"
    moments = {name: rfc3339(row[name]) for name in ("start", "until", "at")}
    return {**row, **moments, "where": msgspec.json.decode(row["where"]), "state": state}


def summary(incident: Incident) -> dict[str, Any]:
    """An incident for machines: its fields, times as RFC 3339 UTC."""
    record: dict[str, Any] = msgspec.to_builtins({name: getattr(incident, name) for name in Incident.__struct_fields__})
    for key in ("opened", "updated"):
        record[key] = rfc3339(record[key])
    return record


def _state(state: str) -> list[Any]:
    if state == "all":
        return []
    if state == "open":
        return [INCIDENTS.c.status.not_in(ENDED)]
    if state == "ended":
        return [INCIDENTS.c.status.in_(ENDED)]
    known: Iterable[str] = Status.__args__  # type: ignore[attr-defined]  # a Literal has its values there
    if state not in known:
        raise RejectedError(f"{state[:32]!r} is no state of an incident", hint=f"open, ended, all, {', '.join(known)}")
    return [INCIDENTS.c.status == state]


def _seen_by(tenants: frozenset[str] | None) -> list[Any]:
    return [] if tenants is None else [INCIDENTS.c.tenant.in_(tenants)]


def _findings(connection: Connection, incident: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(FINDINGS.c.own, FINDINGS.c.body)
        .where(FINDINGS.c.incident == incident)
        .order_by(FINDINGS.c.at.desc(), FINDINGS.c.finding)
        .limit(ROWS)
    ).all()
    return [{**public(FINDING_DECODER.decode(row.body)), "evidence_only": not row.own} for row in reversed(rows)]


def _timeline(connection: Connection, incident: str) -> list[dict[str, Any]]:
    columns = (TIMELINE.c.at, TIMELINE.c.revision, TIMELINE.c.change, TIMELINE.c.reason, TIMELINE.c.by, TIMELINE.c.note)
    rows = connection.execute(
        select(*columns).where(TIMELINE.c.incident == incident).order_by(TIMELINE.c.id.desc()).limit(ROWS)
    )
    return [_with_moment(row) for row in reversed(rows.mappings().all())]


def _decisions(connection: Connection, incident: str) -> list[dict[str, Any]]:
    columns = [
        DECISIONS.c[name] for name in ("at", "finding", "reason", "change", "severity", "page", "detail", "page_id")
    ]
    rows = connection.execute(
        select(*columns).where(DECISIONS.c.incident == incident).order_by(DECISIONS.c.id.desc()).limit(ROWS)
    )
    return [_with_moment(row) for row in reversed(rows.mappings().all())]


_DELIVERY: Final = tuple(
    OUTBOX.c[name]
    for name in ("sink", "incident", "alert", "at", "state", "attempts", "due", "changed", "repeated", "why")
)


def _deliveries(connection: Connection, incident: str) -> list[dict[str, Any]]:
    """What was or will be sent of an incident, bundles and digests that tell of it included."""
    told_in = select(DECISIONS.c.page_id).where(DECISIONS.c.incident == incident, DECISIONS.c.page_id.is_not(None))
    rows = connection.execute(
        select(*_DELIVERY)
        .where(or_(OUTBOX.c.incident == incident, OUTBOX.c.alert.in_(told_in)))
        .order_by(OUTBOX.c.id.desc())
        .limit(ROWS)
    )
    return [_delivery(row) for row in reversed(rows.mappings().all())]


def _delivery(row: RowMapping) -> dict[str, Any]:
    record = _with_moment(row)
    record["changed"] = rfc3339(row["changed"]) if row["changed"] else None
    record["due"] = rfc3339(row["due"]) if row["due"] and row["state"] == "pending" else None
    return record


def _links(connection: Connection, incident: str, tenants: frozenset[str] | None) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(LINKS.c.one, LINKS.c.other, LINKS.c.at, LINKS.c.why, LINKS.c.by).where(
            or_(LINKS.c.one == incident, LINKS.c.other == incident), LINKS.c.cut.is_(False)
        )
    ).all()
    ids = [row.other if row.one == incident else row.one for row in rows]
    visible = _visible(connection, ids, tenants)
    return [
        {"incident": id_, "at": rfc3339(row.at), "why": row.why, "by": row.by}
        for id_, row in zip(ids, rows, strict=True)
        if id_ in visible
    ]


def _visible(connection: Connection, ids: Sequence[str], tenants: frozenset[str] | None) -> frozenset[str]:
    rows = connection.execute(select(INCIDENTS.c.id).where(INCIDENTS.c.id.in_(ids), *_seen_by(tenants)))
    return frozenset(rows.scalars())


def _with_moment(row: RowMapping) -> dict[str, Any]:
    return {**row, "at": rfc3339(row["at"])}
