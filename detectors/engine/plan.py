"""The plan for an event: by its marks, which kinds are looked up and which detectors are stepped."""

from collections.abc import Callable, Container, Sequence
from typing import Any, Final

from detectors import keys
from detectors.base import KINDS, Kind
from detectors.engine.live import Live
from detectors.engine.table import Table
from detectors.keys import Raw
from stream.facts import Facts
from tocsin_audit.event import AuditEvent

SLOTS: Final[dict[Kind, int]] = {kind: slot for slot, kind in enumerate(KINDS)}
"""The place of each kind's raw key."""
SAMPLED: Final = 1 << 15
"""Beside an event's marks: from a sampled source, or counted at another vantage point; it never feeds counts."""
CALLER: Final = 1 << SLOTS["principal"]
HANDLE: Final = 1 << SLOTS["handle"]

_PRODUCER: Final = 1 << SLOTS["producer"]
_POPULATION: Final = 1 << SLOTS["population"]
_OBJECT: Final = 1 << SLOTS["object"]
_CLIENT: Final = 1 << SLOTS["client"]

Entry = tuple[int, Callable[[Raw], Live | None], int, tuple[tuple[int, Any], ...], Table]
"""Of one kind: the place of its raw key; the look-up; the detectors as bits; their indexes and steps."""
Entries = tuple[Entry, ...]
Again = tuple[int, tuple[tuple[int, Any], ...], Table]
"""What a repeated answer steps of its caller, where it steps nobody else: as in an `Entry`."""
Plan = tuple[int, Entries, Entries | None, int, Again | None]
"""The kinds that are needed, as bits by place, and an entry for each; the entries that a repeated answer needs, if
fewer, their kinds as bits, and what is left where these are the caller's alone."""
Raws = tuple[Raw | None, ...]
"""The raw keys of an event, in the order of the kinds; where nothing else is needed, the principal's alone."""


def plan_for(marks: int, tables: Sequence[Table], shed: Container[str] = ()) -> Plan:
    """Who wants to see an event with these marks; not those detectors that were `shed`."""
    entries: list[Entry] = []
    repeats: list[Entry] = []
    for table in tables:
        kind = table.kind
        steps = tuple(
            (index, detector.stepper(kind))
            for index, detector in enumerate(table.detectors)
            if not detector.spec.batched
            and detector.spec.name not in shed
            and (detector.spec.sampled or not marks & SAMPLED)
            and (kind not in detector.spec.wants or detector.spec.wants[kind] & marks)
        )
        again = tuple(
            (index, step) for index, step in steps if not table.detectors[index].spec.once.get(kind, 0) & marks
        )
        for chosen, into in ((steps, entries), (again, repeats)):
            if chosen:
                bits = sum(1 << index for index, _ in chosen)
                into.append((SLOTS[kind], table.live.get, bits, chosen, table))
    callers = _bits(repeats)
    left: Again | None = repeats[0][2:] if callers == CALLER else None
    return _bits(entries), tuple(entries), tuple(repeats) if repeats != entries else None, callers, left


def raw_keys(event: AuditEvent, who: Raw | None, needs: int, source: str, facts: Facts) -> Raws:
    """The raw keys of an event of a principal, for the kinds that are needed; what is cheap is there in any case."""
    tenant = event.tenant
    return (
        who,
        tenant,
        event.source_ip,
        (tenant, event.client) if needs & _CLIENT and event.client is not None else None,
        event.token,
        event.server or None,
        None,
        keys.target(event) if needs & _OBJECT else None,
        keys.population(event, facts) if needs & _POPULATION else None,
        (source, event.producer) if needs & _PRODUCER and event.producer is not None else None,
    )


def _bits(entries: Sequence[Entry]) -> int:
    return sum(1 << entry[0] for entry in entries)


def with_handles(raws: Raws, entries: Entries, event: AuditEvent) -> tuple[Raws, Entries]:
    """One entry for each handle of the event in place of the one for handles."""
    handles = keys.handles(event)
    expanded: list[Entry] = []
    for entry in entries:
        if entry[0] == SLOTS["handle"]:
            _, get, bits, steps, table = entry
            expanded += [(len(raws) + index, get, bits, steps, table) for index in range(len(handles))]
        else:
            expanded.append(entry)
    return (*raws, *handles), tuple(expanded)
