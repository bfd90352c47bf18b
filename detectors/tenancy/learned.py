"""Ownership without configuration: an object, or a branch of a server's objects, that only one tenant ever used."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from detectors.base import NOTHING, Detector, Entity
from detectors.parts.extent import Evidence, Extent
from detectors.parts.keyed import number
from detectors.telling import plural, tell
from detectors.tenancy.claim import MANY, Claim, note
from detectors.tenancy.foreign import DAY, caller, handed_out
from stream.facts import PUBLIC, Facts
from stream.finding import Finding, Severity
from tocsin_audit.event import AuditEvent

OBJECT: Final = 60
BRANCH: Final = 70
TRUSTED: Final = 5
"""Levels of findings by learned ownership, apart from those by known owners; `TRUSTED` is added once it is old."""


def learnable(event: AuditEvent, facts: Facts) -> bool:
    """Whether an event says something about an owner that nobody named."""
    return event.tenant is not None and event.kind == "request" and handed_out(event) and not facts.owners(event)


def visiting(owner: str | None, event: AuditEvent, facts: Facts) -> bool:
    """Whether a use is by one with leave to touch other tenants' things, so that it teaches nothing of their owners."""
    return owner != event.tenant and facts.visitor(event)


def by_leave(use: list[Any], owner: str, facts: Facts) -> bool:
    """Whether a grant covered a use."""
    _, tenant, field, name, server, _, extent = use
    event = AuditEvent(time=extent.last, server=server, tenant=tenant, **{field: name})
    return facts.grant(event, owner) is not None


class Uses:
    """Who used what on one day, while it is not known whose it is: the few with the smallest numbers.

    Kept where a claim is not known, so that a partial state can be judged by the claim of the state it is merged into.
    """

    LIMIT: ClassVar[int] = 512

    __slots__ = ("uses",)

    def __init__(self) -> None:
        self.uses: dict[int, list[Any]] = {}

    def add(self, thing: str, event: AuditEvent) -> None:
        """Note a use of a thing."""
        names = caller(event)
        if names is None:
            return
        ((field, name),) = names.items()
        key = number(f"{thing}|{event.tenant}|{field}|{name}|{event.target}")
        use = self.uses.get(key)
        if use is None:
            if len(self.uses) >= self.LIMIT:
                return
            use = self.uses[key] = [thing, event.tenant, field, name, event.server, event.target, Extent()]
        use[6].add(event)

    def update(self, other: "Uses") -> None:
        """Fold in another day's uses."""
        for key, use in other.uses.items():
            mine = self.uses.get(key)
            if mine is None:
                if len(self.uses) >= self.LIMIT:
                    continue
                mine = self.uses[key] = [*use[:6], Extent()]
            mine[6].update(use[6])

    def pack(self) -> Any:
        """The uses in order."""
        return [[key, *use[:6], use[6].pack()] for key, use in sorted(self.uses.items())]

    @classmethod
    def unpack(cls, packed: Any) -> "Uses":
        """The part that `pack` wrote."""
        made = cls()
        made.uses = {key: [*use, Extent.unpack(extent)] for key, *use, extent in packed}
        return made


def use_of(event: AuditEvent, thing: str) -> list[Any] | None:
    """One event as a use."""
    one = Uses()
    one.add(thing, event)
    return next(iter(one.uses.values()), None)


class Owned:
    """What is kept of one object: its claim, how often each tenant used it on the open days, and who did."""

    claim: Claim
    days: dict[int, dict[str, int]]
    uses: dict[int, Uses]

    def __init__(self) -> None:
        self.claim = Claim()
        self.days = {}
        self.uses = {}


class ObjectView:
    """The decision about one object whose owner nobody named."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        # Among many objects some were used by one tenant alone by chance: an object by itself wakes nobody.
        self._judge = ClaimView(
            detector,
            parameters,
            OBJECT,
            least=int(parameters["learned_uses"]),
            days=int(parameters["learned_uses"]) // 2,
            severity="medium",
        )

    def step(self, state: Owned, entity: Entity, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        tenant = event.tenant
        if tenant is None or not learnable(event, facts):
            return NOTHING
        claim = state.claim
        owner = claim.at(event.time)
        day = int(event.time) // DAY
        if not visiting(owner, event, facts):
            held = state.days.get(day)
            if held is None:
                held = state.days[day] = {}
            note(held, tenant)
        if claim.owner is None:
            uses = state.uses.get(day)
            if uses is None:
                uses = state.uses[day] = Uses()
            uses.add(entity.names["target"], event)
            return NOTHING
        if owner in (None, tenant, MANY):
            return NOTHING
        return self._judge(claim, use_of(event, entity.names["target"]), facts)

    def merge(self, state: Owned, partial: Owned, facts: Facts) -> Sequence[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        for day, tenants in partial.days.items():
            held = state.days.setdefault(day, {})
            for tenant, uses in tenants.items():
                note(held, tenant, uses)
        for day, other in sorted(partial.uses.items()):
            if state.claim.owner is None:
                mine = state.uses.get(day)
                if mine is None:
                    mine = state.uses[day] = Uses()
                mine.update(other)
            else:
                for _, use in sorted(other.uses.items()):
                    found += self._judge(state.claim, use, facts)
        return found

    def settle(self, state: Owned, end: int) -> None:
        """Learn from a day."""
        for day in sorted(one for one in state.days if one < end // DAY):
            state.claim.settle((day + 1) * DAY, state.days.pop(day))
            state.uses.pop(day, None)


class ClaimView:
    """The decision whether a use by a stranger is told, and how much it is trusted."""

    def __init__(
        self,
        detector: Detector[Any],
        parameters: Mapping[str, float],
        shift: int,
        *,
        least: int,
        days: int,
        severity: Severity,
    ) -> None:
        self._detector = detector
        self._age = int(parameters["learned_days"])
        self._least = least
        self._shift = shift
        self._days = days
        self._severity: Severity = severity

    def __call__(self, claim: Claim, use: list[Any] | None, facts: Facts) -> list[Finding]:
        """The finding that a caller was given what by its use belongs to another tenant."""
        if use is None:
            return []
        thing, tenant, field, name, server, target, extent = use
        owner = claim.at(extent.last)
        uses, days = claim.counts(extent.last)
        if owner is None or owner in (tenant, MANY, PUBLIC) or uses < self._least or days < self._days:
            return []
        if by_leave(use, owner, facts):
            return []
        known = int(extent.last) // DAY - claim.first
        trusted = known >= self._age
        return [
            tell(
                self._detector,
                "cross_tenant_read",
                {field: name, "server": server, "resource_tenants": owner},
                tenant=tenant,
                severity=self._severity if trusted else "notice",
                at=extent.last,
                window=DAY,
                level=self._shift + (TRUSTED if trusted else 0),
                title=f"What only tenant {owner} used was handed to a caller of {tenant}",
                observed=f"{name} was given {target} by {server}",
                expected=f"{thing} was used by nobody but {owner} for {plural(known, 'day')} "
                f"({plural(uses, 'use')} on {plural(days, 'day')})",
                why="Nobody named the owner; by its use it belongs to one tenant. Name owners in the directory to be "
                "sure." + ("" if trusted else f" Notices only until it is known for {self._age} days."),
                shown=Evidence([extent]),
                confidence=round(1.0 - 1.0 / (2.0 + uses / 4.0 + days), 2),
                facts={"tenant": (owner,), "target": (target,) if target else ()},
            )
        ]
