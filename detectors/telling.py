"""How a decision becomes a finding: its id from what no order changes, its text from what was counted."""

from collections.abc import Mapping
from typing import Any

from detectors.base import Detector
from detectors.parts.extent import Evidence
from stream.finding import EVIDENCE, Class, Finding, Severity, finding_id

SCORES: Mapping[Severity, int] = {"notice": 10, "low": 25, "medium": 47, "high": 73, "critical": 95}
"""The score at a severity, on the scale of the SIEM (0 to 100)."""


def level_of(count: float, threshold: float) -> int:
    """How many times a count is four times a threshold, -1 where it does not reach it."""
    level = -1
    while count >= threshold and level < 12:
        level += 1
        threshold *= 4.0
    return level


def tell(
    detector: Detector[Any],
    class_: Class,
    names: Mapping[str, str],
    *,
    tenant: str | None,
    severity: Severity,
    at: float,
    window: float,
    level: int = 0,
    title: str,
    observed: str,
    expected: str,
    why: str,
    shown: Evidence,
    confidence: float = 1.0,
    facts: Mapping[str, tuple[str, ...]] | None = None,
    matter: str = "",
    lasts: float | None = None,
) -> Finding:
    """A finding about the entity with these names.

    `at` is the start of the deciding cell and `window` the seconds to which the id is aligned: one id a window and
    level. The finding's `start` is that of the aligned window, so that no order of arrival moves it to another day.
    `matter` is over `lasts` seconds after it, unless it is told again (`Finding`).
    """
    spec = detector.spec
    bucket = int(at // window)
    gathered: dict[str, tuple[str, ...]] = {
        "source_ip": shown.sources,
        "server": shown.servers,
        "user": shown.actors,
        **(facts or {}),
    }
    start = bucket * window
    return Finding(
        id=finding_id(spec.name, spec.major, class_, names, bucket, level, tenant),
        detector=spec.name,
        version=spec.version,
        class_=class_,
        entity=dict(names),
        tenant=tenant,
        severity=severity,
        confidence=confidence,
        score=SCORES[severity],
        title=title,
        observed=observed + _late(shown),
        expected=expected,
        why=why,
        start=start,
        end=max(start, shown.last),
        time=shown.last,
        event_ids=tuple(dict.fromkeys(shown.ids))[:EVIDENCE],
        count=shown.count,
        techniques=spec.techniques.get(class_, ()),
        runbook=class_,
        facts={field: values for field, values in gathered.items() if values and field not in names},
        matter=matter,
        over=start + lasts if lasts is not None else None,
        first=shown.first if shown.count else None,
    )


def _late(shown: Evidence) -> str:
    return f" ({shown.late} of them arrived late)" if shown.late else ""


def plural(count: int, noun: str, many: str | None = None) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {many or noun + 's'}"


def minutes(seconds: float) -> str:
    """A window in words."""
    if seconds >= 7_200 and seconds % 3_600 == 0:
        return f"{int(seconds // 3_600)} hours"
    return "1 hour" if seconds == 3_600 else plural(int(seconds // 60), "minute")
