"""Who a principal's peers are, and what they say: its peer group within the tenant, and the tenant."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from detectors.base import Entity, Kind
from detectors.keys import Raw, entity_of
from detectors.volume.expectation import PEERS
from detectors.volume.group import UNMOVED, Moved, Norm
from detectors.volume.usage import CALLS
from stream.facts import Facts, group_id

NAME: Final = "data_volume"
DAY: Final = 86_400
_FIELDS: Final = frozenset({"user", "client", "agent"})


def groups_of(entity: Entity, client: str, facts: Facts) -> list[tuple[Kind, Raw]]:
    """The raw keys of a principal's groups, the more alike first; none for one that many share or without a tenant.

    `client` is the one that a person speaks through; a client speaks through itself.
    """
    field, name = next(iter(entity.names.items()))
    tenant = entity.tenant
    if tenant is None or field not in _FIELDS:
        return []
    role = facts.role_of(field, name)
    if role is not None:
        return [("population", (tenant, role, "role")), ("tenant", tenant)]
    through = name if field == "client" else client
    if through:
        return [("population", (tenant, through, "client")), ("tenant", tenant)]
    return [("tenant", tenant)]


def told(entity: Entity, client: str, seconds: int, start: int, facts: Facts) -> list[tuple[int, ...]]:
    """What a principal's groups tell of exactly this cell."""
    found: list[tuple[int, ...]] = []
    for kind, raw in groups_of(entity, client, facts):
        summary = facts.peers(NAME, _id(kind, raw), seconds, start)
        if summary is not None and summary.start == start:
            found.append(summary.values)
    return found


def widest(moves: Sequence[Moved]) -> Moved:
    """The least of those of which enough members tell, since a common movement is all groups'; else the most's."""
    enough = [moved for moved in moves if moved.members >= PEERS]
    if enough:
        return min(enough, key=lambda moved: moved.octaves(CALLS))
    return max(moves, key=lambda moved: moved.members, default=UNMOVED)


def norm(entity: Entity, client: str, day: int, facts: Facts) -> tuple[Norm | None, bool]:
    """What is usual for a principal's peers after a day: its group's, else its tenant's; whether they are alike."""
    for kind, raw in groups_of(entity, client, facts):
        summary = facts.peers(NAME, _id(kind, raw), DAY, day * DAY)
        if summary is not None:
            usual = _norm_of(summary.values)
            if usual.members >= PEERS:
                return usual, kind == "population"
    return None, False


@lru_cache(maxsize=1024)
def _norm_of(values: tuple[int, ...]) -> Norm:
    return Norm(values)


@lru_cache(maxsize=4096)
def _id(kind: Kind, raw: Raw) -> int:
    return group_id(entity_of(kind, raw, Facts()).key)
