"""Branches of a server's objects (`crm://acme/`): where siblings have different owners, a new object has one."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from detectors.base import NOTHING, Detector
from detectors.parts.frozen import AHEAD
from detectors.parts.keyed import number
from detectors.tenancy.claim import MANY, Claim, note
from detectors.tenancy.foreign import DAY
from detectors.tenancy.learned import BRANCH, ClaimView, Uses, by_leave, learnable, use_of, visiting
from stream.facts import Facts
from stream.finding import Finding
from tocsin_audit.event import AuditEvent

DEPTH: Final = 3
LIMIT: Final = 1024
"""Branches of one server that are kept: the shallow ones before the deep, of one depth those with small numbers."""
WIDTH: Final = 200


def branches(target: str) -> list[str]:
    """The branches that a URI lies on, from the root, three at most; none where it has no path."""
    scheme, mark, rest = target[:WIDTH].partition("://")
    if not mark:
        return []
    path = rest.split("?", 1)[0].split("#", 1)[0]
    parts = path.split("/")[:-1]
    return [f"{scheme}://{'/'.join(parts[: depth + 1])}/" for depth in range(min(len(parts), DEPTH))]


def parent(branch: str) -> str:
    """The branch above one; the scheme above the first."""
    cut = branch.rstrip("/").rfind("/")
    return branch[: cut + 1]


GUEST_DAYS: Final = 3
"""Days on which a tenant must use one object of another before that is known and told no more."""
CLAIM_TERM: Final = 60
"""Days after which a branch that nobody used is forgotten."""
GUEST_TERM: Final = 30
"""Days after which a guest that did not come is forgotten."""


class Guest:
    """On how many days a tenant used an object of another, on which last, and from when on it is known to."""

    days: int
    last: int
    since: float

    def __init__(self, day: int) -> None:
        self.days = 1
        self.last = day
        self.since = float("inf")


class Branches:
    """What is kept of a server's branches: claims, which of them divide tenants since when, and the open days.

    `guests` are the tenants known to use single objects of others, and `visits` the uses of such on open days.
    """

    claims: dict[str, Claim]
    divided: dict[str, float]
    days: dict[int, dict[str, dict[str, int]]]
    uses: dict[int, Uses]
    guests: dict[int, Guest]
    visits: dict[int, set[int]]

    # The last branch that has a place on a full day; only saves work, and is not packed.
    worst = -1
    full = -1

    def __init__(self) -> None:
        self.guests = {}
        self.visits = {}
        self.claims = {}
        self.divided = {}
        self.days = {}
        self.uses = {}

    def note(self, day: int, branch: str, tenant: str, uses: int) -> None:
        """Count a use of a branch on a day, unless the day is full of branches that come before it."""
        held = self.days.get(day)
        if held is None:
            held = self.days[day] = {}
        tenants = held.get(branch)
        if tenants is None:
            if len(held) >= LIMIT:
                rank = _rank(branch)
                if self.full == day and rank >= self.worst:
                    return
                last = max(held, key=_rank)
                self.full, self.worst = day, _rank(last)
                if rank >= self.worst:
                    return
                del held[last]
                self.full = -1
            tenants = held[branch] = {}
        note(tenants, tenant, uses)


def _rank(branch: str) -> int:
    return branch.count("/") << 32 | number(branch)


class BranchView:
    """The decision about an object by the branch it lies on."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._judge = ClaimView(
            detector, parameters, BRANCH, least=int(parameters["branch_uses"]), days=2, severity="high"
        )

    def step(self, state: Branches, event: AuditEvent, facts: Facts) -> Sequence[Finding]:
        """Fold one event."""
        tenant = event.tenant
        if tenant is None or event.target is None or not learnable(event, facts):
            return NOTHING
        listed = branches(event.target)
        if not listed:
            return NOTHING
        day = int(event.time) // DAY
        found: list[Finding] = []
        for branch in listed:
            claim = state.claims.get(branch)
            owner = claim.at(event.time) if claim is not None else None
            if not visiting(owner, event, facts):
                state.note(day, branch, tenant, 1)
            if claim is None:
                uses = state.uses.get(day)
                if uses is None:
                    uses = state.uses[day] = Uses()
                uses.add(branch, event)
            elif owner not in (None, tenant, MANY):
                found += self._visited(state, claim, use_of(event, branch), facts)
        return found

    def merge(self, state: Branches, partial: Branches, facts: Facts) -> list[Finding]:
        """Fold a partial state."""
        found: list[Finding] = []
        for day, others in partial.days.items():
            for branch, tenants in others.items():
                for tenant, count in tenants.items():
                    state.note(day, branch, tenant, count)
        for day, other in sorted(partial.uses.items()):
            mine = state.uses.get(day)
            if mine is None:
                mine = state.uses[day] = Uses()
            mine.update(other)
            for _, use in sorted(other.uses.items()):
                claim = state.claims.get(use[0])
                if claim is not None:
                    found += self._visited(state, claim, use, facts)
        for day, visits in partial.visits.items():
            state.visits.setdefault(day, set()).update(visits)
        return found

    def settle(self, state: Branches, end: int) -> None:
        """Learn from a day: who uses which branch, and below which branch tenants are kept apart."""
        for day in sorted(one for one in state.days if one < end // DAY):
            closed = (day + 1) * DAY
            for branch, tenants in sorted(state.days.pop(day).items()):
                claim = state.claims.get(branch)
                if claim is None:
                    claim = state.claims[branch] = Claim()
                claim.settle(closed, tenants)
            self._prune(state, day)
            state.uses.pop(day, None)
            self._welcome(state, day, closed)
            self._divide(state, closed)

    def _prune(self, state: Branches, day: int) -> None:
        """Forget branches that nobody uses any more, and those beyond the limit."""
        kept = [branch for branch, claim in state.claims.items() if claim.last >= day - CLAIM_TERM]
        kept = sorted(kept, key=_rank)[:LIMIT]
        state.claims = {branch: state.claims[branch] for branch in kept}

    def _welcome(self, state: Branches, day: int, end: int) -> None:
        """Get to know the guests of a day, forget those who stayed away."""
        for key in sorted(state.visits.pop(day, ())):
            guest = state.guests.get(key)
            if guest is None:
                if len(state.guests) < LIMIT:
                    state.guests[key] = Guest(day)
                continue
            guest.days += 1
            guest.last = day
            if guest.days == GUEST_DAYS:
                guest.since = end + AHEAD
        for key in [key for key, guest in state.guests.items() if guest.last < day - GUEST_TERM]:
            del state.guests[key]

    def _divide(self, state: Branches, end: int) -> None:
        owners: dict[str, set[str]] = {}
        shared: dict[str, int] = {}
        owned: dict[str, int] = {}
        for branch, claim in state.claims.items():
            above = parent(branch)
            if claim.owner == MANY:
                shared[above] = shared.get(above, 0) + 1
            elif claim.owner is not None and claim.days > 1:
                owned[above] = owned.get(above, 0) + 1
                owners.setdefault(above, set()).add(claim.owner)
        for above in sorted(state.claims.keys() | owners.keys()):
            divides = len(owners.get(above, ())) > 1 and owned[above] > 2 * shared.get(above, 0)
            if divides:
                state.divided.setdefault(above, end + AHEAD)
            else:
                state.divided.pop(above, None)

    def _visited(self, state: Branches, claim: Claim, use: list[Any] | None, facts: Facts) -> list[Finding]:
        """Only where siblings belong to different tenants does a branch say whose its objects are."""
        if use is None:
            return []
        last = use[6].last
        owner = claim.at(last)
        if owner is None or owner in (use[1], MANY) or by_leave(use, owner, facts):
            return []
        key = number(f"{use[1]}|{use[5]}")
        visits = state.visits.setdefault(int(last) // DAY, set())
        if len(visits) < LIMIT:
            visits.add(key)
        guest = state.guests.get(key)
        if last < state.divided.get(parent(use[0]), float("inf")) or (guest is not None and last >= guest.since):
            return []
        return self._judge(claim, use, facts)
