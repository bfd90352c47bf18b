"""What people and machines ask about incidents: the list, one of them whole, and why something was decided."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, func, or_, select

from alerting.alert import Incident, Status
from alerting.database.schema import (
    BUNDLES,
    DECISIONS,
    FINDINGS,
    HELD,
    INCIDENTS,
    LINKS,
    MATCHERS,
    OUTBOX,
    PAGES,
    TIMELINE,
)
from alerting.database.store import Store
from alerting.incidents.record import ENDED, Record, rank
from alerting.incidents.sides import owners_sides
from alerting.incidents.targets import DETECT, Targets
from alerting.incidents.walls import own_finding, own_incident, within
from alerting.runbook import Runbooks
from alerting.unit import RECORD_DECODER
from stream.errors import NotThereError, RejectedError
from stream.finding import DECODER as FINDING_DECODER
from stream.finding import Finding, Severity, began, public
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
    tenant: str | None = None
    family: str | None = None
    severity: Severity | None = None
    entity: str | None = None
    since: float | None = None
    limit: int = 100


def fits(incident: Incident, wanted: Filter) -> bool:
    """Whether an incident that is not looked up by its columns is wanted."""
    states = {"open": incident.status not in ENDED, "ended": incident.status in ENDED, "all": True}
    return (
        states.get(wanted.state, incident.status == wanted.state)
        and wanted.tenant in (None, incident.tenant)
        and wanted.family in (None, incident.family)
        and (wanted.severity is None or rank(incident.severity) >= rank(wanted.severity))
        and (wanted.entity is None or wanted.entity in incident.entity.values())
        and (wanted.since is None or incident.updated >= wanted.since)
    )


def beginning_of(id_: str) -> str:
    """The beginning of an incident's id as it is stored; raises RejectedError where it is none."""
    beginning = id_.lower()
    if len(beginning) < _SHORTEST or not all(digit in "0123456789abcdef" for digit in beginning):
        raise NotThereError(
            f"{id_[:64]!r} is no incident's id", hint="4 or more of its hexadecimal digits; see `tocsin incident list`"
        )
    return beginning


def list_incidents(store: Store, wanted: Filter) -> list[Incident]:
    """The incidents that fit, the most recently changed first."""
    conditions = [*_state(wanted.state), *_seen_by(wanted.tenants)]
    if wanted.tenant is not None:
        conditions.append(INCIDENTS.c.tenant == wanted.tenant)
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
        rows = connection.execute(newest.limit(wanted.limit)).scalars().all()
        own = [own_incident(RECORD_DECODER.decode(body).incident(), wanted.tenants) for body in rows]
        sides = [] if wanted.tenants is None else [one for one, _ in owners_sides(connection, wanted.tenants)]
    if wanted.tenants is None:
        return own
    own += [one for one in sides if fits(one, wanted)]
    return sorted(own, key=lambda one: (-one.updated, one.id))[: wanted.limit]


def find(store: Store, id_: str, tenants: frozenset[str] | None = None) -> Record:
    """The incident that an id or the beginning of one names.

    Raises RejectedError where there is none, or several.
    """
    beginning = beginning_of(id_)
    matching = select(INCIDENTS.c.body).where(
        INCIDENTS.c.id >= beginning, INCIDENTS.c.id <= beginning + "g", *_seen_by(tenants)
    )
    with store.reading() as connection:
        found = connection.execute(matching.limit(2)).all()
    if len(found) != 1:
        what, error = ("several incidents begin", RejectedError) if found else ("no incident begins", NotThereError)
        raise error(f"{what} with {beginning[:32]}", hint="see `tocsin incident list --state all`")
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
    if (side := _owners_side(store, id_, tenants)) is not None:
        return {**_bare(*side), "runbook": _runbook(runbooks, side[0])}
    record = find(store, id_, tenants)
    incident = own_incident(record.incident(), tenants)
    with store.reading() as connection:
        return {
            "incident": summary(incident),
            "clocks": clocks(record, targets, now),
            "findings": _findings(connection, record.id, tenants),
            "timeline": _timeline(connection, record.id, people=incident.events == 0),
            "decisions": _decisions(connection, record.id, tenants),
            "deliveries": _deliveries(connection, record.id, tenants),
            "links": _links(connection, record.id, tenants),
            "runbook": _runbook(runbooks, incident),
        }


