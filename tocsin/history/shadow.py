"""Shadow: what other rules would have made of a log's history, beside what was made of it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

import msgspec

from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Policies
from alerting.incidents.family import family
from stream.finding import SEVERITIES
from stream.frame import Frame
from stream.kafka import KafkaLog
from stream.log import EVENTS, FINDINGS
from stream.memory import MemoryLog
from tocsin.history.backtest import BATCH, Hearing, decider, fold
from tocsin.roles.tasks import tasks_in
from tocsin.setup import Ready

Progress = Callable[[float, str], None]
"""Hears which share is done, and of what."""


class Matter(msgspec.Struct):
    """An incident as one side made it."""

    id: str
    tenant: str | None
    family: str
    entity: dict[str, str]
    classes: list[str] = []
    severity: str = "notice"
    findings: set[str] = set()
    paged: bool = False
    observed: bool = True


class Side(msgspec.Struct):
    """What one side found in the time that is compared."""

    incidents: dict[str, Matter] = {}
    findings: int = 0
    pages: int = 0


class Difference(msgspec.Struct):
    """How the incidents of the shadow differ from those of the live run."""

    since: float
    frames: int
    live: Side
    shadow: Side

    @property
    def new(self) -> list[Matter]:
        """Incidents that the shadow alone has."""
        return [one for id_, one in self.shadow.incidents.items() if id_ not in self.live.incidents]

    @property
    def gone(self) -> list[Matter]:
        """Incidents that the live run alone has."""
        return [one for id_, one in self.live.incidents.items() if id_ not in self.shadow.incidents]

    @property
    def changed(self) -> list[tuple[Matter, Matter]]:
        """Incidents of both, as the live run and as the shadow has them, that differ in findings, severity or pages."""
        both = ((one, self.shadow.incidents.get(id_)) for id_, one in self.live.incidents.items())
        return [(one, other) for one, other in both if other is not None and one != other]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "since": self.since,
            "frames": self.frames,
            **{
                name: {"incidents": len(side.incidents), "findings": side.findings, "pages": side.pages}
                for name, side in (("live", self.live), ("shadow", self.shadow))
            },
            "new": [_shown(one) for one in self.new],
            "gone": [_shown(one) for one in self.gone],
            "changed": [{"live": _shown(one), "shadow": _shown(other)} for one, other in self.changed],
        }


def compare(log: KafkaLog, ready: Ready, since: float, now: float, learn: float, progress: Progress) -> Difference:
    """Fold the events of a log from `learn` seconds before a moment on, and compare from that moment on.

    Both sides are decided by the same policies; nothing is written and nobody is told. Raises StorageError.
    """
    counted = 0

    def history() -> Iterator[Frame]:
        nonlocal counted
        begin: float | None = None
        for record in log.since(EVENTS, since - learn):
            clock = record.frame.header.received
            begin = clock if begin is None else begin
            counted += 1
            if counted % BATCH == 0:
                progress(min(1.0, (clock - begin) / max(1.0, now - begin)), "folding history")
            yield record.frame

    shadow = Side()
    fold(
        history(), ready.detectors, ready.directory, ready.policies, modes=ready.modes, told=_into(shadow), since=since
    )
    live = Side()
    _decide(log, ready.policies, since, _into(live))
    for side in (live, shadow):
        side.pages = sum(one.paged for one in side.incidents.values())
    return Difference(since, counted, live, shadow)


def _decide(log: KafkaLog, policies: Policies, since: float, told: Callable[[dict[str, Any]], None]) -> None:
    """What the findings that are in the log came to."""
    found = MemoryLog()
    with closing(Store(MEMORY)) as store:
        alert = decider(found, store, policies, Hearing(told), tasks_in(log.partitions))
        for number, frame in enumerate(_findings(log, since)):
            found.append(FINDINGS, frame)
            if number % BATCH == BATCH - 1:
                alert.advance(wait=0.0, limit=4 * BATCH)
        while alert.advance(wait=0.0, limit=4 * BATCH):
            pass
        alert.advance(wait=0.0, patient=False)


def _findings(log: KafkaLog, since: float) -> Iterable[Frame]:
    for record in log.since(FINDINGS, since):
        header = record.frame.header
        if header.origin is not None and header.received >= since:
            yield record.frame


def _into(side: Side) -> Callable[[dict[str, Any]], None]:
    """A hearer of decided findings that keeps what a side came to."""

    def told(record: dict[str, Any]) -> None:
        id_ = record["incident"]
        one = side.incidents.get(id_)
        if one is None:
            one = side.incidents[id_] = Matter(id_, record["tenant"], family(record["class"]), record["entity"])
        side.findings += 1
        one.findings.add(record["id"])
        one.classes = sorted({*one.classes, record["class"]})
        one.severity = max(one.severity, record["severity"], key=SEVERITIES.index)
        one.paged = one.paged or record["paged"]
        one.observed = one.observed and record["mode"] != "live"

    return told


def _shown(one: Matter) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(one)
    return {**shown, "findings": len(one.findings)}
