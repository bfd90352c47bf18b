"""What would have been told: past findings decided anew under other rules, without telling anybody."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select

from alerting.database.schema import FINDINGS
from alerting.database.store import MEMORY, Store
from alerting.deciding.policy import Matcher, Policies
from alerting.fold import Folder
from alerting.incidents.key import incident_key
from alerting.incidents.walls import own_finding
from alerting.routing.route import Route, Routes
from alerting.telling.tell import Decided
from stream.finding import DECODER, Finding
from tocsin_audit.event import rfc3339

MOST: Final = 50_000
"""Findings that are looked at, the newest."""
_FRAME: Final = 500
_DAY: Final = 86_400.0


class Past(NamedTuple):
    """A finding of the past, and the log's clock when it was decided."""

    at: float
    finding: Finding


def past(store: Store, since: float, *, tenants: frozenset[str] | None = None) -> list[Past]:
    """The findings since a moment as they were decided, drills left out; with `tenants` theirs, as they see them."""
    newest = select(FINDINGS.c.at, FINDINGS.c.body).where(FINDINGS.c.at >= since)
    newest = newest.order_by(FINDINGS.c.at.desc(), FINDINGS.c.finding).limit(MOST)
    with store.reading() as connection:
        rows = connection.execute(newest).all()
    seen = [(row.at, own_finding(DECODER.decode(row.body), tenants)) for row in reversed(rows)]
    return [Past(at, finding) for at, finding in seen if finding is not None and finding.class_ != "drill"]


def replay(findings: Iterable[Past], policies: Policies, routes: Routes, *, live: bool = False) -> list[Decided]:
    """Decide findings anew, nobody having acted on anything; `live` takes shadow and observed ones as live."""
    decided: list[Decided] = []
    with closing(Store(MEMORY)) as store:
        folder = Folder(policies, routes, None)
        clock = 0.0
        for at, group in groupby(findings, key=lambda one: one.at):
            clock = max(clock, at)
            members = [msgspec.structs.replace(one.finding, mode="live") if live else one.finding for one in group]
            for start in range(0, len(members), _FRAME):
                with store.unit() as unit:
                    folder.due(unit, clock)
                    decided += folder.findings(unit, members[start : start + _FRAME], clock, imported=False)
        with store.unit() as unit:
            folder.due(unit, clock, all_=True)
    return decided


def preview(findings: Sequence[Past], matcher: Matcher, policies: Policies, routes: Routes) -> dict[str, Any]:
    """What a silence or an exception would have hidden, had it held all the time."""
    holds = replace(matcher, start=0.0, until=float("inf"))
    covered = [one for one in findings if holds.covers(one.finding, one.at)]
    before = _pages(replay(findings, policies, routes))
    after = _pages(replay(findings, replace(policies, matchers=(*policies.matchers, holds)), routes))
    newest = [one.finding for one in covered[-10:]]
    return {
        "findings": len(covered),
        "incidents": len({incident_key(one.finding).id for one in covered}),
        "pages_before": len(before),
        "pages_after": len(after),
        "looked_at": len(findings),
        "classes": dict(Counter(one.finding.class_ for one in covered).most_common()),
        "examples": [
            {"time": rfc3339(one.time), "class": one.class_, "tenant": one.tenant, "title": one.title} for one in newest
        ],
    }


def report(findings: Sequence[Past], policies: Policies, routes: Routes) -> dict[str, Any]:
    """What going live would have cost in pages: in all, and for each detector and class."""
    decided = replay(findings, replace(policies, observe=False), _all_live(routes), live=True)
    days = (findings[-1].at - findings[0].at) / _DAY if findings else 0.0
    detectors: dict[str, list[Decided]] = {}
    for one in decided:
        detectors.setdefault(one.finding.detector, []).append(one)
    return {
        "findings": len(findings),
        "since": rfc3339(findings[0].at) if findings else None,
        "days": round(days, 2),
        "pages": len(_pages(decided)),
        "pages_per_week": _weekly(len(_pages(decided)), days),
        "detectors": [
            {
                "detector": name,
                "findings": len(members),
                "incidents": len({one.decision.incident for one in members}),
                "pages": len(_pages(members)),
                "pages_per_week": _weekly(len(_pages(members)), days),
                "modes": dict(Counter(one.mode for one in _of(findings, name)).most_common()),
                "classes": dict(Counter(one.finding.class_ for one in members if one.page_id).most_common()),
                "noisiest": [
                    {"about": about, "pages": count}
                    for about, count in Counter(_about(one.finding) for one in members if one.page_id).most_common(3)
                ],
            }
            for name, members in sorted(detectors.items(), key=lambda item: (-len(_pages(item[1])), item[0]))
        ],
    }


def _of(findings: Iterable[Past], detector: str) -> list[Finding]:
    return [one.finding for one in findings if one.finding.detector == detector]


def _pages(decided: Iterable[Decided]) -> set[str]:
    return {one.page_id for one in decided if one.page_id is not None}


def _weekly(pages: int, days: float) -> float | None:
    return round(pages / days * 7, 2) if days >= 1 else None


def _about(finding: Finding) -> str:
    subject = incident_key(finding).subject
    return f"{subject.key} {subject.value}"


def _all_live(routes: Routes) -> Routes:
    if routes.root is None:
        return routes
    return replace(routes, root=_live(routes.root))


def _live(route: Route) -> Route:
    return replace(route, observe=False, routes=tuple(_live(child) for child in route.routes))
