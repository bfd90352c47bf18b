"""What the engine holds of one entity between its events, and the form in which a quiet one is kept."""

from typing import Any, Final, NamedTuple

import msgspec

from detectors.base import Entity
from detectors.keys import Raw

NEVER: Final = 1 << 62
"""A moment that does not come: the entity has nothing to settle."""
LATENESS: Final = 120
"""Seconds after its end at which a cell is closed: no event that is not `late` can still belong to it."""
WARM_HOURS: Final = 24
"""Active hours after which an entity's own volume is known well enough to judge it by (CONTRACTS §3)."""
WARM_DAYS: Final = 3
"""Days over which they must lie."""
WARM_RUNS: Final = 7
"""Active days that suffice, however few hours: a nightly job has one hour a day, and is the steadiest of all."""


class Live:
    """One entity: a state per detector, the cells that still have to be settled, and what was already emitted.

    `states` holds a detector's state, its packed bytes until it is needed, or None before its first event. `pending`
    maps a cell (its end × 16 + the index of its length) to the detectors stepped in it, as bits; `due` is when the
    first of them closes. `stamp` is the smallest cell and the clock's minute of the last event: what follows from these
    is worked out when they change. `seen` is the clock's minute of the last event,
    `looked` what it was when the entity was last found to be worth remembering. `copying` says that a snapshot still
    wants it as it is.
    """

    __slots__ = (
        "bits",
        "copying",
        "day",
        "days",
        "dirty",
        "due",
        "emitted",
        "entity",
        "hours",
        "id",
        "looked",
        "peers",
        "pending",
        "raw",
        "seen",
        "stamp",
        "states",
    )

    def __init__(self, raw: Raw, identity: int, entity: Entity, states: list[Any]) -> None:
        self.raw = raw
        self.id = identity
        self.entity = entity
        self.states = states
        self.stamp = -1
        self.bits = 0
        self.pending: dict[int, int] = {}
        self.due = NEVER
        self.seen = 0
        self.looked = -1
        self.hours = 0
        self.days = 0
        self.day = -1
        self.peers = 0
        self.emitted: dict[int, int] = {}
        self.dirty = False
        self.copying = False

    def warm(self) -> bool:
        """Whether it was active long enough to be judged by its own past."""
        return self.days >= WARM_RUNS or (self.hours >= WARM_HOURS and self.days >= WARM_DAYS)

    def plan_due(self) -> None:
        """Work out anew when the first pending cell closes."""
        self.due = (min(self.pending) >> 4) + LATENESS if self.pending else NEVER


class Quiet(NamedTuple):
    """The packed form, written without the trailing items that say nothing.

    `rested` counts the times that its states were rested since `seen`. `raw` is there while cells are pending or it may
    be woken, since both may need the entity's names; else the next event brings them.
    """

    seen: int
    states: tuple[bytes | None, ...] = ()
    rested: int = 0
    hours: int = 0
    days: int = 0
    day: int = -1
    peers: int = 0
    emitted: tuple[tuple[int, int], ...] = ()
    raw: Raw | None = None
    pending: tuple[tuple[int, int], ...] = ()


NOTHING: Final = Quiet(0)

_ENCODE: Final = msgspec.msgpack.Encoder().encode
unpacked: Final = msgspec.msgpack.Decoder(Quiet).decode
"""The `Quiet` that bytes hold."""


def packed_quiet(quiet: Quiet) -> bytes:
    """A `Quiet` as bytes."""
    return trimmed([quiet.seen, list(quiet.states), *quiet[2:]])


def trimmed(items: list[Any]) -> bytes:
    """The items of a `Quiet`, with its states as a list, without the trailing ones that say nothing."""
    states = items[1]
    while states and states[-1] is None:
        states.pop()
    while len(items) > 1 and (not items[-1] or items[-1] == NOTHING[len(items) - 1]):
        items.pop()
    return _ENCODE(items)


def says_nothing(quiet: Quiet, minute: int) -> bool:
    """Whether there is nothing to remember of an entity at a minute of the clock."""
    return not quiet.states and not quiet.hours and all(entry >> 2 <= minute for _, entry in quiet.emitted)
