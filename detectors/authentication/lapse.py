"""Lapsed credentials that are retried mechanically: told to operations, never counted as guesses, never a page."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from detectors.base import Detector, Entity
from detectors.parts.distinct import union
from detectors.parts.extent import Evidence, Extent
from detectors.parts.ring import Ring
from detectors.parts.targets import TargetRing
from detectors.telling import level_of, plural, tell
from stream.finding import Finding

WINDOW: Final = 600
MINUTE: Final = 60
MATTER: Final = "refusals"
LASTS: Final = 3 * WINDOW
"""Seconds from a window's start after which the next ones would have told of it, had it gone on."""
CLIENT: Final = 100
"""Added to the level of a storm over many accounts of one client."""


class Refusals(Ring[Extent]):
    """Refusals by minute, held three hours."""

    kind: ClassVar[Any] = Extent
    __slots__ = ()


def retries(
    detector: Detector[Any], ring: Refusals, entity: Entity, cell: int, bar: int, *, what: str, one: bool = True
) -> Iterable[Finding]:
    """A notice for every window containing a cell in which there were so many refusals.

    With `one`, a single refusal was added, so that only a window that stands exactly at a threshold has passed it now,
    or the one that the first refusal of a minute opened.
    """
    for end in ring.ends(cell, WINDOW // MINUTE):
        cells = ring.window(end, WINDOW // MINUTE)
        count = sum(cell.count for cell in cells)
        top = level_of(count, bar)
        opened = not one or (end == cell and ring.cells[end].count == 1)
        if top < 0 or not (opened or count == bar * 4**top):
            continue
        shown = Evidence(cells)
        for level in range(0 if opened else top, top + 1):
            yield tell(
                detector,
                "retry_storm",
                entity.names,
                tenant=entity.tenant,
                severity="notice",
                at=end * MINUTE,
                window=WINDOW,
                level=level,
                title=f"Refused and retried: {what}",
                observed=f"{plural(count, 'refusal')} within 10 minutes from "
                f"{plural(max(len(shown.sources), 1), 'source')}",
                expected=f"fewer than {bar * 4**level}: a caller should renew its credential after the first refusal",
                why="The same credential again and again is a fault of the caller, not guessing.",
                shown=shown,
                matter=MATTER,
                lasts=LASTS,
            )


def lapses(detector: Detector[Any], ring: TargetRing, entity: Entity, cell: int, bar: int) -> Iterable[Finding]:
    """A notice for every window containing a cell in which so many accounts of one client were refused for expiry."""
    for end in ring.ends(cell, WINDOW // MINUTE):
        cells = ring.window(end, WINDOW // MINUTE)
        count = len(union(one.targets for one in cells))
        for level in range(level_of(count, bar) + 1):
            yield tell(
                detector,
                "retry_storm",
                entity.names,
                tenant=entity.tenant,
                severity="notice",
                at=end * MINUTE,
                window=WINDOW,
                level=level + CLIENT,
                title="Many accounts of one client hold lapsed credentials",
                observed=f"{plural(count, 'account')} refused for expiry or rotation within 10 minutes",
                expected=f"fewer than {bar * 4**level} accounts of one client",
                why="When many accounts of one client lapse together, the client does not renew or a key was rotated.",
                shown=Evidence(one.extent for one in cells),
                matter=MATTER,
                lasts=LASTS,
            )
