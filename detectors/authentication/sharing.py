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
"""Minutes within which the places must take turns."""
TURNS: Final = 6
"""Changes from one place to another: a traveller changes once, somebody whose link flickers goes there and back."""
SHARED: Final = 200
"""Added to the level of these findings."""
TOKENS: Final = 64
"""Tokens whose strange places are told apart: those with the smallest numbers."""
SIDES: Final = 2
"""Strange networks of one family from which on each is a place of its own: one may be where the caller went."""


@lru_cache(maxsize=1 << 14)
def network(source: str) -> int:
    """The network of an address as a number: /24 of IPv4, /48 of IPv6."""
    mark = ":" if ":" in source else "."
    return number("net " + mark.join(source.split(mark)[:3]))


@lru_cache(maxsize=1 << 14)
def far(source: str) -> int:
    """The wider network of an address as a number: /16 of IPv4, which is even, or /32 of IPv6, which is odd.

    Exits of one provider mostly share it; and who has an address of either family at one place is not at two.
    """
    mark = ":" if ":" in source else "."
    return number("far " + mark.join(source.split(mark)[:2])) & ~1 | (mark == ":")


class Hands:
    """In which minutes each token was used at familiar places, and at strange ones by their wider network."""

    __slots__ = ("familiar", "shown", "strange")

    familiar: Sightings
    strange: dict[int, Sightings]
    shown: Extent | None

    def __init__(self) -> None:
        self.familiar = Sightings()
        self.strange = {}
        self.shown = None

    def home(self, token: str, minute: int) -> int:
        """Note the use of a token at a familiar place; its number where that may tell something, else 0."""
        key = number(token)
        return key if self.familiar.add(key, minute) and key in self.strange else 0

    def abroad(self, event: AuditEvent, minute: int) -> int:
        """Note the use of an event's token at a strange place; its number where that may tell something, else 0."""
        key = number(event.token or "")
        places = self.strange.get(key)
        if places is None:
            places = self.strange[key] = Sightings()
        new = places.add(far(event.source_ip or ""), minute)
        if len(self.strange) > TOKENS:
            del self.strange[max(self.strange)]
        if not new:
            return 0
        if self.shown is None:
            self.shown = Extent()
        self.shown.add(event)
        return key if key in self.familiar.keys and key in self.strange else 0

    def forget(self, clock: float) -> bool:
        """Drop what is no longer held; whether anything is left."""
        before = int(clock) // MINUTE - HELD
        self.familiar.forget(before)
        for key in list(self.strange):
            self.strange[key].forget(before)
            if not self.strange[key]:
                del self.strange[key]
        if not self.strange:
            self.shown = None
        return bool(self.familiar or self.strange)


def shared(detector: Detector[Any], hands: Hands, entity: Entity, key: int, minute: int) -> Sequence[Finding]:
    """The hours containing a minute in which a token went back and forth between familiar and strange places."""
    here, there = hands.familiar.keys[key], hands.strange[key].keys
    strange = Minutes()
    for minutes in there.values():
        strange.update(minutes)
    if here.last < strange.base - WINDOW or strange.last < here.base - WINDOW:
        return NOTHING
    found: list[Finding] = []
    for end in sorted({*here.listed(), *strange.listed()}):
        if not minute <= end < minute + WINDOW:
            continue
        first = end - WINDOW + 1
        home = here.span(first, end)
        if home is None:
            continue
        turns, sides = changes((here, strange), first, end), 1
        for family in (0, 1):
            # A token begins with its owner: where exits that just became familiar still count as strange, nobody is.
            seen = [there[net] for net in sorted(there) if net & 1 == family and there[net].within(home[0], end)]
            if len(seen) >= SIDES and (more := changes((here, *seen), home[0], end)) > turns:
                turns, sides = more, len(seen)
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
                observed=f"{plural(turns, 'change')} between where this caller works and "
                f"{'where it never did' if sides == 1 else plural(sides, 'network') + ' where it never did'}, by one "
                "token within 1 hour",
                expected=f"fewer than {TURNS * 4**level}: who moves on does not keep coming back",
                why="A token that is used in turn at a familiar and at strange places was copied.",
                shown=Evidence([] if hands.shown is None else [hands.shown]),
                confidence=0.7,
            )
            for level in range(level_of(turns, TURNS) + 1)
        ]
    return found


def changes(places: Sequence[Minutes], first: int, last: int) -> int:
    """The most changes of place that the uses within some minutes allow; more uses never make them fewer."""
    seen: dict[int, list[int]] = {}
    for place, minutes in enumerate(places):
        for minute in minutes.listed():
            if first <= minute <= last:
                seen.setdefault(minute, []).append(place)
    turns, at = -1, -1
    for _, those in sorted(seen.items()):
        if len(those) > 1:
            # Within a minute the order is not known: from wherever the token was over to the others and back.
            turns += len(those)
        elif those[0] != at:
            turns += 1
            at = those[0]
    return max(turns, 0)
