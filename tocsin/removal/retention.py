"""Which data are due to go: days by class and tenant, against the day on which something was received."""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from tocsin.config.retention import Days, Retention

DAY: Final = 86_400.0

Kind = Literal["events", "findings", "incidents", "decisions", "evidence"]
KINDS: Final[tuple[Kind, ...]] = ("events", "findings", "incidents", "decisions", "evidence")


class Due(NamedTuple):
    """Whose data of one age are due: everybody's but for tenants with days of their own, and those tenants."""

    others: bool
    tenants: tuple[tuple[str, bool], ...] = ()

    def of(self, tenant: str | None) -> bool:
        """Whether a tenant's are due."""
        return dict(self.tenants).get(tenant or "", self.others)

    @property
    def all(self) -> bool:
        """Whether nobody's are kept."""
        return self.others and all(due for _, due in self.tenants)

    @property
    def any(self) -> bool:
        """Whether somebody's are due."""
        return self.others or any(due for _, due in self.tenants)

    @property
    def why(self) -> str:
        """The reason that stands where they were."""
        if self.all:
            return "retention"
        named = ", ".join(sorted(tenant for tenant, due in self.tenants if due))
        kept = ", ".join(sorted(tenant for tenant, due in self.tenants if not due))
        return f"retention of all but {kept}" if self.others else f"retention of {named}"


def days_of(policy: Retention, kind: Kind, tenant: str | None) -> int | None:
    """For how many days a tenant's data of a kind are kept; None for good."""
    own: Days | None = policy.tenants.get(tenant or "")
    said = getattr(own, kind) if own is not None else None
    found: int | None = said if said is not None else getattr(policy, kind)
    return found


def due(policy: Retention, kind: Kind, until: float, now: float) -> Due:
    """Whose data are due that were received before a moment, all times in seconds since the epoch."""

    def over(days: int | None) -> bool:
        return days is not None and until + days * DAY <= now

    named = {tenant: over(days_of(policy, kind, tenant)) for tenant in policy.tenants}
    others = over(getattr(policy, kind))
    return Due(others, tuple(sorted((tenant, due) for tenant, due in named.items() if due != others)))


def cutoff(policy: Retention, kind: Kind, now: float) -> float | None:
    """Before which moment everything of a kind is due, whoever it is of; None where something is kept for good."""
    days = [getattr(policy, kind), *(days_of(policy, kind, tenant) for tenant in policy.tenants)]
    return None if None in days else now - max(days) * DAY


def removes_anything(policy: Retention) -> bool:
    """Whether a policy ever lets something go."""
    said: Iterable[Days] = (policy, *policy.tenants.values())
    return any(getattr(one, kind) is not None for one in said for kind in KINDS)
