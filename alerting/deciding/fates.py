"""What became of findings: the incident each went to, and the decision about it with its reason."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select

from alerting.database.schema import BUNDLES, DECISIONS, HELD, INCIDENTS
from alerting.database.store import Store
from alerting.unit import RECORD_DECODER
from tocsin_audit.event import rfc3339

WORDS: Final = {
    "new": "it opened an incident that a person is told of",
    "joined": "it joined an incident that a person had been told of",
    "escalated": "it made an incident more severe, and a person is told",
    "reopened": "it opened an ended incident again, and a person is told",
    "repeated": "the same matter had been told before",
    "silenced": "a silence covers it",
    "excepted": "an exception or a grant of the directory covers it",
    "inhibited": "another incident explains it",
    "grouped": "it waits for others of its group: they are told in one page",
    "over_budget": "the receiver's page budget was spent: it is told in a bundle",
    "observed_only": "its mode is observe or shadow: recorded, never told",
    "resolved": "it says that what had been found is over",
    "below_page": "it is less severe than what wakes a person",
}
AT_ONCE: Final = 500


def fates(store: Store, findings: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By finding id, each decision about it in order: reason, incident, page, and whether it waits for a bundle."""
    found: dict[str, list[dict[str, Any]]] = {}
    names = ("finding", "incident", "at", "reason", "change", "severity", "page", "detail", "page_id")
    columns = [DECISIONS.c[name] for name in names]
    with store.reading() as connection:
        for begin in range(0, len(findings), AT_ONCE):
            some = findings[begin : begin + AT_ONCE]
            waiting = select(HELD.c.incident, BUNDLES.c.receiver).join_from(
                HELD, BUNDLES, HELD.c.bundle == BUNDLES.c.id
            )
            held = dict(connection.execute(waiting.where(HELD.c.told.is_(False))).tuples().all())
            decided = connection.execute(
                select(*columns, INCIDENTS.c.body)
                .join_from(DECISIONS, INCIDENTS, DECISIONS.c.incident == INCIDENTS.c.id, isouter=True)
                .where(DECISIONS.c.finding.in_(some))
                .order_by(DECISIONS.c.id)
            )
            for row in decided.mappings():
                record: dict[str, Any] = {name: row[name] for name in names if name != "finding"}
                record["at"] = rfc3339(row["at"])
                record["said"] = WORDS.get(row["reason"], row["reason"])
                if row["body"] is not None:
                    incident = RECORD_DECODER.decode(row["body"]).incident()
                    record["title"], record["status"] = incident.title, incident.status
                if row["incident"] in held and row["page_id"] is None:
                    record["held_for"] = held[row["incident"]]
                found.setdefault(row["finding"], []).append(record)
    return found
