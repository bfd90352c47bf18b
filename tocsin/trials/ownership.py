"""Trying ownership rules on a sample: whose each event would be, by which rule, and what no rule covers."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from collector.inspection.carried import carried, payload
from stream.directory import Directory, Ownership
from tocsin_audit import ownership
from tocsin_audit.event import AuditEvent

_ASKS = frozenset({"tools/call", "resources/read", "prompts/get", "resources/subscribe", "completion/complete"})


@dataclass(frozen=True, slots=True)
class Owned:
    """One event: its owners, each with the rules that say so (numbers from 1; 0 is the event's own word)."""

    number: int
    event: AuditEvent
    owners: Mapping[str, tuple[int, ...]]
    content: bool

    @property
    def covered(self) -> bool:
        """Whether anybody is named."""
        return bool(self.owners)


@dataclass(slots=True)
class Ownerships:
    """What came of a sample: its events that touch something, and how often each rule said something."""

    rules: tuple[Ownership, ...]
    owned: list[Owned] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    used: Counter[int] = field(default_factory=Counter)

    @property
    def uncovered(self) -> Counter[tuple[str, str]]:
        """Server and target of what no rule covers, with how often."""
        return Counter((each.event.server, each.event.target or "-") for each in self.owned if not each.covered)


def try_rules(events: Iterable[tuple[int, AuditEvent]], directory: Directory) -> Ownerships:
    """Whose events would be by a directory's rules; those that touch nothing are left out."""
    made = Ownerships(directory.ownership)
    compiled: dict[tuple[int, str], ownership.Ownership] = {}
    for number, event in events:
        if event.method not in _ASKS and not event.resource_tenants:
            continue
        held = carried(event.ext) if event.ext else None
        owners: dict[str, list[int]] = {owner: [0] for owner in event.resource_tenants}
        by_uri = False
        for at, rule in enumerate(directory.ownership, 1):
            one = compiled.get((at, event.server))
            if one is None:
                one = compiled[at, event.server] = ownership.Ownership([msgspec.to_builtins(rule)], event.server)
                made.faults += [fault for fault in one.faults if fault not in made.faults]
            if rule.uri is not None and by_uri:
                continue  # the first one that fits decides
            content: Any = held.content if held is not None else None
            found = one.asked(event.target, content.arguments if content else None, held.headers if held else {})
            if content is not None and content.result is not None:
                found |= one.returned(payload(content.result))
            by_uri = by_uri or (rule.uri is not None and bool(found))
            made.used[at] += bool(found)
            for owner in found:
                owners.setdefault(owner, []).append(at)
        told = {owner: tuple(by) for owner, by in sorted(owners.items())}
        made.owned.append(Owned(number, event, told, held is not None))
    return made


def described(rule: Ownership) -> str:
    """A rule as people write it."""
    said = msgspec.to_builtins(rule)
    return ", ".join(f"{name}: {value}" for name, value in said.items())
