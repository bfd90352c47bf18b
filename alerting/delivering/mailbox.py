"""One sink's part of the outbox in the store."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from alerting.alert import DECODER, ENCODER, Alert
from alerting.database.schema import INCIDENTS, OUTBOX
from alerting.delivering.outbox import UNFINISHED, Due, Row, Settled
from alerting.incidents.record import ENDED

WINDOW: Final = 1000
"""Rows looked at for one batch."""
STANDING: Final = 10_000
"""Incidents that are said again at most where a service forgets."""

_COLUMNS: Final = (OUTBOX.c.id, OUTBOX.c.incident, OUTBOX.c.at, OUTBOX.c.attempts, OUTBOX.c.due, OUTBOX.c.body)
_BY_ID: Final = update(OUTBOX).where(OUTBOX.c.id == bindparam("id_"))


class Mailbox:
    """What is on its way to a sink; each method works inside the caller's transaction."""

    def __init__(self, sink: str) -> None:
        self._mine = (OUTBOX.c.sink == sink, OUTBOX.c.state.in_(UNFINISHED))
        self._sink = sink

    def next_due(self, connection: Connection) -> float | None:
        """When the next row may be attempted; None where there is none."""
        due: float | None = connection.execute(select(func.min(OUTBOX.c.due)).where(*self._mine)).scalar_one()
        return due

    def due(self, connection: Connection, now: float) -> list[Due]:
        """The first rows whose time has come, in order."""
        mine = select(OUTBOX.c.id, OUTBOX.c.incident).where(*self._mine, OUTBOX.c.due <= now)
        return [Due(*row) for row in connection.execute(mine.order_by(OUTBOX.c.id).limit(WINDOW))]

    def rows(self, connection: Connection, ids: Sequence[int]) -> list[Row]:
        """Rows with their alerts, in order."""
        return _rows(connection, select(*_COLUMNS).where(OUTBOX.c.id.in_(ids)))

    def waiting(self, connection: Connection, now: float) -> dict[str, int]:
        """For each incident with rows whose time has not come, the first of them."""
        found = connection.execute(
            select(OUTBOX.c.incident, func.min(OUTBOX.c.id).label("id"))
            .where(*self._mine, OUTBOX.c.due > now)
            .group_by(OUTBOX.c.incident)
        )
        return {row.incident: row.id for row in found}

    def since(self, connection: Connection, at: float) -> bool:
        """Whether there are two or more rows from a moment or before it."""
        found = connection.execute(select(OUTBOX.c.id).where(*self._mine, OUTBOX.c.at <= at).limit(2))
        return len(found.all()) == 2

    def all(self, connection: Connection) -> list[Row]:
        """The first rows, whether their time has come or not."""
        return _rows(connection, select(*_COLUMNS).where(*self._mine))

    def standing(self, connection: Connection) -> list[Alert]:
        """For each incident that is not over, the last alert that was delivered; of the latest incidents at most."""
        open_ = select(INCIDENTS.c.id).where(INCIDENTS.c.status.not_in(ENDED))
        last = (
            select(func.max(OUTBOX.c.id).label("id"))
            .where(OUTBOX.c.sink == self._sink, OUTBOX.c.state == "done", OUTBOX.c.incident.in_(open_))
            .group_by(OUTBOX.c.incident)
            .order_by(func.max(OUTBOX.c.id).desc())
            .limit(STANDING)
            .subquery()
        )
        bodies = select(OUTBOX.c.body).join(last, OUTBOX.c.id == last.c.id).order_by(OUTBOX.c.id)
        return [DECODER.decode(body) for body in connection.execute(bodies).scalars()]

    def attempt(self, connection: Connection, rows: Sequence[Row], now: float) -> list[Row]:
        """Say that an attempt at these rows begins."""
        begun = [row._replace(attempts=row.attempts + 1) for row in rows]
        statement = _BY_ID.values(state="attempting", attempts=bindparam("n"), changed=now)
        connection.execute(statement, [{"id_": row.id, "n": row.attempts} for row in begun])
        return begun

    def settle(self, connection: Connection, settled: Sequence[tuple[Row, Settled]], now: float) -> None:
        """Say what became of attempts."""
        statement = _BY_ID.values(
            state=bindparam("s"), due=bindparam("d"), why=bindparam("w"), repeated=bindparam("r"), changed=now
        )
        values: list[dict[str, Any]] = [
            {"id_": row.id, "s": what.state, "d": what.due, "w": what.why, "r": what.repeated} for row, what in settled
        ]
        connection.execute(statement, values)

    def hurry(self, connection: Connection, now: float) -> None:
        """Let every row that waits be attempted now, since the sink has come back."""
        waiting = update(OUTBOX).where(*self._mine, OUTBOX.c.state == "pending", OUTBOX.c.due > now)
        connection.execute(waiting.values(due=now))

    def replace(self, connection: Connection, rows: Sequence[Row], alert: Alert, now: float) -> None:
        """Let one alert stand for rows that are not sent themselves; it is as old as they are, so that what becomes old
        after it joins it.
        """
        settled = Settled("done", 0.0, f"told in {alert.id}", False)
        self.settle(connection, [(row, settled) for row in rows], now)
        values = {
            "sink": self._sink,
            "incident": alert.incident.id,
            "alert": alert.id,
            "at": min(row.at for row in rows),
            "state": "pending",
            "attempts": 0,
            "due": 0.0,
            "changed": now,
            "repeated": False,
            "why": "",
            "body": ENCODER.encode(alert).decode(),
        }
        connection.execute(insert(OUTBOX), values)


def _rows(connection: Connection, statement: Select[Any]) -> list[Row]:
    found = connection.execute(statement.order_by(OUTBOX.c.id).limit(WINDOW))
    return [
        Row(id_, incident, at, attempts, due, DECODER.decode(body)) for id_, incident, at, attempts, due, body in found
    ]
