"""Silences and exceptions: which may be made, and what making and ending one does."""

from typing import Final, NamedTuple

import msgspec
from sqlalchemy import select, update

from alerting.database.dialect import insert_on
from alerting.database.schema import MATCHERS
from alerting.deciding.policy import Matcher
from alerting.incidents.family import NEVER_SILENT
from alerting.matching import Condition, parse_all
from alerting.unit import Unit
from stream.control import Muted, Unmuted
from stream.errors import RejectedError
from stream.finding import CLASSES

DAY: Final = 86_400.0
LONGEST: Final = {"silence": 30 * DAY, "exception": 400 * DAY}
"""Seconds that one may last: a silence is for what is going on, an exception is reviewed once a year."""
CONDITIONS: Final = 20


class Checked(NamedTuple):
    """A matcher that may be made, and the classes that it would cover but must not, unless it is forced."""

    matcher: Matcher
    spared: tuple[str, ...]


def check(muted: Muted) -> Checked:
    """Whether a silence or an exception may be made; raises RejectedError saying why not and what to do.

    One that could cover nothing but what must never be silent has to be forced. Nothing may be kept silent without
    conditions, an owner, a reason and an end.
    """
    where = parse_all(muted.where)
    if not where or len(where) > CONDITIONS:
        raise RejectedError(f"a {muted.kind} needs 1 to {CONDITIONS} conditions", hint="--where tenant=acme")
    if not muted.owner.strip() or not muted.reason.strip():
        raise RejectedError(f"a {muted.kind} needs an owner and a reason", hint="--owner ann --reason 'ticket OPS-7'")
    if muted.until <= muted.start:
        raise RejectedError(f"the {muted.kind} would end before it begins", hint="give an end in the future")
    if muted.until - muted.start > LONGEST[muted.kind]:
        days = LONGEST[muted.kind] / DAY
        hint = "an exception may last longer" if muted.kind == "silence" else "review it once a year"
        raise RejectedError(f"a {muted.kind} lasts {days:.0f} days at most", hint=hint)
    spared = tuple(sorted(class_ for class_ in NEVER_SILENT if _may_be(where, class_)))
    if not muted.forced and spared and all(class_ in NEVER_SILENT for class_ in CLASSES if _may_be(where, class_)):
        hint = "force it, with a reason that everybody who lists it will read"
        raise RejectedError(f"{', '.join(spared)} must never be silent", hint=hint)
    matcher = Matcher(
        muted.id, muted.kind, where, muted.start, muted.until, muted.owner, muted.reason, forced=muted.forced
    )
    return Checked(matcher, () if muted.forced else spared)


def mute(unit: Unit, muted: Muted) -> str | None:
    """Make a silence or an exception; a second time changes nothing. One sentence why not where it may not be made."""
    try:
        check(muted)
    except RejectedError as error:
        return error.what
    values = {name: getattr(muted, name) for name in ("id", "kind", "start", "until", "owner", "reason", "forced")}
    values |= {"where": msgspec.json.encode(muted.where).decode(), "by": muted.by, "at": muted.at, "ended_by": None}
    unit.connection.execute(insert_on(unit.connection, MATCHERS).on_conflict_do_nothing(), values)
    unit.forget_matchers()
    return None


def unmute(unit: Unit, unmuted: Unmuted, clock: float) -> str | None:
    """End one before its time; one sentence why not where there is none that still holds."""
    row = unit.connection.execute(select(MATCHERS.c.until).where(MATCHERS.c.id == unmuted.id)).one_or_none()
    if row is None or row.until <= clock:
        return "there is no such silence or exception, or it has ended"
    ended = update(MATCHERS).where(MATCHERS.c.id == unmuted.id).values(until=clock, ended_by=unmuted.by)
    unit.connection.execute(ended)
    unit.forget_matchers()
    return None


def _may_be(where: tuple[Condition, ...], class_: str) -> bool:
    """Whether findings of a class may be covered, going by the conditions on class alone."""
    return all(condition.holds({"class": (class_,)}) for condition in where if condition.key == "class")
