"""What the operator decided about being told: from which severity, how often, and what not."""

from dataclasses import dataclass
from typing import Final, Literal

from alerting.family import NEVER_SILENT
from stream.finding import Finding, Severity

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Matcher:
    """A silence (short) or an exception (reviewed, beside a detector) over findings that have all these values.

    `where` names `class`, `detector`, `tenant`, `severity` or a key of the finding's entity, each with the values that
    match. `start` and `until` are seconds of the log's clock. Classes that must never be silent are covered only where
    `forced`.
    """

    id: str
    kind: Literal["silence", "exception"]
    where: tuple[tuple[str, tuple[str, ...]], ...]
    start: float
    until: float
    owner: str
    reason: str
    forced: bool = False

    def covers(self, finding: Finding, clock: float) -> bool:
        """Whether it holds back this finding at this moment; one without conditions covers nothing."""
        if not self.where or not self.start <= clock < self.until:
            return False
        if finding.class_ in NEVER_SILENT and not self.forced:
            return False
        return all(_value(finding, key) in values for key, values in self.where)


def _value(finding: Finding, key: str) -> str | None:
    if key == "class":
        return finding.class_
    if key in ("detector", "tenant", "severity"):
        value: str | None = getattr(finding, key)
        return value
    return finding.entity.get(key)


@dataclass(frozen=True, slots=True)
class Policies:
    """The rules of being told; lengths of time in seconds.

    `page_from` is the least severity that wakes a person, `observe` decides everything and pages nobody, and `pages`
    in `window` is one receiver's budget. What the budget holds back is told as one bundle `bundle_after` seconds
    later, a minute short of half an hour so that a clock's step cannot make it late.
    """

    page_from: Severity = "high"
    observe: bool = False
    pages: int = 2
    window: float = 12 * HOUR
    bundle_after: float = 29 * 60.0
    matchers: tuple[Matcher, ...] = ()

    def covering(self, finding: Finding, clock: float) -> Matcher | None:
        """The exception, else the silence, that covers a finding."""
        found = [matcher for matcher in self.matchers if matcher.covers(finding, clock)]
        return min(found, key=lambda matcher: (matcher.kind, matcher.id), default=None)
