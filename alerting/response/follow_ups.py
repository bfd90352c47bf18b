"""What is left to do after incidents: steps that somebody took on until a day, and long-term ones that nobody has."""

from typing import Any, Final

from sqlalchemy import select

from alerting.database.schema import INCIDENTS, STEPS
from alerting.database.store import Store
from alerting.harmless import harmless
from alerting.incidents.record import Record
from alerting.response.progress import progress
from alerting.response.steps import ENDED
from alerting.runbook import PHASES, Runbooks
from alerting.unit import RECORD_DECODER

MOST: Final = 500
"""Incidents that are looked at, those changed last."""


def follow_ups(
    store: Store, runbooks: Runbooks, now: float, since: float, tenants: frozenset[str] | None = None
) -> list[dict[str, Any]]:
    """The steps that are left, the soonest due first; `now` and `since` in seconds.

    Planned ones of any incident, and all of the long term of those that were closed as true since a moment: these have
    no owner where nobody took them on.
    """
    listed = [
        {
            "incident": record.id,
            "title": harmless(record.title, 200),
            "tenant": record.tenant,
            "severity": record.severity,
            **{name: step[name] for name in ("id", "purpose", "who", "owner", "due", "late", "state", "note")},
        }
        for record in _records(store, since, tenants)
        for phase in progress(store, runbooks, record, now, tenants)["phases"]
        for step in phase["steps"]
        if step["state"] not in ENDED
        and (step["owner"] is not None or (phase["name"] == PHASES[-1] and record.verdict == "true"))
    ]
    return sorted(listed, key=lambda one: (one["due"], one["incident"], one["id"]))


def _records(store: Store, since: float, tenants: frozenset[str] | None) -> list[Record]:
    planned = select(STEPS.c.incident).where(STEPS.c.due.is_not(None), STEPS.c.state.not_in(ENDED))
    mine = [] if tenants is None else [INCIDENTS.c.tenant.in_(tenants)]
    of_them = select(INCIDENTS.c.body).order_by(INCIDENTS.c.updated.desc()).limit(MOST)
    closed = of_them.where(INCIDENTS.c.status == "closed", INCIDENTS.c.updated >= since, *mine)
    with store.reading() as connection:
        bodies = connection.execute(of_them.where(INCIDENTS.c.id.in_(planned), *mine)).scalars().all()
        records = [RECORD_DECODER.decode(body) for body in (*bodies, *connection.execute(closed).scalars())]
    return list({record.id: record for record in records}.values())
