"""`tocsin evaluate`: backtest every corpus, hold the findings against the truth, compare, and check for regression."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from stream.errors import UNREADABLE, RejectedError
from tocsin import simulation
from tocsin.evaluation.corpus import Corpus, read_corpus
from tocsin.evaluation.regression import read_figures, regressions
from tocsin.evaluation.report import Change, Report, change
from tocsin.evaluation.score import Score, Scorer, Span
from tocsin.evaluation.span import span_of
from tocsin.simulation import STANDARD, simulate

Progress = Callable[[float, str], None]
"""Told the share done, 0 to 1, and what is being done."""


Told = Callable[[Mapping[str, Any]], None]
Backtest = Callable[[Corpus, Told], object]
"""Runs a configuration's detectors and decisions over a corpus and tells each finding (DESIGN §11, `backtest`)."""


def evaluate(
    corpora: Sequence[Path],
    backtest: Backtest,
    *,
    against: Backtest | None = None,
    figures: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Evaluate corpora with a backtest, `against` another, and hold it to the committed `figures` of a file.

    Raises RejectedError for a folder that is no corpus and for figures that cannot be read.
    """
    if not corpora:
        raise RejectedError(
            "nothing to evaluate", where="evaluate", hint="name a corpus folder or use the standard set"
        )
    read = [read_corpus(path) for path in corpora]
    limits = read_figures(figures) if figures is not None else None
    scores: list[Score] = []
    changes: list[Change] = []
    for number, corpus in enumerate(read):
        if progress is not None:
            progress(number / len(read), corpus.name)
        span = span_of(corpus.events)
        scores.append(run(corpus, span, backtest))
        if against is not None:
            changes.append(change(scores[-1], run(corpus, span, against)))
    worse, notes = regressions(scores, limits) if limits is not None else ([], [])
    return Report(scores=scores, changes=changes, regressions=worse, notes=notes)


def run(corpus: Corpus, span: Span, backtest: Backtest) -> Score:
    """Backtest one corpus and score what was found as it is told."""
    scorer = Scorer(corpus)
    backtest(corpus, scorer.add)
    return scorer.score(span)


def score_findings(corpus: Corpus, findings: Iterable[Mapping[str, Any]], span: Span) -> Score:
    """The score of findings, wherever they come from, against a corpus' truth."""
    scorer = Scorer(corpus)
    for finding in findings:
        scorer.add(finding)
    return scorer.score(span)


def findings_in(path: Path) -> Iterator[dict[str, Any]]:
    """The findings of a file with one JSON object a line; none where it is missing."""
    if not path.exists():
        return
    decoder = msgspec.json.Decoder(dict[str, Any])
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                if line.strip():
                    yield decoder.decode(line)
            except UNREADABLE as error:
                raise RejectedError(
                    f"not a finding: {error}", where=f"{path}:{number}", hint="use the output of `tocsin backtest`"
                ) from error


def standard_set(cache: Path, progress: Progress | None = None) -> list[Path]:
    """The standard corpora, made where they are not there yet; `cache` keeps them for the next time."""
    folders: list[Path] = []
    generator = _generator()
    for number, (preset, seed) in enumerate(STANDARD):
        folder = cache / f"{preset}-{seed}-{generator}"
        # The README is written last: a folder without one was left half done.
        if not (folder / "README.md").is_file():
            simulate(seed, None, folder, preset=preset, progress=_part(progress, number, len(STANDARD)))
        folders.append(folder)
    return folders


def _generator() -> str:
    # By its source, so that a changed generator never leaves old corpora in use.
    digest = blake2b(digest_size=6)
    for source in sorted(Path(simulation.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _part(progress: Progress | None, number: int, parts: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, text: progress((number + done) / parts, f"simulating: {text}")
