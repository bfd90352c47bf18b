"""Denials in the store: made and ended by operators or under an approval, and obeyed by producers."""

import msgspec
from sqlalchemy import func, select, update

from alerting.database.dialect import insert_on
from alerting.database.schema import DENIALS, OBEYING
from alerting.harmless import harmless
from alerting.incidents.record import Record
from alerting.response.containment import Containment, check, shown
from alerting.unit import Unit
from stream.control import Deny, Lift, Obeyed
from stream.errors import RejectedError
from tocsin_audit.event import rfc3339

PRODUCERS = 1_000
"""Producers of which one denial remembers whether they obey."""


def deny(unit: Unit, act: Deny, rules: Containment, clock: float) -> str | None:
    """Have a subject refused; a second time changes nothing. One sentence why not where it may not be.

    What an approval does not allow is written down with the reason, for whoever relied on it.
    """
    record = unit.record(act.incident)
    if record is None:
        return "there is no such incident"
    if unit.connection.execute(select(DENIALS.c.id).where(DENIALS.c.id == act.id)).one_or_none() is not None:
        return None
    try:
        standing, automatic = _standing(unit, act, clock)
        check(act, rules, tenant=record.tenant, standing=standing, automatic=automatic)
    except RejectedError as error:
        if act.automatic:
            note(unit, record, clock, "contained", f"not refused: {shown(act.subject)}: {error.what}", "tocsin")
        return error.what
    values = {name: getattr(act, name) for name in ("id", "incident", "until", "by", "at", "why", "identity", "forced")}
    values |= {"automatic": act.automatic, "subject": msgspec.json.encode(dict(act.subject)).decode()}
    unit.connection.execute(insert_on(unit.connection, DENIALS).on_conflict_do_nothing(), values)
    forced = " (forced)" if act.forced else ""
    why = f": {act.why}" if act.why else ""
    words = f"refused{forced} until {rfc3339(act.until)[:19]}Z: {shown(act.subject)}{why}"
    note(unit, record, clock, "denied", words, act.by)
    return None


def lift(unit: Unit, act: Lift, clock: float) -> str | None:
    """End a denial before its time; one sentence why not where there is none that still holds."""
    row = unit.connection.execute(select(DENIALS).where(DENIALS.c.id == act.id)).one_or_none()
    if row is None or row.lifted_at is not None or row.until <= act.at:
        return "there is no such denial, or it has ended"
    ended = update(DENIALS).where(DENIALS.c.id == act.id).values(lifted_by=act.by, lifted_at=act.at)
    unit.connection.execute(ended)
    if (record := unit.record(row.incident)) is not None:
        subject = tuple(msgspec.json.decode(row.subject, type=dict[str, str]).items())
        why = f": {act.why}" if act.why else ""
        note(unit, record, clock, "lifted", f"no longer refused: {shown(subject)}{why}", act.by)
    return None


def obeyed(unit: Unit, act: Obeyed, clock: float) -> str | None:
    """Remember who is to obey a denial and who does; told once all of them do."""
    row = unit.connection.execute(select(DENIALS).where(DENIALS.c.id == act.denial)).one_or_none()
    if row is None:
        return "there is no such denial"
    before = _obeying(unit, act.denial)
    if before[1] + len(act.producers) > PRODUCERS:
        return f"more than {PRODUCERS} producers"
    for producer in act.producers:
        values = {"denial": act.denial, "producer": producer[:500], "asked": act.at}
        if not act.confirmed:
            unit.connection.execute(insert_on(unit.connection, OBEYING).on_conflict_do_nothing(), values)
            continue
        insert = insert_on(unit.connection, OBEYING)
        confirmed = func.coalesce(OBEYING.c.confirmed, insert.excluded.confirmed)
        again = insert.on_conflict_do_update(index_elements=["denial", "producer"], set_={"confirmed": confirmed})
        unit.connection.execute(again, {**values, "confirmed": act.at})
    after = _obeying(unit, act.denial)
    complete = after[0] == after[1] > 0 and after != before
    if complete and act.confirmed and (record := unit.record(row.incident)) is not None:
        seconds = max(0.0, act.at - row.at)
        words = f"confirmed by {after[0]} of {after[1]} producers after {seconds:.1f} s (denial {act.denial[:12]})"
        note(unit, record, clock, "obeyed", words, "tocsin")
    return None


def note(unit: Unit, record: Record, clock: float, change: str, words: str, by: str) -> None:
    """Write into an incident's timeline what was done about it."""
    after = msgspec.structs.replace(record, revision=record.revision + 1, updated=clock)
    unit.put(after)
    unit.add_timeline(after, clock, change, change, by, harmless(words, 2000))


def _standing(unit: Unit, act: Deny, clock: float) -> tuple[int, int]:
    """How many denials hold, and how many of them were made under the same approval."""
    holding = (DENIALS.c.until > clock, DENIALS.c.lifted_at.is_(None))
    all_ = unit.connection.execute(select(func.count()).where(*holding)).scalar_one()
    automatic = DENIALS.c.automatic == act.automatic
    same = unit.connection.execute(select(func.count()).where(*holding, automatic)).scalar_one()
    return all_, same if act.automatic else 0


def _obeying(unit: Unit, denial: str) -> tuple[int, int]:
    counts = select(func.count(OBEYING.c.confirmed), func.count()).where(OBEYING.c.denial == denial)
    confirmed, asked = unit.connection.execute(counts).one()
    return confirmed, asked
