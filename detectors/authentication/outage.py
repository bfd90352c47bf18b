"""An outage of authentication: familiar callers refused all at once while hardly anybody is answered."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from detectors.authentication.reasons import PROVIDER, SECRET, reason_of
from detectors.authentication.source import account
from detectors.base import NOTHING, Detector, Entity
from detectors.parts.distinct import Distinct, union
from detectors.parts.extent import Evidence, Extent
from detectors.parts.habit import Habit
from detectors.parts.keyed import number, pair
from detectors.parts.ring import Ring
from detectors.telling import level_of, plural, tell
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

CELL: Final = 300
MINUTE: Final = 60
HOUR: Final = 3_600
WIDTHS: Final = (3, 5, 10)
"""Minutes over which an outage is judged: it begins and ends within minutes in which others, or the same, got through.
"""
FAMILIAR: Final = 0.5
"""The share of the callers refused that must be familiar there: an attack from everywhere is no outage."""


def caller(event: AuditEvent) -> int:
    """Who called from where, as a number; 0 where neither is known."""
    who = event.user or event.client or event.agent or event.token
    source = event.source_ip
    return pair(source, who) if who is not None else number(source) if source is not None else 0


class Refused:
    """The refusals of one cell: how many, of how many accounts, and of whom where."""

    __slots__ = ("accounts", "callers", "extent", "provider")

    def __init__(self) -> None:
        self.extent = Extent()
        self.accounts = Distinct()
        self.provider = Distinct()
        self.callers = Distinct()

    def refuse(self, event: AuditEvent, reason: str) -> None:
        """Count a refusal that is not for a wrong secret."""
        self.extent.add(event)
        who = account(event) or (number(event.token) if event.token is not None else 0)
        if who:
            self.accounts.add(who)
            if reason == PROVIDER:
                self.provider.add(who)
        key = caller(event)
        if key:
            self.callers.add(key)

    def update(self, other: "Refused") -> None:
        """Count all that another counted."""
        self.extent.update(other.extent)
        self.accounts.update(other.accounts)
        self.callers.update(other.callers)
        self.provider.update(other.provider)

    def pack(self) -> Any:
        """The attributes in a fixed order."""
        return [self.extent.pack(), self.accounts.pack(), self.provider.pack(), self.callers.pack()]

    @classmethod
    def unpack(cls, packed: Any) -> "Refused":
        """The part that `pack` wrote."""
        made = cls()
        made.extent = Extent.unpack(packed[0])
        made.accounts, made.provider, made.callers = (Distinct.unpack(keys) for keys in packed[1:])
        return made


class RefusedRing(Ring[Refused]):
    """Refusals by minute, held three hours."""

    kind: ClassVar[Any] = Refused
    __slots__ = ()


class OutageView:
    """The decision about an outage, taken when a cell has closed: that few were answered is only known then."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._detector = detector
        self._callers = int(parameters["outage_callers"])
        self._share = parameters["outage_share"]

    def refuse(self, ring: RefusedRing, event: AuditEvent, clock: float) -> None:
        """Count a refusal, unless it was for a wrong secret, which no outage makes."""
        reason = reason_of(event)
        if reason != SECRET and ring.holds(event.time, clock):
            ring.cell(event.time).refuse(event, reason)

    def settle(
        self,
        ring: RefusedRing,
        answered: Mapping[int, Distinct],
        before: Distinct,
        habit: Habit,
        entity: Entity,
        start: int,
    ) -> Sequence[Finding]:
        """Judge the minutes that end within a cell.

        `answered` are by minute the callers who got through, and `before` those who did within the hour before.
        """
        known = habit.known(float(start))
        known.update(before)
        found: dict[str, Finding] = {}
        for end in range(start // MINUTE, (start + CELL) // MINUTE):
            if end not in ring.cells:
                continue
            for width in WIDTHS:
                cells = ring.window(end, width)
                if 2 * sum(cell.extent.count for cell in cells) < self._callers:
                    continue
                through = len(union(answered[one] for one in range(end - width + 1, end + 1) if one in answered))
                for one in self._judge(cells, through, known, entity, start, width):
                    found.setdefault(one.id, one)
        return list(found.values())

    def _judge(
        self, cells: Sequence[Refused], through: int, known: Distinct, entity: Entity, start: int, width: int
    ) -> Sequence[Finding]:
        callers = union(cell.callers for cell in cells)
        refused = len(callers)
        if not refused or refused < self._share * (refused + through):
            return NOTHING
        strangers = callers.without(known)
        # Half as many are enough where the producer itself says that the provider could not be reached.
        unreachable = len(union(cell.provider for cell in cells))
        top = level_of(2 * unreachable, self._callers)
        count = unreachable
        if known and refused - strangers >= FAMILIAR * refused:
            accounts = len(union(cell.accounts for cell in cells))
            top = max(top, level_of(accounts, self._callers))
            count = max(count, accounts)
        shown = Evidence(cell.extent for cell in cells)
        return [
            tell(
                self._detector,
                "outage",
                entity.names,
                tenant=entity.tenant,
                severity="medium",
                at=start,
                window=HOUR,
                level=level,
                title="Authentication fails for everybody",
                observed=f"{plural(count, 'caller')} refused {plural(shown.count, 'time')} within "
                f"{plural(width, 'minute')} while {plural(through, 'caller')} got through",
                expected=f"fewer than {self._callers * 4**level} familiar callers refused at once, or half as many "
                "for want of the identity provider",
                why="Callers who usually work from these places are refused together: the identity provider, a key "
                "rotation or a release, not somebody guessing.",
                shown=shown,
                confidence=0.8,
                matter="refusals",
                lasts=2 * HOUR,
            )
            for level in range(top + 1)
        ]
