"""Refusing within a tenant: what somebody who may see some tenants only may refuse, and is told of denials.

A server that cannot know a caller's tenant takes a denial that names one for every caller. So such a denial has to be
of a kind that reaches nobody else all the same: at a server of the tenant's own, or of a token or caller with whom
nobody but the tenant was seen.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from alerting.incidents.family import PRINCIPAL
from alerting.response.evidence import touches
from alerting.response.lookup import Searchable, look
from stream.directory import Directory
from stream.errors import RejectedError
from tocsin_audit.event import AuditEvent

MOST: Final = 10
"""Denials that hold at a time for one tenant by its own responders; the others are for those who see everything."""
BACK: Final = 24 * 3600.0
"""Seconds of the past in which nobody else may have been seen with what is refused."""
FRAMES: Final = 5_000
_CALLER: Final = frozenset({*PRINCIPAL, "token"})
_COUNTED: Final = ("producers", "confirmed", "confirmed_after_s")


def own_subject(subject: Mapping[str, str], tenant: str, directory: Directory) -> tuple[dict[str, str], bool]:
    """A subject bound to a tenant, and whether the log has to show that nobody else uses what it names.

    Raises RejectedError where it is another tenant's, or others may share it.
    """
    if subject.get("tenant", tenant) != tenant:
        raise RejectedError("the incident is not that tenant's", hint=f"leave it out: it is bound to {tenant}")
    owned = sorted(one.name for one in directory.servers if one.tenant == tenant and not one.shared)
    bound = {**subject, "tenant": tenant}
    if subject.get("server") in owned:
        return bound, False
    if subject.keys() & _CALLER:
        return bound, True
    if "server" not in subject and len(owned) == 1:
        return {**bound, "server": owned[0]}, False
    named = f"add server={owned[0]}" if owned else "the directory names no server of yours"
    raise RejectedError(
        "others may share that", hint=f"{named}; or refuse a token or a caller, or ask somebody who sees every tenant"
    )


def nobody_elses(
    log: Searchable,
    subject: Mapping[str, str],
    tenant: str,
    tenant_of: Callable[[AuditEvent], str | None],
    now: float,
) -> bool:
    """Whether a tenant's callers, and nobody else's, were seen with what a subject names in the last day."""
    named = tuple((key, value) for key, value in subject.items() if key in _CALLER)
    hits = look(log, lambda event: touches(event, named), now - BACK, now, most=10_000, frames=FRAMES)
    return bool(hits.found) and all(tenant_of(found.event) == tenant for found in hits.found)


def own_denials(denials: Iterable[dict[str, Any]], visible: Callable[[str], bool]) -> list[dict[str, Any]]:
    """The denials of incidents that somebody may see, without producers: those may be others'."""
    return [{**one, **dict.fromkeys(_COUNTED), "waiting_for": []} for one in denials if visible(one["incident"])]


def may_lift(denial: Mapping[str, Any], tenants: frozenset[str]) -> bool:
    """Whether a denial concerns these tenants alone, so that whoever may see no others may end it."""
    return denial["subject"].get("tenant") in tenants
