"""What the operator decided about being told: from which severity, how often, and what not."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from alerting.incidents.family import NEVER_SILENT
from alerting.incidents.targets import Targets
from alerting.matching import Condition, all_hold, of_finding
from alerting.response.containment import Containment
from alerting.routing.budget import Budget
from alerting.routing.route import Receiver
from stream.finding import SEVERITIES, Finding, Severity

HOUR: Final = 3600.0
REPEAT: Final[Mapping[Severity, float]] = {"critical": HOUR / 2, "high": 2 * HOUR}
"""Seconds after which a page is told again; a severity that is not there is told once."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """A silence (short) or an exception (reviewed, beside a detector) over findings for which all of `where` holds.

    `start` and `until` are seconds of the log's clock. Classes that must never be silent are covered only where
    `forced`.
    """

    id: str
    kind: Literal["silence", "exception"]
    where: tuple[Condition, ...]
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
        return all_hold(self.where, of_finding(finding))


@dataclass(frozen=True, slots=True)
class Policies:
    """The rules of being told.

    `page_from` is the least severity that wakes a person, `observe` decides everything and pages nobody, and `budget`
    is that of a receiver who has none of their own. `targets` say how soon something is done about an incident, and
    `risk` from how many points of several detectors on even a finding one severity below that wakes a person.
    `repeat` says by severity after how many seconds a page that nobody acknowledged is told again, and `containment`
    bounds who may be refused.
    """

    page_from: Severity = "high"
    observe: bool = False
    budget: Budget = field(default_factory=Budget)
    targets: Targets = field(default_factory=Targets)
    repeat: Mapping[Severity, float] = field(default_factory=lambda: REPEAT)
    risk: float = 120.0
    containment: Containment = field(default_factory=Containment)
    matchers: tuple[Matcher, ...] = ()

    def pages(self, severity: str) -> bool:
        """Whether a severity wakes a person."""
        return SEVERITIES.index(severity) >= SEVERITIES.index(self.page_from)

    def covering(self, finding: Finding, clock: float) -> Matcher | None:
        """The exception, else the silence, that covers a finding."""
        found = [matcher for matcher in self.matchers if matcher.covers(finding, clock)]
        return min(found, key=lambda matcher: (matcher.kind, matcher.id), default=None)

    def budget_of(self, receiver: Receiver) -> Budget:
        """A receiver's budget."""
        pages = self.budget.pages if receiver.pages is None else receiver.pages
        window = self.budget.window if receiver.window is None else receiver.window
        return replace(self.budget, pages=pages, window=window)
