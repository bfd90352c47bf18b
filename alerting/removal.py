"""Taking rows out of the alerts' database: those of whole incidents, of old decisions and alerts, or of evidence."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    Table,
    TypeDecorator,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)

from alerting.database.schema import (
    ACTIONS,
    DECISIONS,
    DENIALS,
    EVIDENCE,
    FINDINGS,
    HELD,
    INCIDENTS,
    LINKS,
    MENTIONS,
    OBEYING,
    OUTBOX,
    STEPS,
    TIMELINE,
    WANTED,
)
from alerting.incidents.record import ENDED, Record
from alerting.unit import RECORD_DECODER

SEALED: Final[dict[str, Table]] = {"timeline": TIMELINE, "decisions": DECISIONS, "alerts": OUTBOX}
"""The tables whose rows the ledger has, by the name that they have there."""
MANY: Final = 400
"""Values in one statement."""
_OWNED: Final = (FINDINGS, HELD, MENTIONS, STEPS, ACTIONS, EVIDENCE, WANTED)

Rows = dict[str, list[int]]
"""Numbers of rows by the ledger's name of their table."""
Past = Callable[[str | None], float | None]
"""Before which moment a tenant's are due; None where they are kept for good."""


class Old(NamedTuple):
    """Rows that are due, and how many of them each tenant has (an empty name where there is none)."""

    rows: Rows
    tenants: dict[str, int]


def ended(connection: Connection, past: Past) -> list[Record]:
    """The incidents that ended before their tenant's moment."""
    found = connection.execute(
        select(INCIDENTS.c.tenant, INCIDENTS.c.updated, INCIDENTS.c.body).where(INCIDENTS.c.status.in_(ENDED))
    )
    return [
        RECORD_DECODER.decode(body)
        for tenant, updated, body in found
        if (moment := past(tenant)) is not None and updated < moment
    ]


def rows_of(connection: Connection, incidents: Iterable[str]) -> Rows:
    """The numbers of the sealed rows that belong to incidents."""
    rows: Rows = {name: [] for name in SEALED}
    for part in parts(incidents):
        for name, table in SEALED.items():
            found = connection.execute(select(table.c.id).where(table.c.incident.in_(part)).order_by(table.c.id))
            rows[name] += [number for (number,) in found]
    return {name: sorted(numbers) for name, numbers in rows.items() if numbers}


def old(connection: Connection, past: Past, kept: Callable[[str], bool]) -> Old:
    """The decisions, and the alerts that are no more on their way, made before their incident's tenant's moment.

    `kept` says of an incident that all of it is held.
    """
    rows: Rows = {}
    tenants: dict[str, int] = {}
    moving = or_(OUTBOX.c.state == "done", OUTBOX.c.state == "refused")
    for name, condition in (("decisions", None), ("alerts", moving)):
        table = SEALED[name]
        wanted: Select[Any] = select(table.c.id, table.c.incident, table.c.at, INCIDENTS.c.tenant).outerjoin(
            INCIDENTS, INCIDENTS.c.id == table.c.incident
        )
        for number, incident, at, tenant in connection.execute(
            wanted if condition is None else wanted.where(condition)
        ):
            moment = past(tenant)
            if moment is not None and at < moment and not kept(incident):
                rows.setdefault(name, []).append(number)
                tenants[tenant or ""] = tenants.get(tenant or "", 0) + 1
    return Old({name: sorted(numbers) for name, numbers in rows.items()}, tenants)


def all_incidents(connection: Connection) -> list[str]:
    """The ids of all incidents."""
    return [id_ for (id_,) in connection.execute(select(INCIDENTS.c.id))]


def evidence(connection: Connection, past: Past) -> list[tuple[str, int, str | None]]:
    """The archives that were sealed before their tenant's moment: incident, opening and tenant."""
    found = connection.execute(
        select(EVIDENCE.c.incident, EVIDENCE.c.opening, EVIDENCE.c.sealed, INCIDENTS.c.tenant)
        .outerjoin(INCIDENTS, INCIDENTS.c.id == EVIDENCE.c.incident)
        .where(EVIDENCE.c.body.is_not(None))
    )
    return [
        (incident, opening, tenant)
        for incident, opening, sealed, tenant in found
        if (moment := past(tenant)) is not None and sealed is not None and sealed < moment
    ]


def remove_evidence(connection: Connection, archives: Iterable[tuple[str, int]], why: str) -> None:
    """Take archives away; that there was one, its digest, and why it is gone, stay."""
    for incident, opening in archives:
        this = (EVIDENCE.c.incident == incident, EVIDENCE.c.opening == opening)
        connection.execute(update(EVIDENCE).where(*this).values(body=None, why=why))


def remove_incidents(connection: Connection, incidents: Sequence[str]) -> None:
    """Take incidents away with all that belongs to them; their sealed rows are `remove_rows`'."""
    for part in parts(incidents):
        denials = select(DENIALS.c.id).where(DENIALS.c.incident.in_(part))
        connection.execute(delete(OBEYING).where(OBEYING.c.denial.in_(denials)))
        connection.execute(delete(DENIALS).where(DENIALS.c.incident.in_(part)))
        for table in _OWNED:
            connection.execute(delete(table).where(table.c.incident.in_(part)))
        connection.execute(delete(LINKS).where(or_(LINKS.c.one.in_(part), LINKS.c.other.in_(part))))
        connection.execute(delete(INCIDENTS).where(INCIDENTS.c.id.in_(part)))


def remove_rows(connection: Connection, rows: Rows) -> None:
    """Take sealed rows away, which the ledger's note must say before; doing it again changes nothing.

    The newest row of a table is blanked in place, since SQLite would give its number to the next one.
    """
    for name, numbers in rows.items():
        table = SEALED[name]
        newest = connection.execute(select(func.max(table.c.id))).scalar()
        with _unguarded(connection, table):
            connection.execute(
                delete(table).where(table.c.id == bindparam("number")),
                [{"number": number} for number in numbers if number != newest] or [{"number": -1}],
            )
            if newest in numbers:
                connection.execute(update(table).where(table.c.id == newest).values(_blank(table)))


def _blank(table: Table) -> dict[str, Any]:
    """What a row holds that holds nothing, as it lies in the database."""
    blank: dict[str, Any] = {}
    for column in table.columns:
        if column.name == "state":
            blank[column.name] = "done"
        elif not column.primary_key:
            kind = column.type.python_type if not isinstance(column.type, TypeDecorator) else str
            said = "NULL" if column.nullable else "''" if kind is str else "false" if kind is bool else "0"
            blank[column.name] = literal_column(said)
    return blank


def parts(items: Iterable[str]) -> Iterable[list[str]]:
    """A few at a time."""
    listed = list(items)
    return (listed[at : at + MANY] for at in range(0, len(listed), MANY))


@contextmanager
def _unguarded(connection: Connection, table: Table) -> Iterator[None]:
    """While rows may go of a table whose rows nobody may change otherwise; all of it is one transaction."""
    if table is not TIMELINE:
        yield
        return
    name = table.name
    if connection.dialect.name != "sqlite":
        connection.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER {name}_append_only"))
        yield
        connection.execute(text(f"ALTER TABLE {name} ENABLE TRIGGER {name}_append_only"))
        return
    for what in ("DELETE", "UPDATE"):
        connection.execute(text(f"DROP TRIGGER {name}_no_{what.lower()}"))
    yield
    for what in ("DELETE", "UPDATE"):
        connection.execute(
            text(
                f"CREATE TRIGGER {name}_no_{what.lower()} BEFORE {what} ON {name} "
                f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            )
        )