def clocks(record: Record, targets: Targets | None, now: float) -> dict[str, Any]:
    """How long it took to notice an incident, and how its clocks stand; lengths in seconds.

    Where only the window is known in which it began, `detect` is what it took at most, and nobody calls that late.
    """
    readings = (targets or Targets()).readings(record, now)
    noticed = max(0.0, record.opened - record.began)
    return {
        "detect": round(noticed, 1),
        "detect_exact": record.known,
        "detect_target": DETECT,
        "detect_late": record.known and noticed > DETECT,
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
    if (side := _owners_side(store, id_, tenants)) is not None:
        told_apart: dict[str, Any] = {
            "told": None,
            "told_by": None,
            "decisions": [],
            "pages": [],
            "held": [],
            "links": [],
        }
        return {"incident": summary(side[0]), **told_apart}
    record = find(store, id_, tenants)
    with store.reading() as connection:
        decisions = _decisions(connection, record.id, tenants)
        ids = {decision["page_id"] for decision in decisions if decision["page_id"]}
        told = connection.execute(select(PAGES.c.alert).where(PAGES.c.alert.in_(ids))).scalars().all()
        held = connection.execute(
            select(BUNDLES.c.receiver, HELD.c.since)
            .join_from(HELD, BUNDLES, HELD.c.bundle == BUNDLES.c.id)
            .where(HELD.c.incident == record.id, HELD.c.told.is_(False))
        )
        return {
            "incident": summary(own_incident(record.incident(), tenants)),
            "told": record.told,
            "told_by": record.told_by,
            "decisions": decisions,
            "pages": sorted(told),
            "held": [{"receiver": row.receiver, "since": rfc3339(row.since)} for row in held],
            "links": _links(connection, record.id, tenants),
        }


def mutes(
    store: Store,
    clock: float,
    *,
    kind: str | None = None,
    id_: str | None = None,
    all_: bool = False,
    tenants: frozenset[str] | None = None,
) -> list[dict[str, Any]]:
    """Silences and exceptions with how many findings each held back, those that end first in front.

    Without `all_` those that have ended are left out; `id_` is the beginning of an id. With `tenants` those alone that
    can hold back nothing but theirs.
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
        found = [_mute(row, clock) for row in rows]
    return found if tenants is None else [one for one in found if within(one["where"], tenants)]


def _mute(row: RowMapping, clock: float) -> dict[str, Any]:
    state = "ended" if row["until"] <= clock else "waiting" if row["start"] > clock else "holding"
    moments = {name: rfc3339(row[name]) for name in ("start", "until", "at")}
    return {**row, **moments, "where": msgspec.json.decode(row["where"]), "state": state}


def visible(store: Store, ids: Sequence[str], tenants: frozenset[str]) -> frozenset[str]:
    """Which of some incidents belong to these tenants."""
    with store.reading() as connection:
        return _visible(connection, list(dict.fromkeys(ids)), tenants)


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


def _owners_side(store: Store, id_: str, tenants: frozenset[str] | None) -> tuple[Incident, Sequence[Finding]] | None:
    """What the owner of the data sees of the one incident of others that an id names; None where there is none."""
    if tenants is None:
        return None
    with store.reading() as connection:
        sides = list(owners_sides(connection, tenants, beginning=beginning_of(id_)))
    return sides[0] if len(sides) == 1 else None


def _bare(incident: Incident, findings: Sequence[Finding]) -> dict[str, Any]:
    """An incident of others as its answer's parts: what they do about it is theirs."""
    parts: dict[str, Any] = {name: [] for name in ("timeline", "decisions", "deliveries", "links")}
    noticed = max(0.0, incident.opened - min(began(finding) for finding in findings))
    return {
        "incident": summary(incident),
        "clocks": {"detect": round(noticed, 1), "detect_exact": all(one.first is not None for one in findings)},
        "findings": [{**public(finding), "evidence_only": False} for finding in findings],
        **parts,
    }


def _runbook(runbooks: Runbooks, incident: Incident) -> dict[str, Any]:
    book = runbooks.of(incident)
    return {
        "title": book.title,
        "phases": {
            name: [runbooks.step_of(step, incident) for step in steps] for name, steps in runbooks.phases_of(incident)
        },
        "lines": runbooks.lines(incident),
    }


def _findings(connection: Connection, incident: str, tenants: frozenset[str] | None) -> list[dict[str, Any]]:
    rows = connection.execute(
        select(FINDINGS.c.own, FINDINGS.c.body)
        .where(FINDINGS.c.incident == incident)
        .order_by(FINDINGS.c.at.desc(), FINDINGS.c.finding)
        .limit(ROWS)
    ).all()
    seen = [(own_finding(FINDING_DECODER.decode(row.body), tenants), row.own) for row in reversed(rows)]
    return [{**public(finding), "evidence_only": not own} for finding, own in seen if finding is not None]


def _timeline(connection: Connection, incident: str, *, people: bool = False) -> list[dict[str, Any]]:
    """What happened to an incident; with `people` what they did alone, and that it was opened."""
    columns = (TIMELINE.c.at, TIMELINE.c.revision, TIMELINE.c.change, TIMELINE.c.reason, TIMELINE.c.by, TIMELINE.c.note)
    rows = connection.execute(
        select(*columns).where(TIMELINE.c.incident == incident).order_by(TIMELINE.c.id.desc()).limit(ROWS)
    )
    told = [_with_moment(row) for row in reversed(rows.mappings().all())]
    return [row for row in told if not people or row["change"] not in ("joined", "escalated", "late")]


def _decisions(connection: Connection, incident: str, tenants: frozenset[str] | None) -> list[dict[str, Any]]:
    columns = [
        DECISIONS.c[name] for name in ("at", "finding", "reason", "change", "severity", "page", "detail", "page_id")
    ]
    rows = connection.execute(
        select(*columns).where(DECISIONS.c.incident == incident).order_by(DECISIONS.c.id.desc()).limit(ROWS)
    )
    decisions = [_with_moment(row) for row in reversed(rows.mappings().all())]
    if tenants is None:
        return decisions
    # A cause, a budget and a bundle are shared by tenants; that there is one is the reason's to say.
    bodies = connection.execute(select(FINDINGS.c.body).where(FINDINGS.c.incident == incident)).scalars()
    own = {finding.id for finding in map(FINDING_DECODER.decode, bodies) if finding.tenant in tenants}
    bare = [{**row, "detail": "", "page_id": _own_page(row["page_id"], incident)} for row in decisions]
    # A page that was only told again is about no finding.
    return [row for row in bare if row["finding"] in own or not row["finding"]]


def _own_page(page: str | None, incident: str) -> str | None:
    return page if page is not None and page.startswith(incident) else None


_DELIVERY: Final = tuple(
    OUTBOX.c[name]
    for name in ("sink", "incident", "alert", "at", "state", "attempts", "due", "changed", "repeated", "why")
)


def _deliveries(connection: Connection, incident: str, tenants: frozenset[str] | None) -> list[dict[str, Any]]:
    """What was or will be sent of an incident; bundles and digests that tell of it too, where nobody is walled off."""
    told_in = select(DECISIONS.c.page_id).where(DECISIONS.c.incident == incident, DECISIONS.c.page_id.is_not(None))
    shared = or_(OUTBOX.c.incident == incident, OUTBOX.c.alert.in_(told_in))
    rows = connection.execute(
        select(*_DELIVERY)
        .where(OUTBOX.c.incident == incident if tenants is not None else shared)
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
