"""Warm-up: the mode of a finding, by what was seen of its entity, its peers and its tenant (CONTRACTS §3)."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from detectors.base import Cell, Measure, Spec
from detectors.engine.live import WARM_DAYS, WARM_HOURS, WARM_RUNS, Live
from stream.clock import LATENESS
from stream.control import Shed, Warmth
from stream.finding import Class, Finding, Mode

PEERS: Final = 5
"""Peers with a past of their own that stand in for the entity's."""
LEARNED_DAYS: Final = 14
"""Days of a tenant's traffic before what was learned from it is told."""
TENANTS: Final = 100_000
"""Tenants whose first traffic is remembered; what comes after counts from the beginning of the log."""
DAY: Final = 86_400
FOREVER: Final = 1e18
MODES: Final[tuple[Mode, ...]] = ("shadow", "observe", "live")
"""In rising order of what is done about a finding."""
AUTOMATIC: Final = "auto"
"""The mode of a `Warmth` record that takes back what an operator said before."""


class Standing(NamedTuple):
    """The mode that a class's findings about an entity would get, whose word that is, and how far the evidence goes.

    `by` is `facts` (no warm-up), `evidence` or `operator`; any one of the evidence's alternatives suffices, and all
    measures of an alternative must be reached.
    """

    class_: Class
    mode: Mode
    by: str
    evidence: tuple[tuple[Measure, ...], ...] = ()


