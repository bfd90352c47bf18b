"""Gaps of our own: what this Tocsin itself did not see, told like those of producers (`audit_gap`)."""

from typing import Final

from detectors.base import Spec
from detectors.telling import SCORES, plural
from stream.finding import Finding, finding_id
from tocsin_audit.event import rfc3339

DAY: Final = 86_400
ENGINE: Final = "engine"
"""Who says it: no detector, but what runs them."""
VERSION: Final = "1.0"
OURS: Final = "tocsin"
"""The producer that we are ourselves; a stage of it is `tocsin/<stage>`."""
FAULT: Final = "fault"
"""The matter of a detector that failed."""
SHORT: Final = 300.0
"""Seconds of standstill that a restart may take and nobody has to look at."""


def detector_failed(spec: Spec, error: Exception, day: int, time: float) -> Finding:
    """A detector failed on what it was given, for the first time on a day; over once a whole day passes without it."""
    return _gap(
        f"{OURS}/{spec.name}",
        day,
        version=spec.version,
        severe=True,
        title=f"The detector {spec.name} failed on what it was given",
        observed=f"{type(error).__name__}: {error}"[:200],
        expected="a result for every event",
        why="What this detector would have noticed there is not known; the others were not affected.",
        start=day * DAY,
        end=max(time, day * DAY),
        time=time,
        matter=FAULT,
        over=max(time + 1.0, (day + 2.0) * DAY),
    )


def log_stood_still(start: float, end: float) -> Finding:
    """Nobody listened between two moments of the log's clock; what producers kept in their spools comes later."""
    seconds = end - start
    return _gap(
        OURS,
        int(end),
        version=VERSION,
        severe=seconds > SHORT,
        title="Tocsin itself did not listen for a while",
        observed=f"no frame and no tick for {plural(round(seconds), 'second')}, until {rfc3339(end)}",
        expected="a tick each second while nothing else arrives",
        why="Nothing was received in that time, and nobody's silence can be told from ours. Producers with a spool "
        "send what they kept; what the others sent is lost, and `tocsin coverage` names it.",
        start=start,
        end=end,
        time=end,
        matter="standstill",
        over=end + SHORT,
    )


def _gap(
    producer: str,
    cell: int,
    *,
    version: str,
    severe: bool,
    title: str,
    observed: str,
    expected: str,
    why: str,
    start: float,
    end: float,
    time: float,
    matter: str,
    over: float,
) -> Finding:
    entity = {"producer": producer}
    severity: Final = "medium" if severe else "notice"
    return Finding(
        id=finding_id(ENGINE, 1, "audit_gap", entity, cell, 0, None),
        detector=ENGINE,
        version=version,
        class_="audit_gap",
        entity=entity,
        severity=severity,
        score=SCORES[severity],
        title=title,
        observed=observed,
        expected=expected,
        why=why,
        start=start,
        end=end,
        time=time,
        runbook="audit_gap",
        matter=matter,
        over=over,
    )
