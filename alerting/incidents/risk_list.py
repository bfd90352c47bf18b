"""Who has most risk, and what it is made of."""

from typing import Any, Final

from sqlalchemy import select

from alerting.database.schema import RISKS
from alerting.database.store import Store
from alerting.incidents.risks import DECODER, FORGET
from tocsin_audit.event import rfc3339

_LOOKED_AT: Final = 10_000
"""Entities that are looked at, those with the newest findings."""


def top(store: Store, clock: float, *, tenants: frozenset[str] | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """Those with the most risk at a moment of the log's clock, and what it is made of."""
    recent = select(RISKS).where(RISKS.c.at >= clock - FORGET)
    if tenants is not None:
        recent = recent.where(RISKS.c.tenant.in_(tenants))
    with store.reading() as connection:
        rows = connection.execute(recent.order_by(RISKS.c.at.desc()).limit(_LOOKED_AT)).all()
    found = [((row.key, row.value, row.tenant), DECODER.decode(row.body)) for row in rows]
    found.sort(key=lambda one: (-one[1].now(clock), one[0]))
    return [
        {
            "key": key,
            "value": value,
            "tenant": own or None,
            "points": round(risk.now(clock), 1),
            "signs": [
                {"class": sign.class_, "detector": sign.detector, "finding": sign.finding, "at": rfc3339(sign.at)}
                for sign in risk.signs
            ],
        }
        for (key, value, own), risk in found[:limit]
    ]
