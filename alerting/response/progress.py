"""How far an incident's runbook is: what is done and by whom, what is late, and what comes next."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import RowMapping, select

from alerting.database.schema import ACTIONS, STEPS
from alerting.database.store import Store
from alerting.incidents.record import Record
from alerting.incidents.walls import own_incident
from alerting.response.steps import ENDED
from alerting.runbook import HEADINGS, PHASES, Runbooks, Step
from stream.errors import RejectedError
from tocsin_audit.event import rfc3339

MINUTE: Final = 60.0
LONG_TERM: Final = 30 * 86_400.0
"""Seconds that a step of the long term may take where nobody planned it."""


def progress(
    store: Store, runbooks: Runbooks, record: Record, now: float, tenants: frozenset[str] | None = None
) -> dict[str, Any]:
    """The runbook of an incident with what became of each step in this opening, as `tenants` see it; `now` in seconds.

    The steps of the first minutes and hours are due one after the other from when somebody was told, while the incident
    is open; those of the long term when they were planned for, also after its end, and without a plan once it was true.
    """
    rows = _rows(store, record)
    incident = own_incident(record.incident(), tenants)
    base = record.told_at if record.told_at is not None else record.opened
    phases, late, ended, total = [], 0, 0, 0
    following: str | None = None
    due = base
    for name, steps in runbooks.phases_of(incident):
        shown = []
        for step in steps:
            due += step.minutes * MINUTE
            row = rows.get(step.id)
            until = (row["due"] if row is not None and row["due"] is not None else None) or (
                base + LONG_TERM if name == PHASES[-1] else due
            )
            state = row["state"] if row is not None else "open"
            counts = record.is_open or (row is not None and row["owner"] is not None)
            counts |= name == PHASES[-1] and record.verdict == "true"
            is_late = counts and state not in ENDED and now > until
            total, ended, late = total + 1, ended + (state in ENDED), late + is_late
            if following is None and state not in ENDED:
                following = step.id
            shown.append(
                {
                    **runbooks.step_of(step, incident),
                    "state": state,
                    "due": rfc3339(until),
                    "late": is_late,
                    **_who(row),
                }
            )
        phases.append({"name": name, "heading": HEADINGS[name], "steps": shown})
    return {
        "incident": record.id,
        "title": runbooks.of(incident).title,
        "confirm": runbooks.confirm_text(incident),
        "phases": phases,
        "total": total,
        "ended": ended,
        "late": late,
        "next": following,
    }


def step_of(runbooks: Runbooks, record: Record, id_: str) -> Step:
    """A step of an incident's runbook; raises RejectedError naming those that there are."""
    steps = {step.id: step for _, steps in runbooks.phases_of(record.incident()) for step in steps}
    if id_ not in steps:
        raise RejectedError(f"there is no step '{id_[:40]}'", hint=f"there are {', '.join(steps)}")
    return steps[id_]


def actions(store: Store, incident: str | None = None, *, state: str | None = None) -> list[dict[str, Any]]:
    """What was done outside of Tocsin about an incident, or about all, the oldest first; with `state` that alone."""
    rows = select(ACTIONS).order_by(ACTIONS.c.at).limit(500)
    if incident is not None:
        rows = rows.where(ACTIONS.c.incident == incident)
    if state is not None:
        rows = rows.where(ACTIONS.c.state == state)
    with store.reading() as connection:
        return [{**row, "at": rfc3339(row["at"])} for row in connection.execute(rows).mappings()]


def _rows(store: Store, record: Record) -> Mapping[str, RowMapping]:
    mine = select(STEPS).where(STEPS.c.incident == record.id, STEPS.c.opening == record.opening)
    with store.reading() as connection:
        return {row["step"]: row for row in connection.execute(mine).mappings()}


def _who(row: RowMapping | None) -> dict[str, Any]:
    if row is None:
        return {"by": None, "at": None, "note": "", "owner": None}
    return {"by": row["by"], "at": rfc3339(row["at"]), "note": row["note"], "owner": row["owner"]}
