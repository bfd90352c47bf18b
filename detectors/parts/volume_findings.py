"""How a volume finding reads: numbers that a person can check, what they are compared with, and for how long."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from detectors.base import Documentation, Entity, Parameter, Spec
from detectors.parts.expectation import Expectation
from detectors.parts.usage import NAMES
from stream.finding import Class, Finding, Severity, evidence, finding_id

TECHNIQUES: Final = {
    "volume_burst": (
        "T1213", "T1119", "T1530", "AML.T0036", "AML.T0085.001", "AML.T0086",
        "SAFE-T1801", "SAFE-T1803", "SAFE-T1804", "MCP10", "MCP02", "ASI02",
    ),
    "volume_slow": (
        "T1213", "T1119", "T1020", "AML.T0036", "AML.T0085.001", "AML.T0086",
        "SAFE-T1801", "SAFE-T1804", "MCP10", "MCP02", "ASI02",
    ),
}  # fmt: skip

PARAMETERS: Final = (
    Parameter(
        "page_factor", 8.0, "times", "launch margin: nothing below this many times the expected hour pages", 2, 1000
    ),
    Parameter("page_spread", 4.5, "spreads", "how far out of its own spread a burst must lie to page", 2, 20),
    Parameter("page_calls", 120, "calls", "floor of calls in an hour below which nothing pages", 1),
    Parameter("page_bytes", 4 << 20, "bytes", "floor of bytes in an hour below which nothing pages", 1),
    Parameter("page_rows", 2_000, "rows", "floor of rows in an hour below which nothing pages", 1),
    Parameter("page_resources", 80, "resources", "floor of distinct resources in an hour below which nothing pages", 1),
    Parameter("hour_factor", 3.0, "times", "least factor over the expected hour that is reported", 1.2, 1000),
    Parameter("hour_spread", 3.5, "spreads", "how far out one measure of an hour must lie alone", 1, 20),
    Parameter("hour_spread_joint", 2.6, "spreads", "how far out two measures of an hour must lie together", 1, 20),
    Parameter("hour_calls", 15, "calls", "floor of calls in an hour below which nothing is reported", 1),
    Parameter("hour_bytes", 256 << 10, "bytes", "floor of bytes in an hour below which nothing is reported", 1),
    Parameter("hour_rows", 300, "rows", "floor of rows in an hour below which nothing is reported", 1),
    Parameter("hour_resources", 15, "resources", "floor of distinct resources in an hour, as above", 1),
    Parameter("day_factor", 1.7, "times", "least factor over the expected day that is reported", 1.2, 1000),
    Parameter("day_spread", 3.0, "spreads", "how far out one measure of a day must lie alone", 1, 20),
    Parameter("day_spread_joint", 2.2, "spreads", "how far out two measures of a day must lie together", 1, 20),
    Parameter("day_floor", 2.5, "times", "floors of a day, as a multiple of those of an hour", 0.1, 24),
    Parameter("week_factor", 1.6, "times", "least factor of a week's mean over the slow reference", 1.1, 1000),
    Parameter("week_spread", 3.5, "spreads", "how far out the mean of a week must lie", 1, 20),
    Parameter("busy_factor", 4.0, "times", "how much more is allowed in a busy window of the directory", 1, 1000),
)

DOCUMENTATION: Final = Documentation(
    goal="Notice when a principal takes far more data out of MCP servers than it ever does, whether within minutes "
    "(a bulk export by a stolen login or a hijacked assistant) or little by little over days and weeks.",
    categorisation="Collection (T1213, T1119, T1530) and automated exfiltration (T1020); AML.T0036, AML.T0085.001, "
    "AML.T0086; SAFE-T1801, SAFE-T1803, SAFE-T1804; MCP02, MCP10; ASI02.",
    strategy="Calls, bytes, rows and distinct resources of each principal are counted in cells of minutes and hours. "
    "Amounts become started logarithms, log2(amount / typical + 1/2), and are compared with the principal's own season "
    "(24 hours and 7 weekdays) minus what its peers did at the same time (the median of group or tenant). "
    "A burst is told at once when an hour or five minutes pass a bound frozen before they began; an hour of several "
    "times the usual is told within five minutes of its end, a day and a week when they close. What was flagged is "
    "never learned; a new level becomes normal only after it held for a fortnight.",
    context="A principal is a tenant with the first of user, client and agent. Its peer group is its role in the "
    "directory, else its OAuth client, within the tenant. With few active hours the group's normal stands in and the "
    "interval is wider; without a group, shipped priors do. The `busy` windows of the directory raise all bounds.",
    blind_spots="Growth of less than a 64th of an octave a day (doubling in two months) moves the reference along. "
    "Theft that stays within a principal's usual volume. A group that is stolen from as a whole, at the same time and "
    "the same pace, looks like a launch until it passes the page bound. Servers that report neither rows nor sizes "
    "leave calls and distinct resources. Movement of a group needs at least two other active members.",
    false_positives="A first large report, a migration, a new duty, a job moved to another principal, a quarter's end "
    "that concerns one person. Announce them as `busy` windows; a weekly job is remembered after its second run.",
    validation="Replay a day of a service with its calls repeated thirty times within ten minutes: one volume_burst of "
    "severity high. Repeated 2.5 times over a day: one volume_slow of severity medium and no page. Tripled for "
    "everybody in the tenant: nothing.",
    priority="High for bursts beyond the launch margin, since the data is leaving now. Medium for hours of several "
    "times the usual and for slow collection, low once the same level has been told for three days.",
    response="Look at what was read (evidence, tools, distinct resources) and from where; ask the owner of the "
    "principal. If it was not they, cut the principal or its token off and save the evidence before anything else.",
)


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
    *,
    time: float,
    ids: Sequence[str],
    count: int,
    tools: int,
    unsized: int,
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
        f"compared with {_basis(expected)}",
    ]
    if judged.peers:
        why.append(f"its {judged.peers} watched peers moved by a factor of {2**judged.moved:.1f}, which is taken off")
    if tools:
        why.append(f"{tools} tools were used in the hour")
    if unsized:
        why.append(f"the size of {unsized} of {count} answers is unknown or capped, so bytes are a lower bound")
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
        score=min(100, {"low": 30, "medium": 50, "high": 75}.get(judged.severity, 50) + 5 * judged.level),
        title=f"{who} took {_amount(observed.measure, observed.amount)} in {within}",
        observed=f"{_amount(observed.measure, observed.amount)} in {within}",
        expected=f"at most {_amount(observed.measure, observed.bound)} in {within}, from {_basis(expected)}",
        why="; ".join(why) + ".",
        start=float(observed.start),
        end=float(observed.start + observed.seconds),
        time=time,
        event_ids=evidence(ids),
        count=max(1, count),
        techniques=spec.techniques[judged.class_],
        runbook=judged.class_,
        facts={"measure": (name,), "basis": (expected.basis,)},
    )


def _confidence(expected: Expectation) -> float:
    if expected.basis == "own":
        return 0.9 if expected.days >= 14 else 0.6
    return 0.7 if expected.basis == "peers" else 0.3


def _basis(expected: Expectation) -> str:
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
