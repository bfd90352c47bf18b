"""Why an access was, or was not, taken for one of another tenant's data: owners, grants, what was learned, handles."""

from collections.abc import Iterator, Mapping
from typing import Any

from detectors.base import Measure
from detectors.parts.distinct import union
from detectors.tenancy.access import Access
from detectors.tenancy.claim import MANY
from detectors.tenancy.foreign import HOUR, foreign, handed_out
from detectors.tenancy.handle import CELL, Handle
from detectors.tenancy.learned import Owned
from detectors.tenancy.server import Server
from stream.facts import PUBLIC, Facts
from tocsin_audit.event import AuditEvent

DAY = 86_400


def explain(state: Any, event: AuditEvent, facts: Facts, parameters: Mapping[str, float]) -> list[Measure]:
    """The measures of one entity's state that an event bears on; the state stays as it is."""
    if isinstance(state, Access):
        return [*_owners(event, facts), *_denied(state, event, parameters)]
    if isinstance(state, Owned):
        return list(_learned(state, event, facts, parameters))
    if isinstance(state, Handle):
        return list(_handle(state))
    if isinstance(state, Server):
        return list(_leaks(state, event, parameters))
    return []


def _owners(event: AuditEvent, facts: Facts) -> Iterator[Measure]:
    owners = facts.owners(event)
    if not owners:
        yield Measure("owners named or known by rule", 0, 1, "tenants", 0, "an owner nobody names can only be learned")
        return
    if event.tenant is None:
        yield Measure("owners named or known by rule", len(owners), None, "tenants", 0, "the caller has no tenant")
        return
    strangers = {one.owner for one in foreign(event, facts)}
    for owner in dict.fromkeys(owners):
        if owner == event.tenant:
            why = "the caller's own tenant"
        elif owner == PUBLIC:
            why = "everybody's"
        elif (grant := facts.grant(event, owner)) is not None:
            why = f"covered by a grant{f' ({grant.ticket})' if grant.ticket else ''}"
        elif event.kind != "request":
            why = "not a request"
        else:
            why = "handed out" if handed_out(event) else "asked for and not handed out"
        yield Measure(f"foreign owner: {owner}", int(owner in strangers), 1, "accesses", 0, why)


def _denied(state: Access, event: AuditEvent, parameters: Mapping[str, float]) -> Iterator[Measure]:
    hour = int(event.time) // HOUR
    counts = [len(union(cell.denied for cell in state.hours.window(end, 24))) for end in state.hours.ends(hour, 24)]
    if any(counts):
        yield Measure(
            "tenants whose data this caller was denied", max(counts), parameters["denied_owners"], "tenants", DAY
        )


def _learned(state: Owned, event: AuditEvent, facts: Facts, parameters: Mapping[str, float]) -> Iterator[Measure]:
    if facts.owners(event):
        return
    claim = state.claim
    owner = claim.at(event.time)
    if owner is None:
        yield Measure("uses from which an owner was learned", 0, parameters["learned_uses"], "uses", 0, "no owner yet")
    elif owner == MANY:
        yield Measure("owners of this object", 0, 1, "tenants", 0, "several tenants use it")
    else:
        uses, days = claim.counts(event.time)
        whose = "the caller's tenant" if owner == event.tenant else f"tenant {owner}"
        note = f"learned to belong to {whose}"
        least = parameters["learned_uses"]
        yield Measure("uses of this object by its owner", uses, least, "uses", 0, note)
        yield Measure("days with such uses", days, int(least) // 2, "days", 0, note)
        known = int(event.time) // DAY - claim.first
        yield Measure(
            "days since it is known", known, parameters["learned_days"], "days", 0, "a notice only before that"
        )


def _handle(state: Handle) -> Iterator[Measure]:
    names = {f"{name} of {tenant}" for _, tenant, name, _ in state.minters}
    open_ = state.cells.cells.values()
    names |= {f"{name} of {tenant}" for cell in open_ for tenant, name, _ in cell.minters.values()}
    if not names:
        note = "nobody is known to have been given this handle"
    elif len(names) > 1:
        note = f"given to {len(names)} callers, so it is no secret"
    else:
        note = f"minted for {next(iter(names))}; judged five minutes after it was presented"
    yield Measure("callers who were given this handle", len(names), None, "callers", CELL, note)


def _leaks(state: Server, event: AuditEvent, parameters: Mapping[str, float]) -> Iterator[Measure]:
    hour = int(event.time) // HOUR
    counts = [len(union(cell.callers for cell in state.leaks.window(end, 24))) for end in state.leaks.ends(hour, 24)]
    if any(counts):
        least = parameters["leak_callers"]
        yield Measure("callers who got foreign data from this server", max(counts), least, "callers", DAY)
    gap = state.gaps.get(int(event.time) // DAY)
    if gap is not None and event.tenant is None:
        note = "reported as a gap when the day closes"
        yield Measure("calls without a tenant on this server", gap.count, parameters["gap_events"], "calls", DAY, note)
