"""Warm-up: the mode of a finding, by what was seen of its entity, its peers and its tenant (CONTRACTS §3)."""

from typing import Any, Final

from detectors.base import Spec
from detectors.live import Live
from stream.control import Warmth
from stream.finding import Finding, Mode

PEERS: Final = 5
"""Peers with a past of their own that stand in for the entity's."""
LEARNED_DAYS: Final = 14
"""Days of a tenant's traffic before what was learned from it is told."""
TENANTS: Final = 100_000
"""Tenants whose first traffic is remembered; what comes after counts from the beginning of the log."""
DAY: Final = 86_400
MODES: Final[tuple[Mode, ...]] = ("shadow", "observe", "live")
"""In rising order of what is done about a finding."""
AUTOMATIC: Final = "auto"
"""The mode of a `Warmth` record that takes back what an operator said before."""


class Warmup:
    """Evidence for promotion, from closed state alone, and what the operator said instead."""

    def __init__(self) -> None:
        self._warm_peers: dict[int, int] = {}
        self._since: dict[str, float] = {}
        self._begin = 0.0
        self._said: dict[tuple[str | None, str | None], Mode] = {}

    def hour(self, live: Live, start: int) -> None:
        """An hour in which the entity was active has closed."""
        if live.warm():
            return
        live.hours += 1
        day = start // DAY
        if day != live.day:
            live.day = day
            live.days += 1
        if live.warm() and live.peers:
            self._warm_peers[live.peers] = self._warm_peers.get(live.peers, 0) + 1

    def arrived(self, tenant: str | None, clock: float) -> None:
        """An event of a tenant was folded."""
        if not self._begin:
            self._begin = clock
        if tenant is not None and tenant not in self._since and len(self._since) < TENANTS:
            self._since[tenant] = clock

    def obey(self, record: Warmth) -> None:
        """The operator gave a detector, a tenant, both or everything a mode."""
        place = (record.detector, record.tenant)
        if record.mode in MODES:
            self._said[place] = record.mode
        elif record.mode == AUTOMATIC:
            self._said.pop(place, None)

    def mode(self, spec: Spec, finding: Finding, live: Live, clock: float, *, imported: bool) -> Mode:
        """The mode of a finding; one about imported history is observed at most."""
        mode = self._given(spec.name, finding.tenant) or self._earned(spec, finding, live, clock)
        return "observe" if imported and mode == "live" else mode

    def pack(self) -> list[Any]:
        """What a snapshot keeps."""
        said = [[detector, tenant, mode] for (detector, tenant), mode in self._said.items()]
        return [self._begin, self._since, [[*pair] for pair in self._warm_peers.items()], said]

    def unpack(self, value: list[Any]) -> None:
        """Become what a snapshot kept."""
        self._begin, self._since = value[0], value[1]
        self._warm_peers = dict(value[2])
        self._said = {(detector, tenant): mode for detector, tenant, mode in value[3]}

    def _given(self, detector: str, tenant: str | None) -> Mode | None:
        if not self._said:
            return None
        for place in ((detector, tenant), (detector, None), (None, tenant), (None, None)):
            if (mode := self._said.get(place)) is not None:
                return mode
        return None

    def _earned(self, spec: Spec, finding: Finding, live: Live, clock: float) -> Mode:
        needs = spec.warm_up.get(finding.class_, "facts")
        if needs == "volume":
            return "live" if live.warm() or self._warm_peers.get(live.peers, 0) >= PEERS else "shadow"
        if needs == "learned":
            since = self._since.get(finding.tenant or "", self._begin or clock)
            return "live" if clock - since >= LEARNED_DAYS * DAY else "shadow"
        return "live"
