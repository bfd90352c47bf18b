"""The plan for an event: by its marks, which kinds are looked up and which detectors are stepped."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from detectors import keys
from detectors.keys import Raw
from detectors.limits import RANKS
from detectors.live import Live
from detectors.table import Table
from stream.facts import Facts
from tocsin_audit.event import AuditEvent

SAMPLED: Final = 1 << 14
"""Beside an event's marks: it comes from a sampled source, which never feeds counts."""
HANDLE: Final = 1 << RANKS["handle"]
PRINCIPAL: Final = RANKS["principal"]
SOURCE: Final = RANKS["source"]
TOKEN: Final = RANKS["token"]
SERVER: Final = RANKS["server"]

_PRODUCER: Final = 1 << RANKS["producer"]
_POPULATION: Final = 1 << RANKS["population"]
_OBJECT: Final = 1 << RANKS["object"]
_CLIENT: Final = 1 << RANKS["client"]

Entry = tuple[int, Callable[[Raw], Live | None], int, tuple[tuple[int, Any], ...], Table]
"""Of one kind: its rank, the place of its raw key; the look-up; the detectors as bits; their indexes and steps."""
Entries = tuple[Entry, ...]
Plan = tuple[int, Entries, Entries | None]
"""The kinds that are needed, as bits by rank, an entry for each, and those that a repeated answer needs, if fewer."""
Raws = tuple[Raw | None, ...]
"""The raw keys of an event, by the rank of their kind."""


def plan_for(marks: int, tables: Sequence[Table]) -> Plan:
    """Who wants to see an event with these marks."""
    entries: list[Entry] = []
    repeats: list[Entry] = []
    for table in tables:
        kind = table.kind
        steps = tuple(
            (index, detector.stepper(kind))
            for index, detector in enumerate(table.detectors)
            if (detector.spec.sampled or not marks & SAMPLED)
            and (kind not in detector.spec.wants or detector.spec.wants[kind] & marks)
        )
        again = tuple(
            (index, step) for index, step in steps if not table.detectors[index].spec.once.get(kind, 0) & marks
        )
        for chosen, into in ((steps, entries), (again, repeats)):
            if chosen:
                bits = sum(1 << index for index, _ in chosen)
                into.append((table.rank, table.live.get, bits, chosen, table))
    needs = sum(1 << entry[0] for entry in entries)
    return needs, tuple(entries), tuple(repeats) if repeats != entries else None


def raw_keys(event: AuditEvent, needs: int, source: str, facts: Facts) -> Raws:
    """The raw keys of an event for the kinds that are needed; what is cheap is there in any case."""
    tenant = event.tenant
    user = event.user
    return (
        (source, event.producer) if needs & _PRODUCER and event.producer is not None else None,
        keys.population(event, facts) if needs & _POPULATION else None,
        keys.target(event) if needs & _OBJECT else None,
        None,
        event.server or None,
        event.token,
        (tenant, event.client) if needs & _CLIENT and event.client is not None else None,
        event.source_ip,
        tenant,
        (tenant, user) if user is not None else keys.principal(event),
    )


def with_handles(raws: Raws, entries: Entries, event: AuditEvent) -> tuple[Raws, Entries]:
    """One entry for each handle of the event in place of the one for handles."""
    handles = keys.handles(event)
    expanded: list[Entry] = []
    for entry in entries:
        if entry[0] == RANKS["handle"]:
            _, get, bits, steps, table = entry
            expanded += [(len(raws) + index, get, bits, steps, table) for index in range(len(handles))]
        else:
            expanded.append(entry)
    return (*raws, *handles), tuple(expanded)
