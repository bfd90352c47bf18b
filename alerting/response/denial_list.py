"""The denials that hold or held, with who obeys them."""

from typing import Any

import msgspec
from sqlalchemy import RowMapping, select

from alerting.database.schema import DENIALS, OBEYING
from alerting.database.store import Store
from stream.errors import NotThereError
from tocsin_audit.event import rfc3339


def denials(
    store: Store, now: float, *, incident: str | None = None, id_: str | None = None, all_: bool = False
) -> list[dict[str, Any]]:
    """Denials, the newest first; without `all_` those that hold at a moment. `id_` is the beginning of an id."""
    wanted = select(DENIALS).order_by(DENIALS.c.at.desc(), DENIALS.c.id).limit(1000)
    if not all_:
        wanted = wanted.where(DENIALS.c.until > now, DENIALS.c.lifted_at.is_(None))
    if incident is not None:
        wanted = wanted.where(DENIALS.c.incident == incident)
    if id_ is not None:
        wanted = wanted.where(DENIALS.c.id >= id_, DENIALS.c.id <= id_ + "g")
    with store.reading() as connection:
        rows = list(connection.execute(wanted).mappings())
        ids = [row["id"] for row in rows]
        heard = connection.execute(select(OBEYING).where(OBEYING.c.denial.in_(ids)).order_by(OBEYING.c.producer))
        obeying: dict[str, list[RowMapping]] = {}
        for one in heard.mappings():
            obeying.setdefault(one["denial"], []).append(one)
    return [_shown(row, obeying.get(row["id"], []), now) for row in rows]


def the_denial(store: Store, now: float, id_: str) -> dict[str, Any]:
    """The one denial whose id begins so; raises NotThereError where there is none, or several are."""
    found = denials(store, now, id_=id_, all_=True) if id_ else []
    if len(found) != 1:
        raise NotThereError("no denial begins with that, or several do", hint="see `tocsin contain list --all`")
    return found[0]


def _shown(row: RowMapping, obeying: list[RowMapping], now: float) -> dict[str, Any]:
    state = "lifted" if row["lifted_at"] is not None else "ended" if row["until"] <= now else "holding"
    confirmed = [one for one in obeying if one["confirmed"] is not None]
    seconds = max((one["confirmed"] - row["at"] for one in confirmed), default=None)
    return {
        "id": row["id"],
        "incident": row["incident"],
        "subject": msgspec.json.decode(row["subject"]),
        "state": state,
        "at": rfc3339(row["at"]),
        "until": rfc3339(row["until"]),
        "by": row["by"],
        "why": row["why"],
        "identity": row["identity"],
        "forced": row["forced"],
        "automatic": row["automatic"] or None,
        "lifted_by": row["lifted_by"],
        "lifted_at": rfc3339(row["lifted_at"]) if row["lifted_at"] is not None else None,
        "producers": len(obeying),
        "confirmed": len(confirmed),
        "confirmed_after_s": round(max(0.0, seconds), 3) if seconds is not None else None,
        "waiting_for": [one["producer"] for one in obeying if one["confirmed"] is None][:50],
    }
