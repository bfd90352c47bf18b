"""What `audit_gap` says: each kind of gap as a finding, with numbers, and its end where that can be known."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from detectors.base import Cell, Detector, Entity
from detectors.gaps.words import DAY, HOUR, lasting, listed, owner, together
from detectors.telling import SCORES, plural
from stream.facts import Facts
from stream.finding import Finding, Severity, finding_id
from tocsin_audit.event import rfc3339

SHOWN: Final = 20
"""Names that a finding lists at most."""
SEVERAL: Final = "several"
"""The producer that stands for those which fell silent together."""

SILENT: Final = 0
STOPPED: Final = 20
MISSING: Final = 40
SKEWED: Final = 60
BEHIND: Final = 80
SAMPLED: Final = 100
RESTARTS: Final = 120
WORKER: Final = 140
UNLISTED: Final = 160
UNEVEN: Final = 180
"""Where the levels of each kind of gap begin in the id."""
ROUNDS: Final = 10_000
"""What an hour's number is multiplied by where it may be told several times."""
ENDED: Final = 1_000
"""Added to the level by the finding that says that it is over."""


class About(NamedTuple):
    """Whom a finding is about: its entity, whose it is, and the servers concerned."""

    names: Mapping[str, str]
    tenant: str | None = None
    servers: Sequence[str] = ()


def of_producer(entity: Entity, servers: Iterable[str], facts: Facts) -> About:
    """A producer, and the servers that it tells of."""
    return About(entity.names, owner(servers, facts), sorted(servers))


def of_several(servers: Iterable[str] = ()) -> About:
    """Producers that fell silent together: nobody's, since they are of several."""
    return About({"producer": SEVERAL}, None, sorted(servers))


def of_server(entity: Entity, facts: Facts) -> About:
    """A server, whose it is by the inventory."""
    known = facts.server(entity.names["server"])
    return About(entity.names, known.tenant if known is not None else None)


