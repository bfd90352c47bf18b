"""Working on an incident: steps of its runbook that are started, done, skipped or planned, and actions elsewhere."""

from typing import Final

from sqlalchemy import select

from alerting.database.dialect import insert_on
from alerting.database.schema import ACTIONS, STEPS
from alerting.response.denials import note
from alerting.unit import Unit
from stream.control import Performed, Stepped
from tocsin_audit.event import rfc3339

STATES: Final = ("started", "done", "skipped", "planned", "open")
ENDED: Final = frozenset({"done", "skipped"})
BEGINNING: Final = frozenset({"asked", "attempting", "declined"})
"""States of an action that come before it was done, and each once."""


def stepped(unit: Unit, act: Stepped, clock: float) -> str | None:
    """Keep what became of a step; one sentence why not where somebody else has ended it meanwhile."""
    record = unit.record(act.incident)
    if record is None:
        return "there is no such incident"
    if act.state not in STATES:
        return f"{act.state!r} is not one of {', '.join(STATES)}"
    if act.state == "skipped" and not act.note:
        return "skipping a step takes a reason: -m 'why'"
    key = (STEPS.c.incident == record.id, STEPS.c.opening == record.opening, STEPS.c.step == act.step)
    before = unit.connection.execute(select(STEPS).where(*key)).one_or_none()
    if before is not None and before.state in ENDED and act.state != "open":
        return f"{act.step} was {before.state} by {before.by} at {rfc3339(before.at)[:19]}Z; --open begins it again"
    if before is not None and before.state == act.state == "started" and before.by != act.by:
        return f"{before.by} has been at {act.step} since {rfc3339(before.at)[:19]}Z; --open it first to take it over"
    owner = act.owner if act.owner is not None else before.owner if before is not None else None
    due = act.due if act.due is not None else before.due if before is not None else None
    if act.state == "planned" and (owner is None or due is None):
        return "planning a step takes an owner and a day: --owner ann --due 14d"
    row = {"state": act.state, "by": act.by, "at": act.at, "note": act.note, "owner": owner, "due": due}
    insert = insert_on(unit.connection, STEPS)
    statement = insert.on_conflict_do_update(index_elements=["incident", "opening", "step"], set_=row)
    unit.connection.execute(statement, {"incident": record.id, "opening": record.opening, "step": act.step[:48], **row})
    planned = f", {owner} until {rfc3339(due)[:10]}" if act.state == "planned" and due is not None else ""
    words = f"{act.step} {act.state}{planned}{f': {act.note}' if act.note else ''}"
    note(unit, record, clock, "step", words, act.by)
    return None


def performed(unit: Unit, act: Performed, clock: float) -> str | None:
    """Keep what became of an action outside; a second time changes nothing.

    One sentence why not where it was begun or ended already, so that what two people approve is done once.
    """
    record = unit.record(act.incident)
    if record is None:
        return "there is no such incident"
    before = unit.connection.execute(select(ACTIONS).where(ACTIONS.c.id == act.id)).one_or_none()
    if before is not None and act.state in BEGINNING and before.state != "asked" and before.at != act.at:
        return f"it is {before.state} by {before.by} since {rfc3339(before.at)[:19]}Z"
    row = {"state": act.state, "by": act.by, "at": act.at, "result": act.result}
    if before is not None and (before.state, before.at) == (act.state, act.at):
        return None
    insert = insert_on(unit.connection, ACTIONS)
    statement = insert.on_conflict_do_update(index_elements=["id"], set_=row)
    unit.connection.execute(statement, {"id": act.id, "incident": record.id, "action": act.action, **row})
    note(unit, record, clock, "action", f"{act.action} {act.state}{f': {act.result}' if act.result else ''}", act.by)
    return None
