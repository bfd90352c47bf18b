"""Sealing evidence: what is known of an incident when it opens, saved before it can be gone."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select, update

from alerting import queries
from alerting.database.schema import EVIDENCE
from alerting.database.schema import FINDINGS as MEMBERS
from alerting.database.store import Store
from alerting.harmless import harmless
from alerting.incidents.family import PRINCIPAL
from alerting.incidents.record import Record
from alerting.response.archive import KIND, Manifest, pack
from alerting.response.lookup import Found, Searchable, is_named, look
from alerting.runbook import Runbooks
from stream.directory import Directory
from stream.errors import RejectedError, TocsinError
from stream.finding import DECODER, Finding
from tocsin_audit.event import ABSENT, AuditEvent, rfc3339

EVENTS: Final = 2_000
"""Events in one archive at most."""
FRAMES: Final = 4_000
FINDINGS: Final = 500
BEFORE: Final = 3600.0
"""Seconds before the first finding from which on the events of whom it is about are saved too."""
DEFINITIONS: Final = 24 * 3600.0
"""Seconds back in which the tool lists of the servers concerned are looked for."""
TRIES: Final = 600.0
"""Seconds for which sealing is tried again where the log cannot be read."""
_SUBJECT: Final = (*PRINCIPAL, "token", "source_ip")


class Known(NamedTuple):
    """The directory of the moment, with the digest of the file it came from."""

    directory: Directory
    digest: str


class Sealer:
    """Seals the evidence of incidents that opened or got worse; one at a time, the last archive of each opening."""

    def __init__(self, store: Store, log: Searchable, runbooks: Runbooks, known: Callable[[], Known]) -> None:
        self._store = store
        self._log = log
        self._runbooks = runbooks
        self._known = known

    def turn(self, now: float) -> int:
        """Seal what waits, a few at a time; how many were. `now` is the wall clock in seconds."""
        waiting = select(EVIDENCE.c.incident, EVIDENCE.c.opening, EVIDENCE.c.wanted).where(EVIDENCE.c.sealed.is_(None))
        with self._store.reading() as connection:
            rows = connection.execute(waiting.order_by(EVIDENCE.c.wanted).limit(4)).all()
        for incident, opening, wanted in rows:
            self._seal(incident, opening, wanted, now)
        return len(rows)

    def _seal(self, incident: str, opening: int, wanted: float, now: float) -> None:
        why, body, digest = "", None, ""
        try:
            body, digest = archive_of(self._store, self._log, self._runbooks, self._known(), incident, opening, now)
        except TocsinError as error:
            if now - wanted < TRIES:
                raise
            why = harmless(str(error), 500)
        # What was sealed before stays where it cannot be sealed anew.
        row = (
            {"sealed": now, "digest": digest, "why": "", "body": body}
            if body is not None
            else {"sealed": now, "why": why}
        )
        with self._store.unit() as unit:
            this = (EVIDENCE.c.incident == incident, EVIDENCE.c.opening == opening, EVIDENCE.c.sealed.is_(None))
            unit.connection.execute(update(EVIDENCE).where(*this).values(**row))
            if (record := unit.record(incident)) is not None:
                words = f"evidence sealed, manifest {digest}" if body is not None else f"evidence not sealed: {why}"
                unit.add_timeline(record, record.updated, "evidence", "evidence", "tocsin", words)


def archive_of(
    store: Store,
    log: Searchable,
    runbooks: Runbooks,
    known: Known,
    incident: str,
    opening: int,
    now: float,
) -> tuple[bytes, str]:
    """The archive of an incident as it stands, and its manifest's digest; raises TocsinError where the log cannot be
    read.
    """
    record = queries.find(store, incident)
    findings = findings_of(store, record.id)
    since = min((finding.start for finding in findings), default=record.opened) - BEFORE
    until = max((max(finding.end, finding.time) for finding in findings), default=record.opened) + 60.0
    ids = {id_ for finding in findings for id_ in finding.event_ids}
    about = subject_of(record)
    hits = look(
        log, lambda event: is_named(event, ids) or touches(event, about), since, until, most=EVENTS, frames=FRAMES
    )
    servers = {found.event.server for found in hits.found if found.event.server}
    lists = _definitions(log, servers, until)
    shown = queries.show(store, record.id, runbooks, now=now)
    files = {
        "incident.json": _json(shown["incident"]),
        "findings.ndjson": b"".join(_json(one) for one in shown["findings"]),
        "decisions.ndjson": b"".join(_json(one) for one in shown["decisions"]),
        "timeline.ndjson": b"".join(_json(one) for one in shown["timeline"]),
        "events.ndjson": b"".join(found.line + b"\n" for found in hits.found),
        "frames.ndjson": b"".join(
            _json({"id": found.event.id, "offset": found.offset, "received": rfc3339(found.received)})
            for found in hits.found
        ),
        "directory.json": _json({"digest": known.digest, "directory": msgspec.to_builtins(known.directory)}),
        "tools.ndjson": b"".join(found.line + b"\n" for found in lists),
    }
    offsets = [found.offset for found in hits.found]
    place = {"stream": "events", "first": min(offsets), "last": max(offsets)} if offsets else {}
    manifest = Manifest(
        kind=KIND, incident=record.id, opening=opening, sealed=rfc3339(now), files={}, log=place, cut=hits.cut
    )
    return pack(manifest, files)


def sealed(store: Store, id_: str, opening: int | None = None) -> tuple[bytes, str, int]:
    """The sealed archive of an incident, its manifest's digest and opening; the last opening's where none is named.

    Raises RejectedError where there is none, saying why.
    """
    record = queries.find(store, id_)
    rows = select(EVIDENCE).where(EVIDENCE.c.incident == record.id).order_by(EVIDENCE.c.opening.desc())
    if opening is not None:
        rows = rows.where(EVIDENCE.c.opening == opening)
    with store.reading() as connection:
        row = connection.execute(rows.limit(1)).one_or_none()
    if row is None:
        raise RejectedError(
            "no evidence was sealed", hint="it is for live incidents from medium on; `tocsin incident show ID --json`"
        )
    if row.body is None:
        why = row.why or "it is being sealed"
        raise RejectedError(f"there is no evidence yet: {why}", hint="look again in a moment")
    return bytes(row.body), row.digest, row.opening


def findings_of(store: Store, incident: str, limit: int = FINDINGS) -> list[Finding]:
    """The newest findings of an incident."""
    newest = select(MEMBERS.c.body).where(MEMBERS.c.incident == incident).order_by(MEMBERS.c.at.desc()).limit(limit)
    with store.reading() as connection:
        return [DECODER.decode(body) for (body,) in connection.execute(newest)]


def subject_of(record: Record) -> tuple[tuple[str, str], ...]:
    """Whom an incident is about: the keys of its entity that name a caller."""
    found = tuple((key, record.entity[key]) for key in _SUBJECT if record.entity.get(key))
    return found or tuple((key, value) for key, value in record.entity.items() if key in ("server", "target"))


def touches(event: AuditEvent, about: Sequence[tuple[str, str]]) -> bool:
    """Whether an event is of whom an incident is about."""
    return bool(about) and all(getattr(event, key, None) == value for key, value in about)


def _definitions(log: Searchable, servers: set[str], until: float) -> list[Found]:
    """The last tool list that each server told before a moment."""
    if not servers:
        return []
    hits = look(
        log,
        lambda event: event.manifest is not ABSENT and event.server in servers,
        until - DEFINITIONS,
        until,
        most=200,
        frames=FRAMES,
    )
    return list({found.event.server: found for found in hits.found}.values())


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value) + b"\n"
