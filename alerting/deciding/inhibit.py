"""Inhibition: while the incident of a cause is open, findings that the cause explains are part of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from alerting.deciding.policy import HOUR
from alerting.incidents.record import Record, rank
from stream.finding import Class, Finding, Severity


@dataclass(frozen=True, slots=True)
class Inhibition:
    """A class whose open incident explains findings of other classes.

    They must have the value that the incident is about, where that is one of `keys`. Findings above `up_to` are told
    all the same. `told` says that somebody must have been told of the cause, so that silencing it does not silence what
    it explains. `within` bounds the seconds since the cause's last finding, so that an incident that nobody closed
    does not hide what comes days later. With `anywhere` they may be about something else of the same tenant: what
    befalls several servers at once has one cause.
    """

    source: Class
    targets: frozenset[Class]
    keys: frozenset[str]
    up_to: Severity
    told: bool
    within: float
    anywhere: bool = False


INHIBITIONS: Final = (
    Inhibition(
        "cross_tenant_leak",
        frozenset({"cross_tenant_read", "cross_tenant_denied", "mixup"}),
        frozenset({"server"}),
        "critical",
        True,
        float("inf"),
    ),
    Inhibition(
        "outage",
        frozenset({"brute", "spray", "stuffing", "retry_storm"}),
        frozenset({"server", "tenant"}),
        "high",
        False,
        HOUR,
    ),
    Inhibition("outage", frozenset({"outage"}), frozenset({"server", "tenant"}), "medium", False, HOUR / 2, True),
    Inhibition("spray", frozenset({"brute"}), frozenset({"source_ip"}), "high", False, HOUR),
    Inhibition(
        "retry_storm",
        frozenset({"brute", "rate_abuse"}),
        frozenset({"user", "client", "agent", "token"}),
        "high",
        False,
        HOUR,
    ),
)
"""Success after a burst, unauthenticated success, replayed tokens and canaries are told whatever else is going on."""
SOURCES: Final = frozenset(rule.source for rule in INHIBITIONS)
TARGETS: Final = frozenset(target for rule in INHIBITIONS for target in rule.targets)


def inhibitor(finding: Finding, causes: Sequence[Record], clock: float) -> Record | None:
    """The open incident whose cause explains a finding, the oldest where there are several."""
    if finding.class_ not in TARGETS:
        return None
    found = [cause for cause in causes if any(_explains(rule, cause, finding, clock) for rule in INHIBITIONS)]
    return min(found, key=lambda cause: (cause.opened, cause.id), default=None)


def _explains(rule: Inhibition, cause: Record, finding: Finding, clock: float) -> bool:
    return (
        finding.class_ in rule.targets
        and rule.source in cause.classes
        and cause.is_open
        and not cause.observed
        and (cause.told is not None or not rule.told)
        and cause.about.key in rule.keys
        and (cause.about.key in spanning(rule) or cause.tenant == finding.tenant)
        and rank(finding.severity) <= rank(rule.up_to)
        and clock - cause.active <= rule.within
        and (rule.anywhere or _has(finding, cause.about.key, cause.about.value))
    )


def spanning(rule: Inhibition) -> frozenset[str]:
    """The keys of a rule whose values belong to no tenant, so that a cause explains what befell any tenant there."""
    return frozenset() if rule.anywhere else rule.keys & {"server", "source_ip"}


def _has(finding: Finding, key: str, value: str) -> bool:
    if key == "tenant" and finding.tenant == value:
        return True
    return finding.entity.get(key) == value or value in finding.facts.get(key, ())
