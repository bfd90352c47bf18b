"""One token in two hands: used where its owner always works and, in turn with that, where he never was."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from detectors.base import NOTHING, Detector, Entity
from detectors.parts.extent import Evidence, Extent
from detectors.parts.keyed import number
from detectors.parts.moments import HELD, Minutes, Sightings
from detectors.telling import level_of, plural, tell
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

MINUTE: Final = 60
WINDOW: Final = 60
"""Minutes within which both places must take turns."""
TURNS: Final = 6
"""Changes from one place to the other: a traveller changes once, somebody whose link flickers goes there and back."""
SHARED: Final = 200
"""Added to the level of these findings."""


@lru_cache(maxsize=1 << 14)
def network(source: str) -> int:
    """The network of an address as a number: /24 of IPv4, /48 of IPv6."""
    mark = ":" if ":" in source else "."
    return number("net " + mark.join(source.split(mark)[:3]))


class Hands:
    """In which minutes each token was used at familiar and at strange places."""

    __slots__ = ("familiar", "shown", "strange")

    familiar: Sightings
    strange: Sightings
    shown: Extent | None

    def __init__(self) -> None:
        self.familiar = Sightings()
        self.strange = Sightings()
        self.shown = None

    def home(self, token: str, minute: int) -> int:
        """Note the use of a token at a familiar place; its number where that may tell something, else 0."""
        key = number(token)
        return key if self.familiar.add(key, minute) and key in self.strange.keys else 0

    def abroad(self, event: AuditEvent, minute: int) -> int:
        """Note the use of an event's token at a strange place; its number where that may tell something, else 0."""
        key = number(event.token or "")
        if not self.strange.add(key, minute):
            return 0
        if self.shown is None:
            self.shown = Extent()
        self.shown.add(event)
        return key if key in self.familiar.keys else 0

    def forget(self, clock: float) -> bool:
        """Drop what is no longer held; whether anything is left."""
        before = int(clock) // MINUTE - HELD
        self.familiar.forget(before)
        if self.strange:
            self.strange.forget(before)
            if not self.strange:
                self.shown = None
        return bool(self.familiar or self.strange)


def shared(detector: Detector[Any], hands: Hands, entity: Entity, key: int, minute: int) -> Sequence[Finding]:
    """The hours containing a minute in which a token went back and forth between familiar and strange places."""
    here, there = hands.familiar.keys[key], hands.strange.keys[key]
    if here.last < there.base or there.last < here.base:
        return NOTHING
    ends = sorted({*here.listed(), *there.listed()})
    found: list[Finding] = []
    for end in ends:
        if not minute <= end < minute + WINDOW:
            continue
        turns = changes(here, there, end - WINDOW + 1, end)
        found += [
            tell(
                detector,
                "token_replay",
                entity.names,
                tenant=entity.tenant,
                severity="high" if level else "medium",
                at=end * MINUTE,
                window=WINDOW * MINUTE,
                level=level + SHARED,
                title="One token in two hands",
                observed=f"{plural(turns, 'change')} between where this caller works and where it never did, by one "
                "token within 1 hour",
                expected=f"fewer than {TURNS * 4**level}: who moves on does not keep coming back",
                why="A token that is used in turn at a familiar and at a strange place was copied.",
                shown=Evidence([] if hands.shown is None else [hands.shown]),
                confidence=0.7,
            )
            for level in range(level_of(turns, TURNS) + 1)
        ]
    return found


def changes(here: Minutes, there: Minutes, first: int, last: int) -> int:
    """The most changes of place that the uses within some minutes allow; more uses never make them fewer."""
    places = [(minute, "here") for minute in here.listed() if first <= minute <= last]
    places += [(minute, "there") for minute in there.listed() if first <= minute <= last]
    both = {minute for minute, _ in places if (minute, "here") in places and (minute, "there") in places}
    turns, at = -1, ""
    for minute, place in sorted(places):
        if minute in both:
            if place == "here":
                # Within a minute the order is not known: from wherever the token was over to the other and back.
                turns += 2
        elif place != at:
            turns += 1
            at = place
    return max(turns, 0)
