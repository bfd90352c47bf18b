from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from stream.errors import RejectedError
from tocsin.evaluation.corpus import Corpus
from tocsin.evaluation.evaluate import Told, evaluate, findings_in, score_findings
from tocsin.evaluation.page import html_page
from tocsin.evaluation.regression import Committed, committed, read_figures, regressions, write_figures
from tocsin.evaluation.report import Report, change, to_json
from tocsin.evaluation.score import Span
from tocsin.evaluation.table import print_report
from tocsin.simulation import simulate

Make = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(3, 1, tmp_path_factory.mktemp("evaluate") / "<tiny>", preset="tiny").out


def oracle(share: float, *, false: int = 0) -> Callable[[Corpus, Told], None]:
    """A backtest that finds the first share of the incidents, and something false beside."""

    def run(corpus: Corpus, told: Told) -> None:
        for number, case in enumerate(corpus.incidents[: round(share * len(corpus.incidents))]):
            told(
                {
                    "id": f"f{number}",
                    "class": case.class_,
                    "entity": {},
                    "severity": "high",
                    "start": case.start,
                    "end": case.end,
                    "time": case.deciding,
                    "event_ids": sorted(case.event_ids)[:20],
                    "paged": True,
                    "page_id": f"p{number}",
                }
            )
        first = corpus.incidents[0]
        for number in range(false):
            told(
                {
                    "id": f"x{number}",
                    "class": "novelty",
                    "entity": {"user": "<b>nobody</b>"},
                    "severity": "critical",
                    "start": first.start,
                    "end": first.start,
                    "time": first.start,
                    "paged": True,
                }
            )

    return run


def test_an_oracle_scores_one_and_a_half_oracle_half(corpus_folder: Path) -> None:
    score = evaluate([corpus_folder], oracle(1.0)).scores[0]
    assert score.all.recall.value == score.precision.value == score.page_precision.value == 1.0
    assert score.all.delay_s.value == 0.0
    assert score.missed == []
    half = evaluate([corpus_folder], oracle(0.5)).scores[0]
    assert half.all.recall.value == pytest.approx(0.5, abs=0.01)


def test_a_report_names_corpus_size_seed_and_digest(corpus_folder: Path) -> None:
    record = msgspec.json.decode(to_json(evaluate([corpus_folder], oracle(1.0))))
    score = record["scores"][0]
    assert (score["corpus"], score["seed"]) == ("tiny", 3)
    assert score["events"] > 1000
    assert len(score["digest"]) == 64


def test_two_configurations_are_compared_incident_by_incident(corpus_folder: Path) -> None:
    report = evaluate([corpus_folder, corpus_folder], oracle(1.0), against=oracle(0.5, false=2))
    assert len(report.scores) == len(report.changes) == 2
    moved = report.changes[0]
    assert moved.lost == []
    assert len(moved.gained) == report.scores[0].all.recall.of - round(report.scores[0].all.recall.of * 0.5)
    before, now = moved.figures["page_precision"]
    assert before is not None
    assert now == 1.0 > before


def test_what_is_worse_than_the_committed_interval_is_a_regression(corpus_folder: Path, tmp_path: Path) -> None:
    figures = tmp_path / "evaluation.json"
    write_figures(figures, evaluate([corpus_folder], oracle(1.0)))
    assert evaluate([corpus_folder], oracle(1.0), figures=figures).ok
    worse = evaluate([corpus_folder], oracle(0.4, false=30), figures=figures)
    assert not worse.ok
    named = {it.figure for it in worse.regressions}
    assert {"page precision", "false pages per week", "false findings per day"} <= named
    assert any(name.endswith(": recall") for name in named)


def test_one_miss_within_the_interval_is_no_regression(corpus_folder: Path) -> None:
    good = evaluate([corpus_folder], oracle(1.0))
    before = read_back(good)
    slightly = evaluate([corpus_folder], oracle(1.0 - 1.2 / good.scores[0].all.incidents))
    assert slightly.scores[0].all.recall.hits == good.scores[0].all.recall.hits - 1
    found, notes = regressions(slightly.scores, before)
    assert (found, notes) == ([], [])


def test_a_corpus_without_committed_figures_is_noted_not_failed(corpus_folder: Path) -> None:
    found, notes = regressions(evaluate([corpus_folder], oracle(0.0)).scores, Committed([]))
    assert found == []
    assert "no committed figures" in notes[0]


def test_another_digest_is_noted(corpus_folder: Path) -> None:
    report = evaluate([corpus_folder], oracle(1.0))
    before = read_back(report)
    other = msgspec.structs.replace(report.scores[0], digest="0" * 64)
    assert "digest differs" in regressions([other], before)[1][0]


def test_figures_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(RejectedError, match="cannot be used"):
        read_figures(tmp_path / "missing.json")


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(RejectedError, match="nothing to evaluate"):
        evaluate([], oracle(1.0))


def test_the_table_and_the_page_show_every_class_and_escape_what_others_wrote(corpus_folder: Path) -> None:
    report = evaluate([corpus_folder], oracle(0.7, false=1), against=oracle(0.6))
    hostile = Report(
        scores=[msgspec.structs.replace(report.scores[0], corpus="<script>x</script>[bold]")],
        changes=report.changes,
        notes=["<img src=x>"],
    )
    page = html_page(hostile)
    assert "<script" not in page
    assert "<img" not in page
    out = StringIO()
    print_report(hostile, Console(file=out, width=160))
    for name in report.scores[0].classes:
        assert name in page
        assert name in out.getvalue()
    assert "[bold]" in out.getvalue()


def test_a_silent_corpus_makes_a_page_too(small_truth: Corpus, make_finding: Make) -> None:
    silent = replace(small_truth, incidents=(), decoys=())
    score = score_findings(silent, [make_finding(1, paged=True)], Span(10, 0.0, 86_400.0))
    assert "1 pages" in html_page(Report([score]))
    assert change(score, score).gained == []


def test_findings_are_read_from_a_file_a_line_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "findings.ndjson"
    path.write_bytes(b'{"id":"a"}\n\n{"id":"b"}\n')
    assert [it["id"] for it in findings_in(path)] == ["a", "b"]
    path.write_bytes(b'{"id":"a"}\n[]\n')
    with pytest.raises(RejectedError) as caught:
        list(findings_in(path))
    assert caught.value.where.endswith(":2")


def read_back(report: Report) -> Committed:
    return msgspec.json.decode(msgspec.json.encode(committed(report)), type=Committed)


def test_progress_names_each_corpus(corpus_folder: Path) -> None:
    told: list[tuple[float, str]] = []
    evaluate([corpus_folder] * 2, oracle(0.0), progress=lambda done, name: told.append((done, name)))
    assert told == [(0.0, "tiny"), (0.5, "tiny")]
