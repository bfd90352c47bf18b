"""The dead letters: what a sink refused for good, with the reason, until somebody sends it again."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from alerting.alert import DECODER
from alerting.database.schema import OUTBOX
from alerting.database.store import Store
from alerting.harmless import harmless
from stream.errors import RejectedError
from tocsin_audit.event import rfc3339

MOST: Final = 1000
"""Dead letters that one answer shows, and one request sends again, at most."""


def refused(store: Store, *, sink: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Alerts that a sink refused for good, with the reason, the newest first; `limit` is at most 1,000."""
    conditions = [OUTBOX.c.state == "refused"]
    if sink is not None:
        conditions.append(OUTBOX.c.sink == sink)
    statement = select(OUTBOX).where(*conditions).order_by(OUTBOX.c.id.desc()).limit(min(limit, MOST))
    with store.reading() as connection:
        return [_letter(row) for row in connection.execute(statement).mappings()]


def retry(store: Store, now: float, *, ids: Sequence[int] = (), sink: str | None = None) -> list[dict[str, Any]]:
    """Send dead letters again, those with these ids or all of a sink; gives them. `now` is the deliverer's clock.

    What a sink has heard of the same incident since goes out once more behind them, so that its last word stays the
    last. Raises RejectedError where one of the ids is no dead letter's, and sends none of them then.
    """
    conditions = [OUTBOX.c.state == "refused", *([OUTBOX.c.id.in_(ids)] if ids else [])]
    if sink is not None:
        conditions.append(OUTBOX.c.sink == sink)
    with store.unit() as unit:
        connection = unit.connection
        found = connection.execute(select(OUTBOX).where(*conditions).order_by(OUTBOX.c.id).limit(MOST)).mappings().all()
        if missing := sorted(set(ids) - {row["id"] for row in found}):
            raise RejectedError(
                f"there is no dead letter {missing[0]}", hint="`tocsin refused list` shows those that there are"
            )
        again = [row["id"] for row in found]
        again += _last_words(connection, {(row["sink"], row["incident"]): row["id"] for row in reversed(found)})
        if again:
            values = {"state": "pending", "due": 0.0, "changed": now}
            connection.execute(update(OUTBOX).where(OUTBOX.c.id.in_(again)).values(**values))
    return [_letter(row) for row in found]


def _last_words(connection: Connection, first: dict[tuple[str, str], int]) -> list[int]:
    """The last row behind the first dead letter of each sink and incident, where it was delivered."""
    found: list[int] = []
    for (sink, incident), row in first.items():
        mine = (OUTBOX.c.sink == sink, OUTBOX.c.incident == incident)
        newest = select(func.max(OUTBOX.c.id)).where(*mine).scalar_subquery()
        last = select(OUTBOX.c.id).where(OUTBOX.c.id == newest, OUTBOX.c.id > row, OUTBOX.c.state == "done")
        found += connection.execute(last).scalars().all()
    return found


def _letter(row: Any) -> dict[str, Any]:
    alert = DECODER.decode(row["body"])
    return {
        "id": row["id"],
        "sink": row["sink"],
        "incident": row["incident"],
        "alert": row["alert"],
        "change": alert.change,
        "page": alert.page,
        "title": harmless(alert.incident.title, 200),
        "at": rfc3339(row["at"]),
        "refused": rfc3339(row["changed"]),
        "attempts": row["attempts"],
        "why": row["why"],
    }