class Teller:
    """Makes the findings of one detector."""

    def __init__(self, detector: Detector[Any], parameters: Mapping[str, float]) -> None:
        self._spec = detector.spec
        self._steps = (parameters["gap_medium"], parameters["gap_high"])

    def silent(self, about: About, heard: float, at: float, *, expected: str, beats: bool) -> Finding:
        """A producer was not heard for longer than it ever is."""
        return self._tell(
            about,
            "high" if beats else "medium",
            cell=int(heard),
            level=SILENT,
            title="A producer of audit events fell silent",
            observed=f"nothing since {rfc3339(heard)}, {lasting(at - heard)} before this",
            expected=expected,
            why="It said no goodbye, and no maintenance is planned for its servers. What happens there is unwatched.",
            start=heard,
            time=at,
            facts={"server": about.servers},
            matter="silence",
        )

    def heard_again(self, about: About, told: float, at: float) -> Finding:
        """A producer that was told as silent was heard."""
        return self._tell(
            about,
            "notice",
            cell=int(told),
            level=SILENT + ENDED,
            title="A producer of audit events is heard again",
            observed=f"heard again {lasting(at - told)} after it was told as silent",
            expected="",
            why="What it kept in its spool comes now; `tocsin coverage` says what stayed missing.",
            start=told,
            time=at,
            matter="silence",
            over=at,
        )

    def silent_together(self, about: About, names: Sequence[str], heard: float, at: float) -> Finding:
        """Several producers fell silent within the same moments."""
        return self._tell(
            about,
            "high",
            cell=int(at),
            level=SILENT,
            title=f"{plural(len(names), 'producer')} of audit events fell silent at once",
            observed=f"nothing of them since {rfc3339(heard)}: {listed(names)}",
            expected="heartbeats of each as before",
            why="So many at once point to what they share: the network, the collector's address or certificate, a key "
            "that was revoked, a host. What happens at their servers now is unwatched.",
            start=heard,
            time=at,
            count=len(names),
            facts={"server": about.servers},
            matter=together(at),
        )

    def heard_together(self, about: About, told: float, at: float) -> Finding:
        """All of those that fell silent together were heard again."""
        return self._tell(
            about,
            "notice",
            cell=int(told),
            level=SILENT + ENDED,
            title="The producers that fell silent at once are heard again",
            observed=f"the last of them {lasting(at - told)} after they were told as silent",
            expected="",
            why="What they kept in their spools comes now; `tocsin coverage` says what stayed missing.",
            start=told,
            time=at,
            matter=together(told),
            over=at,
        )

    def stopped(self, about: About, heard: float, at: float) -> Finding:
        """All workers of a producer said goodbye, and none came in their place."""
        return self._tell(
            about,
            "notice",
            cell=int(heard),
            level=STOPPED,
            title="A producer of audit events was switched off",
            observed=f"every worker said that it stopped; nothing since {rfc3339(heard)}",
            expected="a worker in its place, or a maintenance window in the directory",
            why="It went in an orderly way, as when a service is scaled down. Whoever may stop the service may also "
            "stop its audit, so it is kept on record.",
            start=heard,
            time=at,
            facts={"server": about.servers},
            matter="silence",
        )

    def missing(self, about: About, hour: int, rounds: int, total: int, new: str, at: float) -> Finding:
        """Numbers of a producer did not come, in an hour that all had come of so many times before."""
        level = sum(total >= step for step in self._steps)
        severity: Severity = ("notice", "medium", "high")[level]
        return self._tell(
            about,
            severity,
            cell=hour * ROUNDS + rounds,
            level=MISSING + level,
            title="Audit events of a producer are missing",
            observed=f"{plural(total, 'running number')} of this hour did not come, lately {new}",
            expected="every number between those that came",
            why="Each event has the next number, so that a number which stays away is an event that was lost or held "
            "back. That was waited for longer than anything is on its way that is not late.",
            start=float(hour * HOUR),
            time=at,
            count=total,
            facts={"server": about.servers},
            matter=f"numbers {hour}",
        )

    def filled(self, about: About, hour: int, rounds: int, total: int, at: float) -> Finding:
        """All numbers that were told as missing of an hour came after all."""
        return self._tell(
            about,
            "notice",
            cell=hour * ROUNDS + rounds,
            level=MISSING + ENDED,
            title="The missing audit events of a producer came after all",
            observed=f"all {plural(total, 'number')} that were told as missing",
            expected="",
            why="They came late: they are in the log and were looked at, but nothing was learned from them.",
            start=float(hour * HOUR),
            time=at,
            count=total,
            matter=f"numbers {hour}",
            over=at,
        )

    def ahead(self, about: About, cell: Cell, skewed: int, count: int) -> Finding:
        """A producer dates its events in the future."""
        return self._told_of_cell(
            about,
            "low",
            cell,
            SKEWED,
            "A producer's clock is ahead",
            f"{skewed:,} of {plural(count, 'event')} in one hour came from more than a minute in the future",
            "events from the past",
            "Their time was set to that of their receipt, so that order and bursts in them are not what they were.",
        )

    def behind(self, about: About, cell: Cell, seconds: float) -> Finding:
        """A producer's heartbeats are old when they come."""
        return self._told_of_cell(
            about,
            "low",
            Cell(DAY, cell.start - cell.start % DAY),
            BEHIND,
            "A producer's clock is behind, or its events are long on their way",
            f"no heartbeat of five minutes was newer than {lasting(seconds)} when it came",
            "heartbeats a few seconds old",
            "Events more than two minutes old are counted late and nothing is learned from them.",
        )

    def sampled(self, about: About, cell: Cell, before: float, now: float) -> Finding:
        """A producer sends a smaller share of its events than it did."""
        return self._told_of_cell(
            about,
            "medium",
            cell,
            SAMPLED,
            "A producer sends only part of its events now",
            f"a sample rate of {now:g}",
            f"{before:g} as before",
            "What a sampled source sends feeds no counts: bursts, guesses and volumes there go unseen.",
        )

    def restarts(self, about: About, cell: Cell, count: int, usual: int) -> Finding:
        """Workers of a producer begin and end again and again."""
        return self._told_of_cell(
            about,
            "medium",
            cell,
            RESTARTS,
            "A producer restarts in a loop",
            f"{count} runs of less than two minutes in a quarter of an hour",
            f"fewer than {usual}",
            "Whatever a run had not sent when it broke off is lost.",
        )

    def worker_gone(self, about: About, cell: Cell, gone: int, of: int) -> Finding:
        """A worker of a producer broke off while others went on."""
        return self._told_of_cell(
            about,
            "notice",
            Cell(HOUR, cell.start - cell.start % HOUR),
            WORKER,
            "A worker of a producer broke off",
            f"{gone} of {plural(of, 'worker')} sent no heartbeat for five minutes and said no goodbye",
            "heartbeats, or a last word",
            "The others went on; whatever it had not sent is lost.",
        )

    def unlisted(self, about: About, day: int, count: int, at: float) -> Finding:
        """A server is in the traffic that the inventory does not know."""
        return self._tell(
            about,
            "low",
            cell=day,
            level=UNLISTED,
            title="A server that the inventory does not know",
            observed=f"at least {plural(count, 'event')} of it in one day",
            expected="every server in the directory, with its owner and what data it holds",
            why="Nobody said whose it is nor what it holds: what it hands out is judged by what was learned alone, and "
            "it may be one that nobody approved.",
            start=float(day * DAY),
            time=at,
            count=count,
        )

    def uneven(self, about: About, cell: Cell, counted: int, echoed: int, expected: float) -> Finding:
        """Two vantage points do not tell of the same calls any more."""
        return self._told_of_cell(
            about,
            "medium",
            Cell(DAY, cell.start - cell.start % DAY),
            UNEVEN,
            "Two vantage points of a server disagree",
            f"one saw {plural(counted, 'call')}, the other {echoed:,}",
            f"about {expected:,.0f} of the other, as in the hours before",
            "Both watch the same calls. What only one of them saw went past the other, or was lost on its way.",
        )

    def _told_of_cell(
        self,
        about: About,
        severity: Severity,
        cell: Cell,
        level: int,
        title: str,
        observed: str,
        expected: str,
        why: str,
    ) -> Finding:
        return self._tell(
            about,
            severity,
            cell=cell.start,
            level=level,
            title=title,
            observed=observed,
            expected=expected,
            why=why,
            start=float(cell.start),
            time=float(cell.end),
        )

    def _tell(
        self,
        about: About,
        severity: Severity,
        *,
        cell: int,
        level: int,
        title: str,
        observed: str,
        expected: str,
        why: str,
        start: float,
        time: float,
        count: int = 1,
        facts: Mapping[str, Sequence[str]] | None = None,
        matter: str = "",
        over: float | None = None,
    ) -> Finding:
        spec = self._spec
        return Finding(
            id=finding_id(spec.name, spec.major, "audit_gap", about.names, cell, level, about.tenant),
            detector=spec.name,
            version=spec.version,
            class_="audit_gap",
            entity=dict(about.names),
            tenant=about.tenant,
            severity=severity,
            score=SCORES[severity],
            title=title,
            observed=observed,
            expected=expected,
            why=why,
            start=start,
            end=max(start, time),
            time=time,
            count=count,
            techniques=spec.techniques["audit_gap"],
            runbook="audit_gap",
            facts={key: tuple(values)[:SHOWN] for key, values in (facts or {}).items() if values},
            matter=matter,
            over=over,
        )
