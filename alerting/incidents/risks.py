"""Entities' risks in the store."""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import Connection, and_, delete, or_, select

from alerting.database.dialect import insert_on
from alerting.database.schema import RISKS
from alerting.incidents.risk import HALF_LIFE, Entity, Risk, added, entities
from stream.finding import Finding

FORGET: Final = 10 * HALF_LIFE
"""Seconds after which nothing is left that matters."""
_MANY: Final = 100
DECODER: Final = msgspec.json.Decoder(Risk)
_ENCODER: Final = msgspec.json.Encoder()


class Risks:
    """What entities have against them; all of it inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[Entity, Risk] = {}
        self._changed: set[Entity] = set()

    def prefetch(self, findings: Iterable[Finding]) -> None:
        """Read the risks of all that these findings are about."""
        wanted = sorted({one for finding in findings for one in entities(finding) if one not in self._known})
        for start in range(0, len(wanted), _MANY):
            part = wanted[start : start + _MANY]
            self._known.update(dict.fromkeys(part, Risk()))
            named = or_(
                *(and_(RISKS.c.key == key, RISKS.c.value == value, RISKS.c.tenant == own) for key, value, own in part)
            )
            for row in self._connection.execute(select(RISKS).where(named)):
                self._known[(row.key, row.value, row.tenant)] = DECODER.decode(row.body)

    def of(self, finding: Finding) -> list[tuple[Entity, Risk]]:
        """The risks of those whom a finding is about."""
        self.prefetch((finding,))
        return [(entity, self._known[entity]) for entity in entities(finding)]

    def with_(self, finding: Finding, clock: float) -> list[tuple[Entity, Risk]]:
        """The risks of those whom a finding is about, once it is added."""
        return [(entity, added(risk, finding, clock)) for entity, risk in self.of(finding)]

    def keep(self, risks: Iterable[tuple[Entity, Risk]]) -> None:
        """Take these as what is known from now on."""
        for entity, risk in risks:
            self._known[entity] = risk
            self._changed.add(entity)

    def flush(self, clock: float) -> None:
        """Write what changed, and forget what is long over."""
        if not self._changed:
            return
        rows = [
            {"key": key, "value": value, "tenant": own, "at": risk.at, "body": _ENCODER.encode(risk).decode()}
            for key, value, own in sorted(self._changed)
            if (risk := self._known[(key, value, own)])
        ]
        statement = insert_on(self._connection, RISKS)
        again = statement.on_conflict_do_update(
            index_elements=("key", "value", "tenant"),
            set_={"at": statement.excluded.at, "body": statement.excluded.body},
        )
        self._connection.execute(again, rows)
        self._connection.execute(delete(RISKS).where(RISKS.c.at < clock - FORGET))
        self._changed.clear()
