"""Links between incidents in the store."""

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, and_, delete, or_, select, update

from alerting.database.dialect import insert_on
from alerting.database.schema import LINKS, MENTIONS
from alerting.incidents.linking import CROWD, WITHIN, Mention, links, mentions
from alerting.incidents.record import Record

_VALUES: Final = 200
"""Values in one look-up."""


class Links:
    """Ties between incidents; all of it inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tie(self, one: str, other: str, at: float, why: str, *, by: str = "tocsin") -> None:
        """Tie two incidents together, with the reason. What was cut stays so unless an operator ties it again."""
        values = {"one": min(one, other), "other": max(one, other), "at": at, "why": why, "by": by, "cut": False}
        statement = insert_on(self._connection, LINKS)
        if by == "tocsin":
            statement = statement.on_conflict_do_nothing()
        else:
            statement = statement.on_conflict_do_update(
                index_elements=("one", "other"), set_={"at": at, "why": why, "by": by, "cut": False}
            )
        self._connection.execute(statement, values)

    def cut(self, one: str, other: str, by: str) -> bool:
        """Take a link away for good; whether there was one."""
        tied = (LINKS.c.one == min(one, other), LINKS.c.other == max(one, other), LINKS.c.cut.is_(False))
        return self._connection.execute(update(LINKS).where(*tied).values(cut=True, by=by)).rowcount > 0

    def find(self, records: Sequence[Record], clock: float) -> None:
        """Link changed incidents to others that name the same."""
        wanted = [(record, mentions(record)) for record in records]
        known = self._known({(one.key, one.value) for _, found in wanted for one in found})
        self._forget([one for those in known.values() for one in those if one.at < clock - WITHIN])
        new: list[Mention] = []
        for record, found in wanted:
            there: list[Mention] = []
            for one in found:
                others = [other for other in known.get((one.key, one.value), ()) if other.at >= clock - WITHIN]
                there += others
                # One more than a crowd needs is kept, so that a crowd is known for one.
                if len(others) <= CROWD and all(other.incident != record.id for other in others):
                    others.append(one)
                    new.append(one)
                known[(one.key, one.value)] = others
            for link in links(record, there):
                self.tie(record.id, link.other, clock, link.why)
        if new:
            statement = insert_on(self._connection, MENTIONS).on_conflict_do_nothing()
            self._connection.execute(statement, [one._asdict() for one in new])

    def _known(self, values: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Mention]]:
        found: dict[tuple[str, str], list[Mention]] = {}
        ordered = sorted(values)
        for start in range(0, len(ordered), _VALUES):
            by_key: dict[str, list[str]] = {}
            for key, value in ordered[start : start + _VALUES]:
                by_key.setdefault(key, []).append(value)
            asked = or_(*(and_(MENTIONS.c.key == key, MENTIONS.c.value.in_(those)) for key, those in by_key.items()))
            for row in self._connection.execute(select(MENTIONS).where(asked).order_by(*MENTIONS.primary_key)):
                found.setdefault((row.key, row.value), []).append(Mention(*row))
        return found

    def _forget(self, old: Sequence[Mention]) -> None:
        for one in old:
            named = (MENTIONS.c.key == one.key, MENTIONS.c.value == one.value, MENTIONS.c.incident == one.incident)
            self._connection.execute(delete(MENTIONS).where(*named))
