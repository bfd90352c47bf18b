"""How often each detector was right, by the verdicts that people gave, and what that says about tuning."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import select

from alerting.database.schema import DECISIONS, FINDINGS, INCIDENTS
from alerting.database.store import Store
from alerting.incidents.record import ENDED, Record
from alerting.routing.budget import Budget
from alerting.unit import RECORD_DECODER
from stream.finding import DECODER
from tocsin_audit.event import rfc3339

MOST: Final = 20_000
"""Incidents and pages that are looked at."""
ENOUGH: Final = 5
"""Verdicts from which on a share says something."""
GOOD: Final = 0.7
POOR: Final = 0.3
WRONG: Final = frozenset({"benign", "false"})


def precision(store: Store, since: float, now: float, budget: Budget | None = None) -> dict[str, Any]:
    """Verdicts per detector and class of incidents that ended since a moment; times in seconds.

    `over_budget` names the detectors that alone woke people more often than one receiver's budget has it.

    `true` counts for a detector, `benign` and `false` against it, `duplicate` neither way; drills count for nothing.
    """
    limit = budget or Budget()
    closed = select(INCIDENTS.c.body).where(
        INCIDENTS.c.status.in_(ENDED), INCIDENTS.c.updated >= since, INCIDENTS.c.family != "drill"
    )
    waking = (
        select(FINDINGS.c.incident, FINDINGS.c.body, DECISIONS.c.at, DECISIONS.c.page_id)
        .join_from(FINDINGS, DECISIONS, DECISIONS.c.finding == FINDINGS.c.finding)
        .where(DECISIONS.c.page_id.is_not(None), DECISIONS.c.at >= since)
        .order_by(DECISIONS.c.at)
    )
    with store.reading() as connection:
        records = [RECORD_DECODER.decode(body) for (body,) in connection.execute(closed.limit(MOST))]
        pages = connection.execute(waking.limit(MOST)).all()
    woke = {page.incident for page in pages}
    told: dict[str, dict[str, float]] = {}
    for page in pages:
        finding = DECODER.decode(page.body)
        if finding.class_ != "drill":
            told.setdefault(finding.detector, {}).setdefault(page.page_id, page.at)
    return {
        "since": rfc3339(since),
        "until": rfc3339(now),
        "closed": len(records),
        "judged": sum(record.verdict is not None for record in records),
        "detectors": _tables(records, woke, lambda record: record.detectors),
        "classes": _tables(records, woke, lambda record: record.classes),
        "over_budget": [
            {"name": name, "pages": most, "hours": round(limit.window / 3600.0, 1), "budget": limit.pages}
            for name, times in sorted(told.items())
            if (most := most_within(sorted(times.values()), limit.window)) > limit.pages
        ],
    }


def most_within(times: Sequence[float], window: float) -> int:
    """How many of some moments, in order, lie within any one stretch of so many seconds at most."""
    most = first = 0
    for place, at in enumerate(times):
        while times[first] <= at - window:
            first += 1
        most = max(most, place - first + 1)
    return most


def _tables(records: Iterable[Record], woke: set[str], names: Any) -> list[dict[str, Any]]:
    verdicts: dict[str, Counter[str]] = {}
    pages: Counter[str] = Counter()
    about: dict[str, Counter[str]] = {}
    for record in records:
        if record.verdict is None:
            continue
        for name in names(record):
            verdicts.setdefault(name, Counter())[record.verdict] += 1
            pages[name] += record.id in woke
            if record.verdict in WRONG:
                about.setdefault(name, Counter())[f"{record.about.key} {record.about.value}"] += 1
    return [_row(name, counts, pages[name], about.get(name, Counter())) for name, counts in sorted(verdicts.items())]


def _row(name: str, counts: Counter[str], paged: int, about: Counter[str]) -> dict[str, Any]:
    wrong = sum(counts[verdict] for verdict in WRONG)
    judged = counts["true"] + wrong
    share = counts["true"] / judged if judged else None
    return {
        "name": name,
        "true": counts["true"],
        "benign": counts["benign"],
        "false": counts["false"],
        "duplicate": counts["duplicate"],
        "paged": paged,
        "precision": round(share, 3) if share is not None else None,
        "noisiest": [{"about": who, "wrong": count} for who, count in about.most_common(3)],
        "suggestion": suggestion(counts, about),
    }


def suggestion(counts: Counter[str], about: Counter[str]) -> str:
    """What the verdicts suggest, in a sentence; empty where they say too little, or that all is well."""
    wrong = counts["benign"] + counts["false"]
    judged = counts["true"] + wrong
    if judged < ENOUGH:
        return ""
    share = counts["true"] / judged
    if share >= GOOD:
        return ""
    who, most = about.most_common(1)[0] if about else ("", 0)
    if most * 2 > wrong:
        return f"{most} of {wrong} were wrong about {who}: an exception for it, with an owner, would mend most"
    if counts["benign"] > counts["false"]:
        return "most were right but harmless: tell the directory of these grants, roles or windows"
    if share < POOR:
        return "most were wrong: raise its thresholds, or let it observe until a backtest on this history is better"
    return "try higher thresholds against this history with `tocsin backtest`"
