"""Risk: what the findings about one entity add up to, forgotten by half a day after day.

The idea is that of risk-based alerting: several weak signs about the same user, from different detectors, weigh more
than each of them.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from alerting.incidents.family import PRINCIPAL
from stream.finding import Class, Finding

Entity = tuple[str, str, str]
"""Field, value and tenant (empty where there is none)."""

HALF_LIFE: Final = 86_400.0
"""Seconds of the log's clock in which risk halves."""
KEYS: Final = (*PRINCIPAL, "token", "source_ip")
"""Fields whose values carry risk: those who act."""
SIGNS: Final = 8
"""Findings that a risk remembers, the weightiest."""
LEAST: Final = 0.5
"""Points below which nothing is left of it."""
DATA: Final = {"payment": 1.5, "health": 1.5, "pii": 1.25, "credentials": 1.5, "secret": 1.5}
"""How much more a finding weighs that touches data of a class."""
SHARES: Final[dict[str, float]] = {"live": 1.0, "observe": 0.5, "shadow": 0.25}
"""How much a finding counts that is not live yet."""


class Sign(msgspec.Struct, frozen=True, array_like=True):
    """What one finding added."""

    finding: str
    class_: Class
    detector: str
    points: float
    at: float


class Risk(msgspec.Struct, frozen=True, array_like=True):
    """What is known of one entity at a moment of the log's clock."""

    points: float = 0.0
    at: float = 0.0
    signs: tuple[Sign, ...] = ()

    def now(self, clock: float) -> float:
        """The points that are left at a moment."""
        return self.points * _left(clock - self.at)


def entities(finding: Finding) -> list[Entity]:
    """Who a finding is about and who took part in it."""
    tenant = finding.tenant or ""
    return [(key, value, tenant) for key in KEYS if (value := finding.entity.get(key)) is not None]


def points(finding: Finding) -> float:
    """What a finding weighs: its score, by how sure it is, what data it touches and whether it is live."""
    weight = max((DATA.get(name, 1.0) for name in finding.facts.get("data_classes", ())), default=1.0)
    return finding.score * finding.confidence * weight * SHARES[finding.mode]


def added(risk: Risk, finding: Finding, clock: float) -> Risk:
    """The risk after a finding; the same class of the same detector counts once at its worst within a half-life."""
    sign = Sign(finding.id, finding.class_, finding.detector, points(finding), clock)
    left = [one for one in risk.signs if one.points * _left(clock - one.at) >= LEAST and one.finding != finding.id]
    same = next((one for one in left if (one.class_, one.detector) == (sign.class_, sign.detector)), None)
    if same is not None:
        left.remove(same)
        if same.points * _left(clock - same.at) > sign.points:
            sign = same
    signs = sorted([*left, sign], key=lambda one: (-one.points * _left(clock - one.at), one.finding))[:SIGNS]
    return Risk(sum(one.points * _left(clock - one.at) for one in signs), clock, tuple(signs))


def corroborated(risk: Risk, clock: float, threshold: float) -> bool:
    """Whether different detectors agree so far that weak signs together deserve a person's look."""
    return risk.now(clock) >= threshold and len({one.detector for one in risk.signs}) >= 2


def telling(risk: Risk, clock: float) -> str:
    """A risk in words: its points, and what they are made of."""
    parts = ", ".join(f"{one.class_} {one.points * _left(clock - one.at):.0f}" for one in risk.signs[:4])
    return f"risk {risk.now(clock):.0f} ({parts})"


def worst(risks: Sequence[tuple[Entity, Risk]], clock: float) -> tuple[Entity, Risk] | None:
    """The entity with the most risk."""
    return max(risks, key=lambda one: (one[1].now(clock), one[0]), default=None)


def _left(seconds: float) -> float:
    return float(0.5 ** (max(0.0, seconds) / HALF_LIFE))
