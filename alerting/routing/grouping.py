"""Grouping: several incidents of one route told as one page, with Alertmanager's timers.

The first page of a group waits `wait` seconds for others of it. Whatever comes later is told `interval` seconds after
the group was told, and a group in which nothing came by then is forgotten, so that the next one waits `wait` again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, NamedTuple

from alerting.matching import Have

WAIT: Final = 30.0
INTERVAL: Final = 300.0


class Group(NamedTuple):
    """One group of a route: what names it, and its timers in seconds."""

    key: str
    wait: float
    interval: float


@dataclass(frozen=True, slots=True)
class Grouping:
    """By which keys a route groups incidents (none for all of the route together), and its timers in seconds."""

    by: tuple[str, ...] = ()
    wait: float = WAIT
    interval: float = INTERVAL

    def of(self, path: str, have: Have) -> Group:
        """The group of an incident that has these values, on the route at a path."""
        named = [part for key in self.by for part in (key, *sorted(have.get(key, ())))]
        return Group(_key([path, *named]), self.wait, self.interval)


def due(group: Group, waiting: float | None, clock: float, *, urgent: bool) -> float:
    """When a group is told that one more joins; `waiting` is when it is due already, where it is there.

    What is `urgent` waits no longer than the first of a group does.
    """
    soonest = clock + group.wait
    if waiting is None:
        return soonest
    return min(waiting, soonest) if urgent else waiting


def _key(parts: Sequence[str]) -> str:
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
