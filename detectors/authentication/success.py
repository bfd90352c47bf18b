"""Success after a burst, by who guessed or by a stranger, in whichever order the two arrive."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from detectors.authentication.guessing import MINUTE, Guessing, Reached
from detectors.base import Detector, Entity
from detectors.telling import minutes, tell
from stream.finding import Finding, Severity
from tocsin_audit.event import AuditEvent

SEVERITIES: Final[tuple[Severity, ...]] = ("high", "critical")
"""By the level of the burst."""
NO: Final = 0
DOUBTED: Final = 1
SURE: Final = 2
"""How far a success is a stranger's."""
DOUBT: Final = 50
"""Added to the level of a success of which it is not certain that it was no regular's."""


class Burst(NamedTuple):
    """What came before a success, in words, and for how many seconds a success still belongs to it."""

    name: str
    stranger: str
    after: int


def successes(
    detector: Detector[Any],
    state: Guessing,
    entity: Entity,
    one: Reached,
    burst: Burst,
    intruder: Callable[[int], int],
    event: AuditEvent | None = None,
    *,
    named: str,
    level: int,
    doubted: bool = False,
) -> list[Finding]:
    """The successes during and after a burst by those whom `intruder` tells from the entity's regulars.

    `level` is that of the burst, -1 where its guesses are not certain to be any; `doubted` says that some are not.
    `event` is the success that arrived now, if it was one: the evidence names it. `named` is the field that tells those
    who got in.
    A success in the minute in which the burst's window ends counts: within a minute the order is not known.
    """
    wins = state.wins.keys if state.wins is not None else {}
    last = one.end + burst.after // MINUTE
    regular = state.regular(float(one.end * MINUTE))
    buckets: dict[int, set[int]] = {DOUBTED: set(), SURE: set()}
    winners: list[tuple[str, str]] = []
    when = 0
    for key, seen in wins.items():
        span = seen.span(one.end, last)
        if span is None or state.habit.knows(key, span[0] * MINUTE):
            continue
        degree = intruder(key)
        if degree == NO or (degree == SURE and regular.knows(key)):
            continue
        within = (span[0] * MINUTE // burst.after, span[1] * MINUTE // burst.after)
        if degree == DOUBTED or doubted:
            buckets[DOUBTED].update(within)
        if degree == SURE:
            buckets[SURE].update(within)
        when = max(when, span[1])
        if state.winners is not None and key in state.winners:
            winners.append(state.winners[key])
    told = [(bucket, each) for bucket in sorted(buckets[SURE]) for each in range(min(level, 1) + 1)]
    told += [(bucket, DOUBT) for bucket in sorted(buckets[DOUBTED])]
    if not told:
        return []
    total, shown = one.total, one.shown
    if event is not None:
        shown.add(event)
    winners.sort()
    shown.ids[:0] = [id_ for _, id_ in winners if id_ not in shown.ids]
    names = tuple(dict.fromkeys(name for name, _ in winners))
    others = shown.actors if named == "user" else shown.sources
    facts = {named: (*names, *(name for name in others if name not in names))[:20]}
    facts["got_in"] = names if named == "user" else tuple(entity.names.values())
    got_in = f" Got in{'' if named == 'user' else ' from'}: {', '.join(names[:4])}." if names else ""
    guesses = total.guesses + total.nobody + total.weak
    return [
        tell(
            detector,
            "success_after",
            entity.names,
            tenant=entity.tenant,
            severity="medium" if each == DOUBT else SEVERITIES[each],
            at=float(bucket * burst.after),
            window=burst.after,
            level=each,
            title=f"Success after a {burst.name}",
            observed=f"{guesses} guesses, then a success by a {burst.stranger}, "
            f"the last {max(when - one.end, 0)} minutes after them",
            expected=f"no success of a stranger within {minutes(burst.after)} of {one.bar.guesses} guesses",
            why="Somebody who tried many secrets, or who came from nowhere while they were tried, got in." + got_in,
            shown=shown,
            confidence=0.5 if each == DOUBT else 0.9,
            facts=facts,
        )
        for bucket, each in told
    ]
