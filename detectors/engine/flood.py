"""The cap of a kind: a flood of new keys fills one shared entity, never the places of those already known."""

from typing import Any, Final

TENANT_SHARE: Final = 8
"""At the cap, a tenant that brought more than one eighth of it in new keys lately is flooding."""
PRODUCER_SHARE: Final = 2
"""The same for a producer, which speaks for many tenants: one half."""
RESERVE: Final = 4
"""What others may still add above the cap: one quarter of it."""
OWNERS: Final = 10_000
"""Tenants and producers that are told apart in a day; after that a producer counts as its collector key."""
DAY: Final = 86_400


Owner = tuple[str, str]


class Flood:
    """Who brought how many new keys of one kind, today and yesterday by the log's clock."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._day = 0
        self._now: dict[Owner, int] = {}
        self._before: dict[Owner, int] = {}

    def overflow(self, known: int, tenant: str | None, source: str, producer: str | None) -> Owner | None:
        """The flooding `tenant` or `producer` whose shared entity a new key goes to; None where it gets its own.

        `known` is how many entities of the kind there are.
        """
        if known < self._cap:
            return None
        if tenant is not None and self._brought(("tenant", tenant)) > self._cap // TENANT_SHARE:
            return ("tenant", tenant)
        owner = self._producer(source, producer)
        if self._brought(owner) > self._cap // PRODUCER_SHARE or known >= self._cap + self._cap // RESERVE:
            return owner
        return None

    def note(self, tenant: str | None, source: str, producer: str | None, clock: float) -> None:
        """A new key got an entity of its own."""
        day = int(clock) // DAY
        if day != self._day:
            self._before = self._now if day == self._day + 1 else {}
            self._now = {}
            self._day = day
        now = self._now
        if tenant is not None and (("tenant", tenant) in now or len(now) < OWNERS):
            now[("tenant", tenant)] = now.get(("tenant", tenant), 0) + 1
        owner = self._producer(source, producer)
        now[owner] = now.get(owner, 0) + 1

    def pack(self) -> list[Any]:
        """What a snapshot keeps."""
        return [
            self._day,
            [[*owner, brought] for owner, brought in self._now.items()],
            [[*owner, brought] for owner, brought in self._before.items()],
        ]

    def unpack(self, value: list[Any]) -> None:
        """Become what a snapshot kept."""
        self._day = value[0]
        self._now, self._before = ({(field, name): brought for field, name, brought in counts} for counts in value[1:])

    def _producer(self, source: str, producer: str | None) -> Owner:
        owner = ("producer", f"{source}/{producer or ''}")
        if owner in self._now or len(self._now) < OWNERS:
            return owner
        return ("producer", source)

    def _brought(self, owner: Owner) -> int:
        return self._now.get(owner, 0) + self._before.get(owner, 0)
