"""Scoring: findings held against the truth, one pass, memory by incidents and pages."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from stream.finding import SEVERITIES
from tocsin.evaluation.corpus import Case, Corpus, moment
from tocsin.evaluation.hits import Hits, of_class
from tocsin.evaluation.interval import Estimate, Share, bootstrap, mean, median, quantile, share

SHIFT: Final = 12 * 3600
DAY: Final = 86_400
BUDGETS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""False pages per 12-hour shift at which recall is stated."""
_MEDIUM: Final = SEVERITIES.index("medium")


class Span(NamedTuple):
    """How much was watched: the number of events, and first and last event time in seconds since the epoch."""

    events: int
    start: float
    end: float

    @property
    def days(self) -> float:
        """Days of event time, at least one hour."""
        return max(self.end - self.start, 3600.0) / DAY


class Row(msgspec.Struct, frozen=True):
    """Figures of one group of incidents.

    `recall` counts findings of `medium` and above, `page_recall` pages. Delays run from the deciding event: `delay_s`
    in seconds of event time, `delay_events` in events of the incident (1: that one sufficed).
    """

    incidents: int
    recall: Share
    page_recall: Share
    delay_s: Estimate
    delay_p95_s: Estimate
    delay_events: Estimate


class DecoyRow(msgspec.Struct, frozen=True):
    """What decoys of one scenario drew: how many of them a false finding or a false page, and how many of these."""

    decoys: int
    with_findings: int
    with_pages: int
    findings: int
    pages: int


class Score(msgspec.Struct, frozen=True):
    """All figures of one corpus. Findings here are live and of `medium` severity or above, unless said otherwise."""

    corpus: str
    seed: int | None
    digest: str | None
    events: int
    days: float
    all: Row
    classes: dict[str, Row]
    grades: dict[str, Row]
    scenarios: dict[str, Row]
    findings: int
    below_medium: int
    not_live: int
    precision: Share
    related: int
    false_by_class: dict[str, int]
    false_per_day: Estimate
    false_per_10k: float
    pages: int
    page_precision: Share
    pages_per_shift: Estimate
    busiest_shift: int
    false_pages_per_week: Estimate
    false_pages_by_class: dict[str, int]
    recall_at_budget: dict[str, Share]
    decoys: dict[str, DecoyRow]
    missed: list[str]
    not_paged: list[str]


@dataclass(slots=True)
class _Outcome:
    """What one incident drew so far."""

    found: float | None = None
    paged: bool = False
    best: tuple[int, float, float] | None = None


@dataclass(slots=True)
class _Page:
    """One page, or one bundle of them."""

    time: float
    true: bool = False
    classes: set[str] = field(default_factory=set)
    decoys: set[str] = field(default_factory=set)


