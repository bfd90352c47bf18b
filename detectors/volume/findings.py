"""How a volume finding reads: numbers that a person can check, what they are compared with, and for how long."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.base import Entity, Spec
from detectors.volume.expectation import Expectation
from detectors.volume.usage import NAMES, Hour
from stream.finding import Class, Finding, Severity, evidence, finding_id

_SCORES: Final = {"low": 30, "medium": 50, "high": 75}


class Observed(NamedTuple):
    """One measure that passed its bound: what was counted from `start` for `seconds`."""

    measure: int
    amount: float
    bound: float
    start: int
    seconds: int


class Judged(NamedTuple):
    """What was decided: all that a finding's id and severity depend on, and what it was compared with."""

    class_: Class
    cell: int
    level: int
    severity: Severity
    observed: Observed
    expected: Expectation
    moved: float
    peers: int


def finding(
    spec: Spec,
    entity: Entity,
    judged: Judged,
    hour: Hour,
    *,
    time: float,
    ids: Sequence[str],
    late: bool = False,
) -> Finding:
    """The finding of a judgement, in words that name every number."""
    observed, expected = judged.observed, judged.expected
    name = NAMES[observed.measure]
    factor = observed.amount / max(1.0, observed.bound)
    confidence = _confidence(expected)
    who = "/".join(entity.names.values())
    within = _span(observed.seconds)
    why = [
        f"{_amount(observed.measure, observed.amount)} is {factor:.1f} times the most that was to be expected",
        f"compared with {basis(expected)}",
    ]
    if judged.peers:
        why.append(f"its {judged.peers} watched peers moved by a factor of {2**judged.moved:.1f}, which is taken off")
    tools = hour.tools.bit_count()
    why.append(f"{tools} tool{'s were' if tools != 1 else ' was'} used in its last hour")
    if hour.unsized:
        why.append(f"the size of {hour.unsized} of {hour.calls} answers is unknown or capped: bytes are a lower bound")
    if late:
        why.append("the deciding event came late")
    return Finding(
        id=finding_id(spec.name, spec.major, judged.class_, entity.names, judged.cell, judged.level, entity.tenant),
        detector=spec.name,
        version=spec.version,
        class_=judged.class_,
        entity=dict(entity.names),
        tenant=entity.tenant,
        severity=judged.severity,
        confidence=confidence,
        score=min(100, _SCORES[judged.severity] + 5 * judged.level),
        title=f"{who} took {_amount(observed.measure, observed.amount)} in {within}",
        observed=f"{_amount(observed.measure, observed.amount)} in {within}",
        expected=f"at most {_amount(observed.measure, observed.bound)} in {within}, from {basis(expected)}",
        why="; ".join(why) + ".",
        start=float(observed.start),
        end=float(observed.start + observed.seconds),
        time=time,
        event_ids=evidence(ids),
        count=max(1, hour.calls),
        techniques=spec.techniques[judged.class_],
        runbook=judged.class_,
        facts={"measure": (name,), "basis": (expected.basis,)},
    )


def _confidence(expected: Expectation) -> float:
    if expected.basis == "own":
        return 0.9 if expected.days >= 14 else 0.6
    return 0.7 if expected.basis == "peers" else 0.3


def basis(expected: Expectation) -> str:
    """What an expectation rests on, in words."""
    own = f"{expected.days} days of its own"
    if expected.basis == "own":
        return own
    if expected.basis == "peers":
        return (
            f"{expected.peers} peers and {own}" if expected.days else f"{expected.peers} peers, nothing of its own yet"
        )
    return "shipped defaults, since neither it nor its peers have a past"


def _span(seconds: int) -> str:
    for unit, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= unit and seconds % unit == 0:
            number = seconds // unit
            return f"{number} {name}s" if number > 1 else f"1 {name}"
    return f"{seconds} s"


def _amount(measure: int, amount: float) -> str:
    if NAMES[measure] != "bytes":
        return f"{round(amount):,} {NAMES[measure]}"
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if amount >= unit:
            return f"{amount / unit:.1f} {name}"
    return f"{round(amount)} bytes"
