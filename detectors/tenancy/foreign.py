"""Whose data an event touched that is not the caller's, and what became of it."""

from typing import Final, NamedTuple

from detectors.telling import plural
from stream.facts import PUBLIC, Facts
from tocsin_audit.event import AuditEvent

HOUR: Final = 3_600
DAY: Final = 86_400
EXPIRED: Final = 50
"""Added to the level where an expired grant explains the access, so that its findings have ids of their own."""


class Foreign(NamedTuple):
    """One owner whose data the caller had no right to, with the expired grant that once gave it, if there was one."""

    owner: str
    ticket: str | None
    expired: bool


def foreign(event: AuditEvent, facts: Facts) -> list[Foreign]:
    """The foreign owners of what an event asked for or returned that no live grant covers.

    None where the caller's tenant is not known: that is a gap of coverage, told elsewhere.
    """
    own = event.tenant
    if own is None or event.kind != "request":
        return []
    owners = facts.owners(event)
    if not owners or (len(owners) == 1 and owners[0] == own):
        return []
    found: list[Foreign] = []
    for owner in dict.fromkeys(owners):
        if owner in (own, PUBLIC) or facts.grant(event, owner) is not None:
            continue
        past = facts.expired_grant(event, owner)
        over = past is not None and past.until is not None and past.until.timestamp() <= event.time
        found.append(Foreign(owner, past.ticket if past is not None and over else None, over))
    return found


def handed_out(event: AuditEvent) -> bool:
    """Whether the caller was answered with what it asked for."""
    outcome = event.outcome
    if outcome is None:
        return event.error is None and event.error_code is None and event.auth not in ("invalid", "insufficient_scope")
    return outcome in ("ok", "input_required")


def caller(event: AuditEvent) -> dict[str, str] | None:
    """The entity names of who acts, None where nobody is known."""
    if event.user is not None:
        return {"user": event.user}
    if event.client is not None:
        return {"client": event.client}
    if event.agent is not None:
        return {"agent": event.agent}
    return None


def call(event: AuditEvent) -> str:
    """The call in words."""
    rows = f", {plural(event.rows, 'row')}" if event.rows is not None else ""
    return f"{event.method or event.kind} {event.target or ''} on {event.server} ({event.outcome or 'answered'}{rows})"