class Scorer:
    """Takes findings one by one (records of DESIGN §3 with `incident`, `paged` and `page_id`), then gives the score."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._incidents = Hits(corpus.incidents)
        self._decoys = Hits(corpus.decoys)
        self._outcomes = {case.id: _Outcome() for case in corpus.incidents}
        self._pages: dict[str, _Page] = {}
        self._false_times: list[float] = []
        self._false_classes: Counter[str] = Counter()
        self._false_best: dict[str, tuple[int, float, float]] = {}
        self._decoy_findings: Counter[str] = Counter()
        self._findings = self._true = self._below = self._not_live = self._related = 0

    def add(self, finding: Mapping[str, Any]) -> None:
        """Hold one finding against the truth."""
        if finding.get("mode", "live") != "live":
            self._not_live += 1
            return
        touched = self._incidents.touched(finding)
        hit = of_class(touched, finding["class"])
        decoys = [] if hit else self._decoys.touched(finding)
        if finding.get("paged"):
            self._page(finding, hit, decoys)
        severity = SEVERITIES.index(finding["severity"])
        if severity < _MEDIUM:
            self._below += 1
            return
        self._findings += 1
        rank = (severity, float(finding.get("score") or 0), float(finding.get("confidence") or 0))
        time = moment(finding["time"])
        if hit:
            self._true += 1
            for case in hit:
                outcome = self._outcomes[case.id]
                outcome.found = time if outcome.found is None else min(outcome.found, time)
                outcome.best = rank if outcome.best is None else max(outcome.best, rank)
            return
        if any(finding["class"] in decoy.allowed for decoy in decoys):
            self._findings -= 1
            return
        self._related += bool(touched)
        self._false_times.append(time)
        self._false_classes[finding["class"]] += 1
        group = str(finding.get("incident") or finding["id"])
        self._false_best[group] = max(rank, self._false_best.get(group, rank))
        for decoy in decoys:
            self._decoy_findings[decoy.id] += 1

    def _page(self, finding: Mapping[str, Any], hit: list[Case], decoys: list[Case]) -> None:
        key = str(finding.get("page_id") or finding["id"])
        time = moment(finding["time"])
        page = self._pages.setdefault(key, _Page(time))
        page.time = min(page.time, time)
        page.true = page.true or bool(hit)
        page.classes.add(finding["class"])
        page.decoys.update(decoy.id for decoy in decoys)
        for case in hit:
            self._outcomes[case.id].paged = True

    def score(self, span: Span, seed: int = 1) -> Score:
        """The figures of everything added so far; `seed` is that of the bootstrap."""
        corpus = self._corpus
        pages = list(self._pages.values())
        false_pages = [page for page in pages if not page.true]
        per_shift = _counts((page.time for page in pages), span, SHIFT)
        groups: dict[str, dict[str, list[Case]]] = {name: defaultdict(list) for name in ("class", "grade", "scenario")}
        for case in corpus.incidents:
            groups["class"][case.class_].append(case)
            groups["grade"][f"{case.class_}/{case.difficulty}"].append(case)
            groups["scenario"][f"{case.class_}/{case.scenario}"].append(case)
        rows = {
            name: {key: self._row(cases, seed) for key, cases in sorted(group.items())}
            for name, group in groups.items()
        }
        return Score(
            corpus=corpus.name,
            seed=corpus.seed,
            digest=corpus.digest,
            events=span.events,
            days=round(span.days, 3),
            all=self._row(corpus.incidents, seed),
            classes=rows["class"],
            grades=rows["grade"],
            scenarios=rows["scenario"],
            findings=self._findings,
            below_medium=self._below,
            not_live=self._not_live,
            precision=share(self._true, self._findings),
            related=self._related,
            false_by_class=dict(sorted(self._false_classes.items())),
            false_per_day=bootstrap(_counts(self._false_times, span, DAY), mean, seed),
            false_per_10k=len(self._false_times) / max(span.events, 1) * 10_000,
            pages=len(pages),
            page_precision=share(len(pages) - len(false_pages), len(pages)),
            pages_per_shift=bootstrap(per_shift, mean, seed),
            busiest_shift=int(max(per_shift, default=0)),
            false_pages_per_week=_weekly(bootstrap(_counts((it.time for it in false_pages), span, DAY), mean, seed)),
            false_pages_by_class=dict(sorted(Counter(name for it in false_pages for name in it.classes).items())),
            recall_at_budget=self._budgets(span),
            decoys=self._decoy_rows(false_pages),
            missed=[it.id for it in corpus.incidents if self._outcomes[it.id].found is None],
            not_paged=[it.id for it in corpus.incidents if not self._outcomes[it.id].paged],
        )

    def _row(self, cases: Iterable[Case], seed: int) -> Row:
        cases = list(cases)
        outcomes = [(case, self._outcomes[case.id]) for case in cases]
        found = [(case, it.found) for case, it in outcomes if it.found is not None]
        delays = [max(0.0, time - case.deciding) for case, time in found]
        counts = [_events_until(case, time) for case, time in found if case.offsets]
        return Row(
            incidents=len(cases),
            recall=share(len(found), len(cases)),
            page_recall=share(sum(it.paged for _, it in outcomes), len(cases)),
            delay_s=bootstrap(delays, median, seed),
            delay_p95_s=bootstrap(delays, lambda values: quantile(values, 0.95), seed),
            delay_events=bootstrap(counts, median, seed),
        )

    def _budgets(self, span: Span) -> dict[str, Share]:
        shifts = max(1.0, span.days * DAY / SHIFT)
        false = sorted(self._false_best.values(), reverse=True)
        found = [it.best for it in self._outcomes.values()]
        result: dict[str, Share] = {}
        for budget in BUDGETS:
            allowed = int(budget * shifts)
            bar = false[allowed] if allowed < len(false) else None
            hits = sum(1 for best in found if best is not None and (bar is None or best > bar))
            result[str(budget)] = share(hits, len(found))
        return result

    def _decoy_rows(self, false_pages: list[_Page]) -> dict[str, DecoyRow]:
        pages = Counter(decoy for page in false_pages for decoy in page.decoys)
        groups: dict[str, list[str]] = defaultdict(list)
        for case in self._corpus.decoys:
            groups[case.scenario].append(case.id)
        return {
            scenario: DecoyRow(
                decoys=len(ids),
                with_findings=sum(1 for it in ids if self._decoy_findings[it]),
                with_pages=sum(1 for it in ids if pages[it]),
                findings=sum(self._decoy_findings[it] for it in ids),
                pages=sum(pages[it] for it in ids),
            )
            for scenario, ids in sorted(groups.items())
        }


def _events_until(case: Case, time: float) -> float:
    # Offsets are written in whole milliseconds.
    first = bisect_right(case.offsets, case.deciding - case.start + 0.001)
    return float(max(1, bisect_right(case.offsets, time - case.start + 0.001) - max(0, first - 1)))


def _counts(times: Iterable[float], span: Span, length: int) -> list[float]:
    # Whole stretches of the span, so that a quiet one counts as much as a loud one.
    slots = max(1, round(span.days * DAY / length))
    counts = [0.0] * slots
    for time in times:
        counts[min(slots - 1, max(0, int((time - span.start) // length)))] += 1
    return counts


def _weekly(daily: Estimate) -> Estimate:
    return Estimate(*(None if it is None else it * 7 for it in (daily.value, daily.low, daily.high)))
