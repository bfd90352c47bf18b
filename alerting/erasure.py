"""What the alerts' database holds about a person, and taking it out: incidents about them, their name in others."""

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Table, delete, select, update

from alerting.database.schema import (
    ACTIONS,
    DENIALS,
    EVIDENCE,
    FINDINGS,
    INCIDENTS,
    LINKS,
    MENTIONS,
    OBEYING,
    RISKS,
    STEPS,
)
from alerting.incidents.family import PRINCIPAL
from alerting.incidents.record import Record
from alerting.removal import SEALED, Rows
from alerting.unit import RECORD_DECODER

ERASED: Final = "[erased]"
"""What stands in the place of the name."""
_SEALED_TEXTS: Final = {"timeline": ("by", "note"), "decisions": ("detail",), "alerts": ("why", "body")}
_TEXTS: Final[tuple[tuple[Table, tuple[str, ...]], ...]] = (
    (INCIDENTS, ("body",)),
    (FINDINGS, ("body",)),
    (STEPS, ("by", "note", "owner")),
    (ACTIONS, ("by", "result")),
    (LINKS, ("why", "by")),
)
"""What is not sealed, and may be rewritten."""


class Person(NamedTuple):
    """Who is to be erased: a user, client or agent of a tenant (None where the events name none)."""

    name: str
    tenant: str | None

    @property
    def pattern(self) -> re.Pattern[str]:
        """The name where it stands by itself, as it is or as JSON writes it."""
        quoted = msgspec.json.encode(self.name).decode()[1:-1]
        either = "|".join(re.escape(one) for one in sorted({self.name, quoted}, key=len, reverse=True))
        return re.compile(rf"(?<![\w@.|/-])(?:{either})(?![\w@|-])")


class About(NamedTuple):
    """What there is: incidents about the person, others that name them, and what of these is sealed or archived.

    `denials` are those that refuse the person and have ended, `standing` those that have not.
    """

    own: list[Record]
    others: list[Record]
    rows: Rows
    evidence: list[tuple[str, int]]
    denials: list[str]
    standing: list[str]


def about(connection: Connection, person: Person, now: float) -> About:
    """Everything in the database that names a person, at a moment of the wall clock."""
    names = person.pattern.search
    members = connection.execute(select(FINDINGS.c.incident, FINDINGS.c.body))
    naming = {incident for incident, body in members if names(body)}
    own: list[Record] = []
    others: list[Record] = []
    for (body,) in connection.execute(select(INCIDENTS.c.body)):
        record = RECORD_DECODER.decode(body)
        if record.tenant == person.tenant and any(record.entity.get(key) == person.name for key in PRINCIPAL):
            own.append(record)
        elif record.id in naming or names(body):
            others.append(record)
    gone = {record.id for record in own}
    rows: Rows = {}
    for name, columns in _SEALED_TEXTS.items():
        table = SEALED[name]
        for number, incident, *texts in connection.execute(
            select(table.c.id, table.c.incident, *(table.c[one] for one in columns)).order_by(table.c.id)
        ):
            if incident not in gone and any(text and names(text) for text in texts):
                rows.setdefault(name, []).append(number)
    archives = select(EVIDENCE.c.incident, EVIDENCE.c.opening, EVIDENCE.c.body).where(EVIDENCE.c.body.is_not(None))
    evidence = [
        (incident, opening)
        for incident, opening, body in connection.execute(archives)
        if incident not in gone and _archived(bytes(body), person)
    ]
    denials = connection.execute(select(DENIALS.c.id, DENIALS.c.subject, DENIALS.c.until)).all()
    concerned = [(id_, until) for id_, subject, until in denials if names(subject)]
    return About(
        own,
        others,
        rows,
        evidence,
        [id_ for id_, until in concerned if until <= now],
        [id_ for id_, until in concerned if until > now],
    )


def redact(connection: Connection, person: Person, denials: Sequence[str]) -> None:
    """Put `[erased]` in the place of the name where nothing is sealed, and forget what is kept under the name alone.

    Sealed rows are not changed: they go as a whole, and the ledger says so first.
    """
    pattern = person.pattern
    for table, columns in _TEXTS:
        keys = list(table.primary_key)
        for row in connection.execute(select(*keys, *(table.c[one] for one in columns))).all():
            texts = row[len(keys) :]
            if any(text and pattern.search(text) for text in texts):
                new: dict[str, Any] = {
                    column: pattern.sub(lambda _: ERASED, text) if text else text
                    for column, text in zip(columns, texts, strict=True)
                }
                this = [key == value for key, value in zip(keys, row, strict=False)]
                connection.execute(update(table).where(*this).values(**new))
    connection.execute(delete(MENTIONS).where(MENTIONS.c.value == person.name))
    connection.execute(delete(RISKS).where(RISKS.c.value == person.name))
    for id_ in denials:
        connection.execute(delete(OBEYING).where(OBEYING.c.denial == id_))
        connection.execute(delete(DENIALS).where(DENIALS.c.id == id_))


def _archived(body: bytes, person: Person) -> bool:
    """Whether an archive of evidence names a person; one that cannot be read is taken to."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            texts = (archive.read(name).decode("utf-8", "replace") for name in archive.namelist())
            return any(person.pattern.search(text) for text in texts)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError):
        return True
