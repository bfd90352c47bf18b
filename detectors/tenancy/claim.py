"""A claim: which tenant has a thing to itself, learned day by day, and unlearned when it changes hands."""

from collections.abc import Mapping
from typing import Any, Final

from detectors.parts.frozen import AHEAD

DAY: Final = 86_400
MANY: Final = "*"
"""In place of a tenant: several use it, nobody owns it."""
TENANTS: Final = 8
"""Tenants of one day that are told apart."""
SHARE: Final = 0.8
"""The share of a day's uses that makes a thing one tenant's: what others do now and then is what is looked for."""
RIVAL_DAYS: Final = 3
"""Days on which another tenant must use a thing before it changes hands or is shared."""
ALONE_DAYS: Final = 7
"""Days on which a shared thing must be used by one tenant alone before it counts as its own."""


def _main(tenants: Mapping[str, int]) -> str | None:
    """The tenant that used a thing nearly alone, None where several did."""
    most = min(tenants, key=lambda tenant: (-tenants[tenant], tenant))
    return most if tenants[most] >= SHARE * sum(tenants.values()) else None


def note(day: dict[str, int], tenant: str, uses: int = 1) -> None:
    """Count a use of a day: up to eight tenants, those with the smallest names."""
    day[tenant] = day.get(tenant, 0) + uses
    while len(day) > TENANTS:
        del day[max(day)]


class Claim:
    """Which tenant uses a thing, since when, on how many days, and who else does.

    `owner` counts from `since` on and `before` until then, `uses` and `days` from `fresh` on and `former` until then,
    so that every order of arrival sees the same.
    """

    __slots__ = (
        "before",
        "days",
        "first",
        "former",
        "fresh",
        "last",
        "owner",
        "rival",
        "rival_days",
        "since",
        "uses",
    )

    def __init__(self) -> None:
        self.owner: str | None = None
        self.since = 0.0
        self.before: str | None = None
        self.first = 0
        self.last = 0
        self.days = 0
        self.uses = 0
        self.former = (0, 0)
        self.fresh = 0.0
        self.rival: str | None = None
        self.rival_days = 0

    def at(self, time: float) -> str | None:
        """The owner that counts at an event time."""
        return self.owner if time >= self.since else self.before

    def counts(self, time: float) -> tuple[int, int]:
        """The uses by the owner and the days with such that count at an event time."""
        return (self.uses, self.days) if time >= self.fresh else self.former

    def settle(self, end: int, tenants: Mapping[str, int]) -> None:
        """Learn from the tenants that used it on a day, with how often; the same day is learned once."""
        day = end // DAY - 1
        if not tenants or day <= self.last:
            return
        self.last = day
        self.former = (self.uses, self.days)
        self.fresh = end + AHEAD
        main = _main(tenants)
        if self.owner is None:
            self._change(main or MANY, end)
            self.first = day
        if self.owner == MANY:
            self._alone(main, end, day, tenants)
            return
        mine = tenants.get(self.owner or "", 0)
        self.uses += mine
        self.days += mine > 0
        if main == self.owner:
            return
        # The first to touch a thing must not own it against all who come in its first days.
        self._rival(main, end, day, tenants, least=1 if self.days < RIVAL_DAYS else RIVAL_DAYS)

    def _rival(self, main: str | None, end: int, day: int, tenants: Mapping[str, int], *, least: int) -> None:
        """Others used it as much: after some such days it has changed hands, or nobody owns it."""
        self.rival_days = self.rival_days + 1 if (main or MANY) == self.rival else 1
        self.rival = main or MANY
        if self.rival_days < least:
            return
        if main is None or least == 1:
            self._change(MANY, end)
        else:
            self._change(main, end)
            self.first, self.days, self.uses = day, 1, tenants[main]

    def _alone(self, main: str | None, end: int, day: int, tenants: Mapping[str, int]) -> None:
        """A shared thing that one tenant has had to itself on a week of days belongs to it after all."""
        self.rival_days = self.rival_days + 1 if main is not None and main == self.rival else 1
        self.rival = main
        if main is not None and self.rival_days >= ALONE_DAYS:
            self._change(main, end)
            self.first, self.days, self.uses = day, 1, tenants[main]

    def _change(self, owner: str, end: int) -> None:
        self.before = self.owner
        self.owner = owner
        self.since = end + AHEAD
        self.rival, self.rival_days = None, 0

    def pack(self) -> Any:
        """The attributes in a fixed order."""
        return [
            self.owner,
            self.since,
            self.before,
            self.first,
            self.last,
            self.days,
            self.uses,
            self.rival,
            self.rival_days,
            self.former,
            self.fresh,
        ]

    @classmethod
    def unpack(cls, packed: Any) -> "Claim":
        """The part that `pack` wrote."""
        made = cls()
        (
            made.owner,
            made.since,
            made.before,
            made.first,
            made.last,
            made.days,
            made.uses,
            made.rival,
            made.rival_days,
            former,
            made.fresh,
        ) = packed
        made.former = (former[0], former[1])
        return made
