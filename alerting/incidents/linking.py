"""Linking: incidents that name the same entity are shown together, each link with its reason; never merged."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from alerting.incidents.record import Record

KEYS: Final = ("user", "client", "agent", "token", "source_ip", "handle", "target")
"""Fields by which incidents are linked: each names one thing. A tenant or a server is shared by too much."""
VALUES: Final = 12
"""Values of one incident that link it."""
CROWD: Final = 12
"""Incidents that name a value, after which it says nothing: an office's address, a catalogue everybody reads."""
WITHIN: Final = 3 * 86_400.0
"""Seconds of the log's clock in which incidents are linked."""
LINKS: Final = 20
"""Links that are made to one incident; the newest others come first."""
PLAIN: Final = {"source_ip": "address", "target": "object"}


class Mention(NamedTuple):
    """An incident names a value."""

    key: str
    value: str
    incident: str
    at: float


class Link(NamedTuple):
    """Two incidents, and the values that both name."""

    other: str
    why: str


def mentions(record: Record) -> list[Mention]:
    """What an incident can be linked by; what it is about comes first."""
    found: dict[tuple[str, str], None] = {}
    for key in KEYS:
        if (value := record.entity.get(key)) is not None:
            found[(key, value)] = None
    for key in KEYS:
        for value in record.facts.get(key, ()):
            found[(key, value)] = None
    return [Mention(key, value, record.id, record.updated) for key, value in list(found)[:VALUES]]


def links(record: Record, others: Iterable[Mention]) -> list[Link]:
    """The links of an incident to others that name the same; a value that a crowd names links nothing."""
    shared: dict[tuple[str, str], list[Mention]] = {}
    for other in others:
        if other.incident != record.id and abs(record.updated - other.at) <= WITHIN:
            shared.setdefault((other.key, other.value), []).append(other)
    reasons: dict[str, list[tuple[str, str]]] = {}
    latest: dict[str, float] = {}
    for (key, value), those in sorted(shared.items()):
        if len({one.incident for one in those}) >= CROWD:
            continue
        for one in those:
            reasons.setdefault(one.incident, []).append((key, value))
            latest[one.incident] = max(one.at, latest.get(one.incident, one.at))
    newest = sorted(reasons, key=lambda id_: (-latest[id_], id_))[:LINKS]
    return [Link(id_, _why(reasons[id_])) for id_ in newest]


def _why(values: Sequence[tuple[str, str]]) -> str:
    named = [f"{PLAIN.get(key, key)} {value[:80]}" for key, value in values[:3]]
    more = f" and {len(values) - 3} more" if len(values) > 3 else ""
    return f"both name {', '.join(named)}{more}"
