"""Regression: this run's figures against the committed ones, with the tolerance that their intervals give."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from stream.errors import UNREADABLE, RejectedError
from tocsin.evaluation.report import Regression, Report
from tocsin.evaluation.score import Score

_SLACK_PAGES: Final = 1.0
"""False pages a week that are forgiven where the committed interval is empty, as it is after a silent month."""
_SLACK_DELAY_S: Final = 60.0


class ClassFigures(msgspec.Struct, frozen=True):
    """The committed figures of one class: recall and page recall with lower limits, median delay with its upper."""

    incidents: int
    recall: float
    recall_low: float
    page_recall: float
    page_recall_low: float
    delay_s: float | None
    delay_high_s: float | None


class Figures(msgspec.Struct, frozen=True):
    """The committed figures of one corpus."""

    corpus: str
    seed: int | None
    digest: str | None
    events: int
    days: float
    classes: dict[str, ClassFigures]
    page_precision: float | None
    page_precision_low: float
    false_pages_per_week: float
    false_pages_per_week_high: float
    false_per_day: float
    false_per_day_high: float


class Committed(msgspec.Struct, frozen=True):
    """The file of committed figures."""

    corpora: list[Figures]


def committed(report: Report) -> Committed:
    """This run's figures as they would be committed."""
    return Committed([_figures(score) for score in report.scores])


def write_figures(path: Path, report: Report) -> None:
    """Commit this run's figures to a file; later runs are held against them."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(committed(report)), indent=1) + b"\n")


def read_figures(path: Path) -> Committed:
    """The committed figures; raises RejectedError where they cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Committed)
    except (OSError, *UNREADABLE) as error:
        raise RejectedError(
            f"the committed figures cannot be used: {error}", where=str(path), hint="write them anew"
        ) from error


def regressions(scores: Iterable[Score], against: Committed) -> tuple[list[Regression], list[str]]:
    """What is worse than committed beyond its interval, and notes on what could not be compared."""
    known = {it.corpus: it for it in against.corpora}
    found: list[Regression] = []
    notes: list[str] = []
    for score in scores:
        before = known.get(score.corpus)
        if before is None:
            notes.append(f"{score.corpus}: no committed figures")
            continue
        if before.digest != score.digest:
            notes.append(f"{score.corpus}: not the corpus of the committed figures (digest differs)")
        found += _compare(score, before)
    return found, notes


def _compare(score: Score, before: Figures) -> Iterator[Regression]:
    def lower(figure: str, now: float | None, limit: float, value: float | None) -> Iterator[Regression]:
        if now is not None and value is not None and now < limit - 1e-9:
            yield Regression(score.corpus, figure, now, limit, value)

    def upper(figure: str, now: float | None, limit: float | None, value: float | None) -> Iterator[Regression]:
        if now is not None and limit is not None and value is not None and now > limit + 1e-9:
            yield Regression(score.corpus, figure, now, limit, value)

    for name, figures in before.classes.items():
        row = score.classes.get(name)
        if row is None:
            continue
        yield from lower(f"{name}: recall", row.recall.value, figures.recall_low, figures.recall)
        yield from lower(f"{name}: page recall", row.page_recall.value, figures.page_recall_low, figures.page_recall)
        limit = None if figures.delay_high_s is None else figures.delay_high_s + _SLACK_DELAY_S
        yield from upper(f"{name}: median delay", row.delay_s.value, limit, figures.delay_s)
    yield from lower("page precision", score.page_precision.value, before.page_precision_low, before.page_precision)
    yield from upper(
        "false pages per week",
        score.false_pages_per_week.value,
        before.false_pages_per_week_high + _SLACK_PAGES,
        before.false_pages_per_week,
    )
    yield from upper(
        "false findings per day", score.false_per_day.value, before.false_per_day_high + 1.0, before.false_per_day
    )


def _figures(score: Score) -> Figures:
    return Figures(
        corpus=score.corpus,
        seed=score.seed,
        digest=score.digest,
        events=score.events,
        days=score.days,
        classes={
            name: ClassFigures(
                incidents=row.incidents,
                recall=_number(row.recall.value),
                recall_low=round(row.recall.low, 4),
                page_recall=_number(row.page_recall.value),
                page_recall_low=round(row.page_recall.low, 4),
                delay_s=row.delay_s.value,
                delay_high_s=row.delay_s.high,
            )
            for name, row in score.classes.items()
        },
        page_precision=score.page_precision.value,
        page_precision_low=round(score.page_precision.low, 4),
        false_pages_per_week=_number(score.false_pages_per_week.value),
        false_pages_per_week_high=_number(score.false_pages_per_week.high),
        false_per_day=_number(score.false_per_day.value),
        false_per_day_high=_number(score.false_per_day.high),
    )


def _number(value: Any) -> float:
    return round(float(value or 0.0), 4)
