"""The report: the scores of all corpora under one configuration, and how they differ from another's."""

from typing import Final

import msgspec

from tocsin.evaluation.score import Score

FORM: Final = 1
"""Version of the report's JSON."""


class Change(msgspec.Struct, frozen=True):
    """What a configuration changes on one corpus against another: incidents gained and lost, figures before and now."""

    corpus: str
    gained: list[str]
    lost: list[str]
    pages_gained: list[str]
    pages_lost: list[str]
    figures: dict[str, tuple[float | None, float | None]]


class Regression(msgspec.Struct, frozen=True):
    """One figure that is worse than the committed one by more than its interval allows."""

    corpus: str
    figure: str
    now: float
    limit: float
    committed: float


class Report(msgspec.Struct, frozen=True):
    """Everything that one evaluation says."""

    scores: list[Score]
    changes: list[Change] = []
    regressions: list[Regression] = []
    notes: list[str] = []
    form: int = FORM

    @property
    def ok(self) -> bool:
        """Whether nothing is worse than the committed figures."""
        return not self.regressions


def change(now: Score, before: Score) -> Change:
    """How a score differs from another of the same corpus."""
    return Change(
        corpus=now.corpus,
        gained=sorted(set(before.missed) - set(now.missed)),
        lost=sorted(set(now.missed) - set(before.missed)),
        pages_gained=sorted(set(before.not_paged) - set(now.not_paged)),
        pages_lost=sorted(set(now.not_paged) - set(before.not_paged)),
        figures={name: (_figure(before, name), _figure(now, name)) for name in _FIGURES},
    )


def to_json(report: Report) -> bytes:
    """The report as one JSON object."""
    return msgspec.json.encode(report)


_FIGURES: Final = (
    "recall",
    "page_recall",
    "precision",
    "page_precision",
    "pages_per_shift",
    "false_pages_per_week",
    "false_per_day",
    "false_per_10k",
    "delay_s",
)


def _figure(score: Score, name: str) -> float | None:
    return {
        "recall": score.all.recall.value,
        "page_recall": score.all.page_recall.value,
        "precision": score.precision.value,
        "page_precision": score.page_precision.value,
        "pages_per_shift": score.pages_per_shift.value,
        "false_pages_per_week": score.false_pages_per_week.value,
        "false_per_day": score.false_per_day.value,
        "false_per_10k": score.false_per_10k,
        "delay_s": score.all.delay_s.value,
    }[name]