class Warmup:
    """Evidence for promotion, from closed state alone, and what the operator said instead.

    `warm` counts the principals that were found to have a past of their own, `shed` has the detectors that are shown
    nothing now.
    """

    def __init__(self) -> None:
        self.warm = 0
        self.shed: frozenset[str] = frozenset()
        self._blind: dict[str, tuple[float, float]] = {}
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
        if live.warm():
            self.warm += live.entity.kind == "principal"
            if live.peers:
                self._warm_peers[live.peers] = self._warm_peers.get(live.peers, 0) + 1

    def arrived(self, tenant: str | None, clock: float) -> None:
        """An event of a tenant was folded."""
        if not self._begin:
            self._begin = clock
        if tenant is not None and tenant not in self._since and len(self._since) < TENANTS:
            self._since[tenant] = clock

    def first_seen(self) -> tuple[float, Mapping[str, float]]:
        """When the first event came (0 before it), and by tenant the first of its own, in seconds since the epoch."""
        return self._begin, self._since

    def seen_elsewhere(self, begin: float, since: Mapping[str, float]) -> None:
        """Other partitions have seen these first; 0 where none has seen anything."""
        if begin:
            self._begin = min(self._begin or begin, begin)
        for tenant, moment in since.items():
            self._since[tenant] = min(self._since.get(tenant, moment), moment)

    def peers(self) -> Mapping[int, int]:
        """By the id of a peer group, how many of its members have a past of their own."""
        return self._warm_peers

    def count_peers(self, counts: Mapping[int, int]) -> None:
        """So many members of these groups have a past of their own, over all partitions."""
        self._warm_peers.update(counts)

    def leave_out(self, record: Shed, clock: float) -> None:
        """From a moment of the clock on these detectors are shown nothing, and those that are not named all again."""
        named = frozenset(record.detectors)
        for name in sorted(named - self.shed):
            since, until = self._blind.get(name, (clock, clock))
            # Stretches that lie close together are one, so that there is one to remember.
            self._blind[name] = (since if clock - until < DAY else clock, FOREVER)
        for name in sorted(self.shed - named):
            self._blind[name] = self._blind[name][0], clock
        self.shed = named

    def obey(self, record: Warmth) -> None:
        """The operator gave a detector, a tenant, both or everything a mode; `auto` for everything takes all back."""
        place = (record.detector, record.tenant)
        if record.mode in MODES:
            self._said[place] = record.mode
        elif record.mode == AUTOMATIC and place == (None, None):
            self._said.clear()
        elif record.mode == AUTOMATIC:
            self._said.pop(place, None)

    def blind(self, name: str, cell: Cell) -> bool:
        """Whether a detector was shown only some of a cell."""
        since, until = self._blind.get(name, (0.0, 0.0))
        return since < cell.end + LATENESS and cell.start < until

    def mode(self, spec: Spec, finding: Finding, live: Live, clock: float, *, imported: bool) -> Mode:
        """The mode of a finding; one about imported history is observed at most."""
        mode = self._given(spec.name, finding.tenant)
        if mode is None:
            earned = any(map(_reached, self._evidence(spec, finding.class_, finding.tenant, live, clock)))
            mode = "live" if earned else "shadow"
        return "observe" if imported and mode == "live" else mode

    def standing(self, spec: Spec, class_: Class, tenant: str | None, live: Live, clock: float) -> Standing:
        """The mode that a finding of a class would have now, and what is missing until its promotion."""
        evidence = self._evidence(spec, class_, tenant, live, clock)
        given = self._given(spec.name, tenant)
        if given is not None:
            return Standing(class_, given, "operator", evidence)
        if evidence == _NEEDLESS:
            return Standing(class_, "live", "facts")
        return Standing(class_, "live" if any(map(_reached, evidence)) else "shadow", "evidence", evidence)

    def said(self) -> list[Warmth]:
        """The modes that the operator gave, in a stable order."""
        places = sorted(self._said, key=lambda place: (place[0] or "", place[1] or ""))
        return [Warmth(self._said[place], *place) for place in places]

    def since(self, clock: float) -> dict[str, float]:
        """By tenant, the days of traffic that stand behind what is learned of it."""
        return {tenant: max(0.0, clock - since) / DAY for tenant, since in list(self._since.items())}

    def groups(self) -> int:
        """Peer groups with members enough to stand in for a newcomer's own past."""
        return sum(count >= PEERS for count in list(self._warm_peers.values()))

    def pack(self) -> list[Any]:
        """What a snapshot keeps."""
        said = [[detector, tenant, mode] for (detector, tenant), mode in self._said.items()]
        groups = [[*pair] for pair in self._warm_peers.items()]
        return [self._begin, self._since, groups, said, self.warm, sorted(self.shed), self._blind]

    def unpack(self, value: list[Any]) -> None:
        """Become what a snapshot kept."""
        self._begin, self._since = value[0], value[1]
        self._warm_peers = dict(value[2])
        self._said = {(detector, tenant): mode for detector, tenant, mode in value[3]}
        self.warm = value[4]
        self.shed = frozenset(value[5])
        self._blind = {name: (since, until) for name, (since, until) in value[6].items()}

    def _given(self, detector: str, tenant: str | None) -> Mode | None:
        if not self._said:
            return None
        for place in ((detector, tenant), (detector, None), (None, tenant), (None, None)):
            if (mode := self._said.get(place)) is not None:
                return mode
        return None

    def _evidence(
        self, spec: Spec, class_: Class, tenant: str | None, live: Live, clock: float
    ) -> tuple[tuple[Measure, ...], ...]:
        """The alternatives, any of which suffices; one that asks for nothing where a class needs no warm-up."""
        needs = spec.warm_up.get(class_, "facts")
        if needs == "volume":
            return (
                (
                    Measure("active hours of its own", live.hours, WARM_HOURS, "hours"),
                    Measure("days with such hours", live.days, WARM_DAYS, "days"),
                ),
                (Measure("active days of its own", live.days, WARM_RUNS, "days"),),
                (Measure("peers with such a past", self._warm_peers.get(live.peers, 0), PEERS, "peers"),),
            )
        if needs == "learned":
            since = self._since.get(tenant or "", self._begin or clock)
            return ((Measure("days of the tenant's traffic", (clock - since) / DAY, LEARNED_DAYS, "days"),),)
        return _NEEDLESS


_NEEDLESS: Final[tuple[tuple[Measure, ...], ...]] = ((),)


def _reached(measures: tuple[Measure, ...]) -> bool:
    return all(measure.bound is None or measure.observed >= measure.bound for measure in measures)
