from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tocsin.evaluation.corpus import Corpus, moment
from tocsin.evaluation.score import Score, Scorer, Span

START = moment("2026-08-03T00:00:00Z")
SPAN = Span(1000, START, START + 2 * 86_400)
Make = Callable[..., dict[str, Any]]


def scored(truth: Corpus, *findings: dict[str, Any], span: Span = SPAN) -> Score:
    scorer = Scorer(truth)
    for finding in findings:
        scorer.add(finding)
    return scorer.score(span)


def test_recall_counts_incidents_once_and_by_class_and_grade(small_truth: Corpus, make_finding: Make) -> None:
    score = scored(small_truth, make_finding(1), make_finding(1, id="again"), make_finding(3, "spray"))
    assert (score.all.recall.hits, score.all.recall.of) == (2, 4)
    assert score.classes["brute"].recall.value == 0.5
    assert score.grades["brute/easy"].recall.value == 1.0
    assert score.grades["brute/hard"].recall.value == 0.0
    assert score.missed == ["i2", "i4"]
    assert (score.precision.hits, score.precision.of) == (3, 3)


def test_findings_below_medium_or_in_shadow_neither_hit_nor_miss(small_truth: Corpus, make_finding: Make) -> None:
    score = scored(
        small_truth,
        make_finding(1, severity="low"),
        make_finding(2, mode="shadow"),
        make_finding(3, "spray", mode="observe"),
        make_finding(9, severity="notice"),
    )
    assert score.all.recall.hits == 0
    assert (score.findings, score.below_medium, score.not_live) == (0, 2, 2)
    assert score.precision.value is None


def test_false_findings_are_counted_per_day_and_per_ten_thousand_events(
    small_truth: Corpus, make_finding: Make
) -> None:
    score = scored(small_truth, make_finding(1), make_finding(8), make_finding(9), make_finding(7, "novelty"))
    assert (score.precision.hits, score.precision.of) == (1, 4)
    assert score.false_per_day.value == 1.5
    assert score.false_per_10k == 30.0
    assert score.false_by_class == {"brute": 2, "novelty": 1}


def test_a_finding_of_another_class_about_an_incident_is_false_but_called_related(
    small_truth: Corpus, make_finding: Make
) -> None:
    score = scored(small_truth, make_finding(1, "novelty"))
    assert score.precision.value == 0.0
    assert score.related == 1


def test_a_bundle_is_one_page_and_true_when_one_of_its_findings_is(small_truth: Corpus, make_finding: Make) -> None:
    score = scored(
        small_truth,
        make_finding(1, paged=True, page_id="bundle"),
        make_finding(9, paged=True, page_id="bundle"),
        make_finding(8, paged=True, page_id="alone"),
    )
    assert score.pages == 2
    assert (score.page_precision.hits, score.page_precision.of) == (1, 2)
    assert score.classes["brute"].page_recall.hits == 1
    assert score.false_pages_by_class == {"brute": 1}


def test_pages_per_shift_counts_quiet_shifts_too(small_truth: Corpus, make_finding: Make) -> None:
    score = scored(small_truth, *(make_finding(it, paged=True, page_id=f"p{it}") for it in (1, 2, 8)))
    assert score.pages_per_shift.value == 0.75
    assert score.busiest_shift == 3
    assert score.false_pages_per_week.value == pytest.approx(3.5)


def test_delay_runs_from_the_deciding_event_of_the_earliest_finding(small_truth: Corpus, make_finding: Make) -> None:
    score = scored(
        small_truth,
        make_finding(1, time="2026-08-03T01:00:45Z"),
        make_finding(1, id="later", time="2026-08-03T01:09:00Z"),
        make_finding(2, time="2026-08-03T02:00:10Z"),
    )
    row = score.classes["brute"]
    assert row.delay_s.value == 7.5  # 15 s, and 0 for the one that did not wait for the deciding event
    assert row.delay_events.value == 1.5
    assert row.delay_p95_s.value == pytest.approx(14.25)


def test_an_operations_finding_about_a_decoy_counts_neither_way_but_its_page_is_false(
    small_truth: Corpus, make_finding: Make
) -> None:
    about = {"entity": {"client": "c"}, "start": "2026-08-03T06:10:00Z", "end": "2026-08-03T06:20:00Z"}
    quiet = scored(small_truth, make_finding(6, "retry_storm", **about))
    assert (quiet.findings, quiet.decoys["retry_storm"].findings) == (0, 0)
    loud = scored(small_truth, make_finding(6, "brute", paged=True, **about))
    row = loud.decoys["retry_storm"]
    assert (row.decoys, row.with_findings, row.with_pages, row.findings, row.pages) == (1, 1, 1, 1, 1)
    paged = scored(small_truth, make_finding(6, "retry_storm", paged=True, **about))
    assert paged.false_pages_by_class == {"retry_storm": 1}


def test_recall_at_a_budget_takes_only_what_outranks_the_false_ones(small_truth: Corpus, make_finding: Make) -> None:
    score = scored(
        small_truth,
        make_finding(1, score=90),
        make_finding(2, score=40),
        make_finding(3, "spray", severity="medium", score=99),
        make_finding(8, score=60),
        make_finding(9, score=50),
    )
    # Four shifts: at 0.1 no false page is allowed, at 0.25 one, at 0.5 two.
    assert [score.recall_at_budget[it].hits for it in ("0.1", "0.25", "0.5")] == [1, 1, 3]


def test_several_findings_of_one_false_incident_cost_the_budget_once(small_truth: Corpus, make_finding: Make) -> None:
    findings = [make_finding(8, id=f"x{it}", incident="one", score=60) for it in range(5)]
    score = scored(small_truth, make_finding(1, score=40), *findings)
    assert score.recall_at_budget["0.1"].hits == 0
    assert score.recall_at_budget["0.25"].hits == 1


def test_a_silent_truth_has_no_recall_but_all_its_pages_are_false(small_truth: Corpus, make_finding: Make) -> None:
    score = scored(replace(small_truth, incidents=()), make_finding(1, paged=True))
    assert score.all.recall.value is None
    assert score.page_precision.value == 0.0


def test_the_order_of_findings_does_not_matter(small_truth: Corpus, make_finding: Make) -> None:
    findings = [
        make_finding(1, paged=True, page_id="a"),
        make_finding(2, score=20),
        make_finding(8, paged=True, page_id="b"),
        make_finding(3, "spray"),
    ]
    assert scored(small_truth, *findings) == scored(small_truth, *reversed(findings))
