"""Telling listeners whom to refuse: what the store says of denials goes into the stream of events, again and again."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import select, update

from alerting.database.schema import DENIALS
from alerting.database.store import Store
from stream.control import Denied

REPEAT: Final = 300.0
"""Seconds after which a denial that holds is told again, so that a new listener need not read far back."""


class Announcer:
    """Appends what listeners do not know yet; first said, then recorded, so that a crash repeats and never forgets.

    `append` makes one record durable in every partition of the events and returns when it is. Hearing the same denial
    twice changes nothing.
    """

    def __init__(self, store: Store, append: Callable[[Denied], None]) -> None:
        self._store = store
        self._append = append

    def turn(self, now: float) -> int:
        """Tell what is new, ended early or due again; how many were told. `now` is the wall clock in seconds."""
        with self._store.reading() as connection:
            waiting = select(DENIALS).where(DENIALS.c.until > now).order_by(DENIALS.c.at, DENIALS.c.id)
            due = [row for row in connection.execute(waiting).mappings() if _is_due(row, now)]
        for row in due:
            denied = denied_of(row)
            self._append(denied)
            with self._store.unit() as unit:
                told = update(DENIALS).where(DENIALS.c.id == denied.id)
                unit.connection.execute(told.values(told_until=denied.until, told_at=now))
        return len(due)


def standing(store: Store, now: float) -> Sequence[Denied]:
    """The denials that hold at a moment, for a listener that begins."""
    holding = select(DENIALS).where(DENIALS.c.until > now, DENIALS.c.lifted_at.is_(None))
    with store.reading() as connection:
        return [denied_of(row) for row in connection.execute(holding.order_by(DENIALS.c.at)).mappings()]


def denied_of(row: Any) -> Denied:
    """A row as listeners hear it; a denial that was lifted ends at 0."""
    until = row["until"] if row["lifted_at"] is None else 0.0
    subject = msgspec.json.decode(row["subject"], type=dict[str, str])
    return Denied(id=row["id"], subject=subject, until=until, incident=row["incident"])


def _is_due(row: Any, now: float) -> bool:
    if row["lifted_at"] is not None:
        return bool(row["told_until"] != 0.0)
    return bool(row["told_until"] != row["until"] or row["told_at"] <= now - REPEAT)
